/**
 * Flags for tests: a whole client without a server, whose flags a test sets as it goes, and which tells what was
 * evaluated.
 *
 * Nothing here needs a test runner, and no time passes: with the TestClock nothing waits.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Engine from "./Engine.js"
import type * as Flag from "./Flag.js"
import { FliptClient } from "./FliptClient.js"
import { encodeSetting } from "./internal/flag/flag.js"
import { labelCause } from "./internal/testing/labelCause.js"
import * as kit from "./internal/testing/testClient.js"
import type { EvaluationRequest, Target } from "./Model.js"

/**
 * One evaluation that was made.
 *
 * @since 0.1.0
 * @category models
 */
export interface Evaluation {
  readonly request: EvaluationRequest
  /**
   * What the answer was, as one would set it: `true` or `false`, the variant's key (`""` for none), the key with the
   * attachment, or the error. An evaluation as the wrong type has its error here.
   */
  readonly value: Engine.MockValue
}

/**
 * What a test has of its flags beside the client.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * What was evaluated, in this order: by the client, by Snapshots, bound ones too, by batches and by `watch*`. A request
   * that is refused as not valid is no evaluation.
   */
  readonly evaluations: Effect.Effect<ReadonlyArray<Evaluation>>
  /** Sets a flag. When it comes back, the client has loaded the new state, as from a server. */
  readonly set: (flagKey: string, value: Engine.MockFlags[string]) => Effect.Effect<void>
  /** Another kit, with the flags of now and a record of its own; both go their own ways. See {@link isolated}. */
  readonly isolate: Effect.Effect<Service, never, Scope.Scope>
}

/**
 * The kit of a test.
 *
 * @since 0.1.0
 * @category tags
 */
export class FliptTest extends Context.Tag("flipt-client-effect/FliptTest")<FliptTest, Service>() {}

/**
 * What there is to begin with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Target {
  /** Flags as plain values, or functions of the request. They go before those of the document. Default: none. */
  readonly flags?: Engine.MockFlags | undefined
  /**
   * A snapshot document of Flipt, such as a file of your server's, evaluated as everywhere. It must be of the
   * `namespace`. Default: an empty one.
   */
  readonly document?: string | Uint8Array | undefined
}

/**
 * A whole client without a server, and the kit that sets its flags. Evaluation is that of `Engine.layerPortable`, under
 * what is set. A document that does not load is a defect.
 *
 * @example
 * ```ts
 * import { expect, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as Flag from "flipt-client-effect/Flag"
 * import * as FliptTest from "flipt-client-effect/FliptTest"
 *
 * const Discount = Flag.boolean("discount", { default: false })
 *
 * const price = Effect.map(Discount.get({ entityId: "user-1" }), (discount) => (discount ? 80 : 100))
 *
 * it.effect("a discount lowers the price", () =>
 *   Effect.gen(function* () {
 *     expect(yield* price).toBe(100)
 *     yield* FliptTest.set(Discount, true)
 *     expect(yield* price).toBe(80)
 *   }).pipe(Effect.provide(FliptTest.layer({ flags: { discount: false } })))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<FliptClient | FliptTest> =>
  Layer.scopedContext(
    Effect.map(kit.make(FliptTest, options ?? {}), ({ client, kit }) =>
      Context.make(FliptTest, kit).pipe(Context.add(FliptClient, client))
    )
  ).pipe(Layer.orDie)

/**
 * Sets a flag: a typed one to one of its values, any flag to what `Engine.layerMock` takes, or either to a function of
 * the request. When it comes back, the client has loaded the new state: `changes`, `watch*` and `status` tell of it as
 * they do with a server, and a Snapshot in hand stays as it is.
 *
 * A value of `Flag.json` becomes the attachment of a variant `test`. One that its Schema does not encode, or encodes as
 * `null`, which stands for no attachment, is a defect.
 *
 * @since 0.1.0
 * @category accessors
 */
