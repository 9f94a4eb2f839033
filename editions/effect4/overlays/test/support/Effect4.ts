/**
 * What the tests need and Effect 4 does not have. Scripts in `test/children` import it too, and Node strips its types.
 */
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

const makeRandom = (next: () => number): Random.Random => ({
  nextDoubleUnsafe: next,
  nextIntUnsafe: () => Math.floor(next() * 2 ** 32)
})

/** A Random that repeats these numbers. */
export const fixed = (values: ReadonlyArray<number>): Random.Random => {
  let index = 0
  return makeRandom(() => values[index++ % values.length] as number)
}

/** A Random with a seed: a linear congruential generator over a hash of the seed. */
export const seeded = (seed: string | number): Random.Random => {
  let state = 2166136261
  for (const character of String(seed)) {
    state = Math.imul(state ^ character.charCodeAt(0), 16777619)
  }
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    const mixed = Math.imul(state ^ (state >>> 16), 2246822507)
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32
  }
  // the first numbers of similar seeds are alike
  for (let i = 0; i < 8; i++) {
    next()
  }
  return makeRandom(next)
}

export const fromMap = (variables: ReadonlyMap<string, string>): ConfigProvider.ConfigProvider =>
  ConfigProvider.fromEnv({ env: Object.fromEntries(variables) })

export const merge = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A | E, never, R> =>
  Effect.match(effect, { onFailure: (error): A | E => error, onSuccess: (value): A | E => value })

export const dieOption = (cause: Cause.Cause<unknown>): Option.Option<unknown> =>
  Option.fromNullishOr(cause.reasons.find(Cause.isDieReason)?.defect)

export const poll = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<Option.Option<Exit.Exit<A, E>>> =>
  Effect.sync(() => Option.fromNullishOr(fiber.pollUnsafe()))

/** Renames the path segments that are requested from a provider. */
export const mapInputPath = (
  provider: ConfigProvider.ConfigProvider,
  rename: (name: string) => string
): ConfigProvider.ConfigProvider =>
  ConfigProvider.mapInput(provider, (path) => path.map((part) => (typeof part === "string" ? rename(part) : part)))

export const interruptAwait = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
  Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))

export const mapLayer = <A, E, R, B>(
  layer: Layer.Layer<A, E, R>,
  f: (context: Context.Context<A>) => Context.Context<B>
): Layer.Layer<B, E, R> => Layer.effectContext(Effect.map(Layer.build(layer), f))

export interface Tracked {
  readonly live: Set<Fiber.Fiber<unknown, unknown>>
  readonly value: Effect.Effect<ReadonlyArray<Fiber.Fiber<unknown, unknown>>>
}

/** Tracks the fibers of {@link supervised}. */
export const track: Effect.Effect<Tracked> = Effect.sync(() => {
  const live = new Set<Fiber.Fiber<unknown, unknown>>()
  return { live, value: Effect.sync(() => [...live]) }
})

/** A Scheduler sees every fiber at its first step. */
export const supervised: {
  (tracked: Tracked): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, tracked: Tracked): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(effect: Effect.Effect<A, E, R>, { live }: Tracked): Effect.Effect<A, E, R> =>
    Effect.withFiber((own) =>
      Effect.flatMap(Effect.service(Scheduler.Scheduler), (scheduler) => {
        const seen = new WeakSet<Fiber.Fiber<unknown, unknown>>([own])
        return Effect.provideService(effect, Scheduler.Scheduler, {
          executionMode: scheduler.executionMode,
          makeDispatcher: () => scheduler.makeDispatcher(),
          shouldYield: (fiber) => {
            if (!seen.has(fiber)) {
              seen.add(fiber)
              live.add(fiber)
              fiber.addObserver(() => live.delete(fiber))
            }
            return scheduler.shouldYield(fiber)
          }
        })
      })
    )
)

export const transform = <A, I>(
  from: Schema.Codec<A, I>,
  to: Schema.Codec<A, A>,
  { decode, encode }: { readonly decode: (value: A) => A; readonly encode: (value: A) => A }
): Schema.Codec<A, I> =>
  from.pipe(Schema.decodeTo(to, { decode: SchemaGetter.transform(decode), encode: SchemaGetter.transform(encode) }))

export const transformOrFail = <A, I>(
  from: Schema.Codec<A, I>,
  to: Schema.Codec<A, A>,
  options: { readonly decode: (value: A) => Effect.Effect<A>; readonly encode: (value: A) => Effect.Effect<A> }
): Schema.Codec<A, I> =>
  from.pipe(
    Schema.decodeTo(to, {
      decode: SchemaGetter.transformEffect(options.decode),
      encode: SchemaGetter.transformEffect(options.encode)
    })
  )
