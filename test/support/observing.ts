/**
 * Clients with a Fetcher that the test controls, and listeners to their streams.
 */
import { expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Engine from "../../src/Engine.js"
import * as Fetcher from "../../src/Fetcher.js"
import * as FliptClient from "../../src/FliptClient.js"
import { FetchError } from "../../src/FliptError.js"
import * as State from "../../src/internal/client/state.js"
import type * as Status from "../../src/Status.js"
import { encode } from "./corpus.js"
import { engines } from "./engines.js"
import { hubs } from "./hubs.js"
import { turn, until } from "./wait.js"

export const on = { flagKey: "on", entityId: "user-1" } as const
export const theme = { flagKey: "theme", entityId: "user-1" } as const

export type Answer = Effect.Effect<Fetcher.Update, FetchError>

export const answer = (document: object | string, version?: string): Answer =>
  Effect.succeed(Fetcher.Document({ bytes: encode(document), version: Option.fromNullable(version) }))

export const notModified: Answer = Effect.succeed(Fetcher.NotModified())

export const failure = (message: string): FetchError => new FetchError({ reason: "Network", retryable: false, message })

export const away: Answer = Effect.fail(failure("away"))

interface OpenOptions extends FliptClient.StateOptions {
  readonly kind?: string
  readonly engine?: Layer.Layer<Engine.Engine>
}

/** Opens a client in its own Scope, with a Fetcher that the test controls. */
export const open = (first: Answer, { engine = Engine.layerPortable, kind = "manual", ...options }: OpenOptions = {}) =>
  Effect.gen(function* () {
    const events = yield* Queue.unbounded<Fetcher.Event>()
    let current = first
    const fetcher = Layer.succeed(Fetcher.Fetcher, {
      source: { kind, environment: "default", namespace: "default" },
      fetch: () => Effect.suspend(() => current),
      events: () => Stream.fromQueue(events)
    })
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const client = yield* FliptClient.makeWithoutDependencies(options).pipe(
      Effect.provide([fetcher, engine]),
      Scope.extend(scope)
    )
    return {
      client,
      hub: hubs.at(-1)!,
      /** Refreshes the client, which gets this answer. */
      next: (next: Answer) =>
        Effect.suspend(() => {
          current = next
          return Effect.exit(client.refresh)
        }),
      tell: (event: Fetcher.Event) => Queue.offer(events, event),
      close: Scope.close(scope, Exit.void)
    }
  })

/** Opens a state without a client, for what clients do not expose or do too rarely. */
export const openState = (engine: Engine.Service, errorStrategy: "fail" | "fallback" = "fallback") =>
  Effect.gen(function* () {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const source = { kind: "manual", environment: "default", namespace: "default" }
    const state = yield* Scope.extend(State.make(source, errorStrategy), scope)
    return {
      state,
      scope,
      hub: hubs.at(-1)!,
      load: (document: object | string) =>
        state.load(engine.compile("default", encode(document)), "server", Option.none()),
      close: Scope.close(scope, Exit.void)
    }
  })

export const portable = Effect.provide(Engine.Engine, Engine.layerPortable)

/** A listener that takes every element immediately. */
export const listen = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.gen(function* () {
    const seen: Array<A> = []
    const fiber = yield* Effect.forkScoped(
      Stream.runForEach(stream, (element) => Effect.sync(() => void seen.push(element)))
    )
    return { seen, fiber, has: (count: number) => until(() => seen.length >= count) }
  })

/** A listener that takes the next element on demand. */
export const listenSlowly = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.map(Stream.toPull(stream), (pull) =>
    Effect.map(Effect.repeat(pull, { until: Chunk.isNonEmpty }), (chunk) => Chunk.unsafeHead(chunk))
  )

/** Waits until the fiber has started and is suspended. */
export const begun = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) =>
  Effect.gen(function* () {
    for (let i = 0; i < 5; i++) {
      yield* turn
    }
    expect(fiber.unsafePoll()).toBe(null)
  })

export const tags = (statuses: ReadonlyArray<Status.Status>) => statuses.map((status) => status._tag)

export const mode = (name: string, connected = true) => Fetcher.Event.Mode({ mode: name, connected })

export const quiet = Effect.provide(Logger.minimumLogLevel(LogLevel.None))

/** A test without log output. */
export const live = <A, E>(name: string, test: Effect.Effect<A, E, Scope.Scope>) =>
  it.scopedLive(name, () => quiet(test))

/** A test on the TestClock, without log output. */
export const clocked = <A, E>(name: string, test: Effect.Effect<A, E, Scope.Scope>) =>
  it.scoped(name, () => quiet(test))

/** A test on each engine, without log output. */
export const onEngines = <A, E>(
  name: string,
  test: (engine: Layer.Layer<Engine.Engine>) => Effect.Effect<A, E, Scope.Scope>
) => it.scopedLive.each([...engines])(`${name}: %s`, ([_name, engine]) => quiet(test(engine)))