export const set: {
  <A>(
    flag: Flag.Flag<A>,
    value: NoInfer<A> | ((request: EvaluationRequest) => NoInfer<A>)
  ): Effect.Effect<void, never, FliptTest>
  (flagKey: string, value: Engine.MockFlags[string]): Effect.Effect<void, never, FliptTest>
} = (flag: Flag.Flag<unknown> | string, value: unknown): Effect.Effect<void, never, FliptTest> =>
  Effect.flatMap(FliptTest, (kit) =>
    typeof flag === "string"
      ? kit.set(flag, value as Engine.MockFlags[string])
      : kit.set(flag.key, encodeSetting(flag, value))
  )

/**
 * What was evaluated until now.
 *
 * @example
 * ```ts
 * import { expect } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as FliptTest from "flipt-client-effect/FliptTest"
 *
 * const asked = Effect.gen(function* () {
 *   const evaluations = yield* FliptTest.evaluations
 *   expect(evaluations).toEqual([{ request: { flagKey: "discount", entityId: "user-1" }, value: true }])
 * })
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const evaluations: Effect.Effect<ReadonlyArray<Evaluation>, never, FliptTest> = Effect.flatMap(
  FliptTest,
  (kit) => kit.evaluations
)

/**
 * Runs an effect with a kit of its own: it begins with the flags of now, and what it sets and evaluates is seen by no
 * other. For tests that share a layer, one beside the other or one after the other.
 *
 * The client of {@link layer} follows: whoever uses it in the effect, or in a fiber that the effect forks, has the
 * flags of the effect, services that were built with the client before too. Fibers that run already keep theirs, and so
 * do those that a service starts with a Runtime of its own.
 *
 * @since 0.1.0
 * @category combinators
 */
export const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | FliptTest> =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) =>
      Effect.flatMap(FliptTest, ({ isolate }) => Scope.extend(isolate, scope)).pipe(
        Effect.flatMap((own) => kit.provide(FliptTest, own)(effect))
      ),
    (scope, exit) => Scope.close(scope, Exit.asVoid(exit))
  ) as Effect.Effect<A, E, R | FliptTest>

/**
 * Runs a test once for every value of a flag, one after the other, each {@link isolated}; of a boolean or variant flag
 * without `values` for all that it can have. Ends with the first failure, whose message begins with the flag and the
 * value; a failure that is no Error has an Error beside it that tells.
 *
 * @example
 * ```ts
 * import { expect, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as Flag from "flipt-client-effect/Flag"
 * import * as FliptTest from "flipt-client-effect/FliptTest"
 *
 * const Theme = Flag.variant("theme", ["light", "dark"], { default: "light" })
 *
 * declare const render: Effect.Effect<string>
 *
 * it.effect("a page has a title in every theme", () =>
 *   FliptTest.forEachValue(Theme, () => Effect.map(render, (page) => expect(page).toContain("<title>"))).pipe(
 *     Effect.provide(FliptTest.layer())
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const forEachValue: {
  <V, A, E, R>(flag: Flag.Finite<V>, test: (value: V) => Effect.Effect<A, E, R>): Effect.Effect<void, E, R | FliptTest>
  <V, A, E, R>(
    flag: Flag.Flag<V>,
    values: Iterable<NoInfer<V>>,
    test: (value: V) => Effect.Effect<A, E, R>
  ): Effect.Effect<void, E, R | FliptTest>
} = <A, E, R>(
  flag: Flag.Flag<unknown>,
  ...rest:
    | readonly [(value: unknown) => Effect.Effect<A, E, R>]
    | readonly [Iterable<unknown>, (value: unknown) => Effect.Effect<A, E, R>]
): Effect.Effect<void, E, R | FliptTest> => {
  const [values, test] = rest.length === 1 ? [(flag as Flag.Finite<unknown>).values, rest[0]] : rest
  return Effect.forEach(
    values,
    (value) =>
      Effect.zipRight(
        set(flag, value),
        Effect.suspend(() => test(value))
      ).pipe(
        isolated,
        Effect.catchAllCause((cause) => Effect.failCause(labelCause(cause, flag.key, value)))
      ),
    { discard: true }
  )
}
