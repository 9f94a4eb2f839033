/**
 * What a client tells of its state as it changes: status, changes and watches, to listeners of every kind.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { vi } from "vitest"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { EvaluationError, FetchError } from "../src/FliptError.js"
import * as Observe from "../src/internal/client/changes.js"
import * as State from "../src/internal/client/state.js"
import { load, Stat } from "../src/internal/engine/native/library.js"
import type { Snapshot } from "../src/Snapshot.js"
import type * as Status from "../src/Status.js"
import { encode } from "./support/corpus.js"
import { booleanFlag, makeDocument, onDocument, variantFlag } from "./support/documents.js"
import { engines, native } from "./support/engines.js"
import * as Generators from "./support/generators.js"
import { turn, until } from "./support/sleepers.js"

/** Every hub that a state makes, to see what waits in it and for whom; it works as ever. */
const hubs = vi.hoisted(() => [] as Array<PubSub.PubSub<unknown>>)

vi.mock("effect/PubSub", async (importOriginal) => {
  const original = await importOriginal<typeof PubSub>()
  const sliding = (capacity: number) =>
    Effect.tap(original.sliding(capacity), (hub) => Effect.sync(() => hubs.push(hub)))
  return { ...original, sliding }
})

/** Who listens to a hub. */
const listenersOf = (hub: PubSub.PubSub<unknown>): number =>
  (hub as unknown as { readonly pubsub: { readonly subscriberCount: number } }).pubsub.subscriberCount

const on = { flagKey: "on", entityId: "user-1" } as const
const theme = { flagKey: "theme", entityId: "user-1" } as const

type Answer = Effect.Effect<Fetcher.Update, FetchError>

const answer = (document: object | string, version?: string): Answer =>
  Effect.succeed(Fetcher.Document({ bytes: encode(document), version: Option.fromNullable(version) }))

const notModified: Answer = Effect.succeed(Fetcher.NotModified())

const failure = (message: string): FetchError => new FetchError({ reason: "Network", retryable: false, message })

const away: Answer = Effect.fail(failure("away"))

interface OpenOptions extends FliptClient.StateOptions {
  readonly kind?: string
  readonly engine?: Layer.Layer<Engine.Engine>
}

/** A client over a Fetcher in the test's hand, in a Scope of its own. */
const open = (first: Answer, { engine = Engine.layerPortable, kind = "manual", ...options }: OpenOptions = {}) =>
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
      /** The client asks, and gets this. */
      next: (next: Answer) =>
        Effect.suspend(() => {
          current = next
          return Effect.exit(client.refresh)
        }),
      tell: (event: Fetcher.Event) => Queue.offer(events, event),
      close: Scope.close(scope, Exit.void)
    }
  })

/** A state by itself, for what no client lets one see, or does often enough. */
const openState = (engine: Engine.Service, errorStrategy: "fail" | "fallback" = "fallback") =>
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

const portable = Effect.provide(Engine.Engine, Engine.layerPortable)

/** A listener that takes what there is as soon as it is there. */
const listen = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.gen(function* () {
    const seen: Array<A> = []
    const fiber = yield* Effect.forkScoped(
      Stream.runForEach(stream, (element) => Effect.sync(() => void seen.push(element)))
    )
    return { seen, fiber, has: (count: number) => until(() => seen.length >= count) }
  })

/** A listener that takes the next element when it is told to. */
const listenSlowly = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.map(Stream.toPull(stream), (pull) =>
    Effect.map(Effect.repeat(pull, { until: Chunk.isNonEmpty }), (chunk) => Chunk.unsafeHead(chunk))
  )

/** Comes back when the fiber has begun and waits for something. */
const begun = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) =>
  Effect.gen(function* () {
    for (let i = 0; i < 5; i++) {
      yield* turn
    }
    expect(fiber.unsafePoll()).toBe(null)
  })

const tags = (statuses: ReadonlyArray<Status.Status>) => statuses.map((status) => status._tag)

const mode = (name: string, connected = true) => Fetcher.Event.Mode({ mode: name, connected })

const quiet = Effect.provide(Logger.minimumLogLevel(LogLevel.None))

/** What the test is about, without the log lines of the outages in it. */
const live = <A, E>(name: string, test: Effect.Effect<A, E, Scope.Scope>) => it.scopedLive(name, () => quiet(test))

/** The test on a clock that stands still. */
const clocked = <A, E>(name: string, test: Effect.Effect<A, E, Scope.Scope>) => it.scoped(name, () => quiet(test))

/** The test once on each engine. */
const onEngines = <A, E>(
  name: string,
  test: (engine: Layer.Layer<Engine.Engine>) => Effect.Effect<A, E, Scope.Scope>
) => it.scopedLive.each([...engines])(`${name}: %s`, ([_name, engine]) => quiet(test(engine)))

describe("statusChanges", () => {
  live(
    "begins with the status of now, and gives a quick listener every later one in order",
    Effect.gen(function* () {
      const { client, close, next, tell } = yield* open(answer(onDocument(true), "1"))
      const { fiber, has, seen } = yield* listen(client.statusChanges)
      yield* has(1)
      expect(seen).toEqual([yield* client.status])
      const names = Array.from({ length: 20 }, (_, i) => `mode-${i}`)
      for (const [index, name] of names.entries()) {
        yield* tell(mode(name))
        yield* has(index + 2)
      }
      expect(seen.map((status) => status.mode)).toEqual(["manual", ...names])
      yield* next(away)
      yield* has(22)
      yield* next(away)
      yield* next(notModified)
      yield* has(23)
      expect(tags(seen.slice(-3))).toEqual(["Ready", "Stale", "Ready"])
      yield* close
      expect(yield* Fiber.await(fiber)).toEqual(Exit.void)
    })
  )

  live(
    "tells of one new document once: with its version and its confirmation",
    Effect.gen(function* () {
      for (const [name, engine] of engines) {
        // large enough for its memory to be freed elsewhere
        const large = (key: string) => makeDocument([variantFlag(key, "a", "x".repeat(600_000))])
        const { client, next } = yield* open(answer(large("a"), "1"), { engine })
        const { has, seen } = yield* listen(client.statusChanges)
        yield* has(1)
        yield* next(away)
        yield* has(2)
        yield* Effect.sleep("2 millis")
        yield* next(answer(large("b"), "2"))
        yield* has(3)
        expect(
          seen.map((status) => [status._tag, status.version]),
          name
        ).toEqual([
          ["Ready", "1"],
          ["Stale", "1"],
          ["Ready", "2"]
        ])
        expect(seen[2]?.confirmedAt?.epochMillis).toBeGreaterThan(seen[0]?.confirmedAt?.epochMillis as number)
      }
    })
  )

  clocked(
    "does not repeat a status that is equal",
    Effect.gen(function* () {
      const { client, next, tell } = yield* open(answer(onDocument(true), "1"))
      const { has, seen } = yield* listen(client.statusChanges)
      yield* has(1)
      for (let i = 0; i < 3; i++) {
        yield* next(notModified)
        yield* tell(mode("manual"))
        yield* next(answer(onDocument(true), "1"))
        yield* turn
      }
      for (let i = 0; i < 3; i++) {
        yield* next(away)
        yield* turn
      }
      yield* has(2)
      yield* next(notModified)
      yield* has(3)
      expect(tags(seen)).toEqual(["Ready", "Stale", "Ready"])
    })
  )

  live(
    "gives a slow listener the latest one, and keeps nothing for it",
    Effect.gen(function* () {
      const { hub, state } = yield* openState(yield* portable)
      const pull = yield* listenSlowly(Observe.statusChanges(state))
      expect((yield* pull).mode).toBe("manual")
      for (let i = 1; i <= 100_000; i++) {
        yield* state.setMode(`mode-${i}`, true)
      }
      expect(yield* PubSub.size(hub)).toBeLessThanOrEqual(2)
      expect((yield* pull).mode).toBe("mode-100000")
      const waiting = yield* Effect.fork(pull)
      yield* begun(waiting)
      yield* state.setMode("next", true)
      expect((yield* Fiber.join(waiting)).mode).toBe("next")
    })
  )

  live(
    "a slow listener takes nothing from the others when it looks often at last",
    Effect.gen(function* () {
      const { state } = yield* openState(yield* portable)
      const pulls = yield* Effect.all(Array.from({ length: 3 }, () => listenSlowly(Observe.statusChanges(state))))
      yield* Effect.all(pulls)
      for (const name of ["a", "b", "c"]) {
        yield* state.setMode(name, true)
      }
      const [first, ...others] = pulls
      expect((yield* first!).mode).toBe("c")
      const waiting = yield* Effect.fork(first!)
      yield* begun(waiting)
      for (const pull of others) {
        expect((yield* Effect.timeout(pull, "5 seconds")).mode).toBe("c")
      }
      yield* state.setMode("d", true)
      expect((yield* Fiber.join(waiting)).mode).toBe("d")
    })
  )

  live(
    "a slow listener takes nothing from the others when it leaves",
    Effect.gen(function* () {
      for (const looks of [0, 1]) {
        const { hub, state } = yield* openState(yield* portable)
        const scope = yield* Scope.make()
        const leaving = yield* Scope.extend(listenSlowly(Observe.statusChanges(state)), scope)
        const staying = yield* listenSlowly(Observe.statusChanges(state))
        yield* Effect.zipRight(leaving, staying)
        for (const name of ["a", "b", "c"]) {
          yield* state.setMode(name, true)
        }
        yield* Effect.replicateEffect(leaving, looks)
        yield* Scope.close(scope, Exit.void)
        expect(listenersOf(hub)).toBe(1)
        expect((yield* Effect.timeout(staying, "5 seconds")).mode).toBe("c")
      }
    })
  )

  live(
    "serves many listeners, and ends for all of them when the client closes",
    Effect.gen(function* () {
      const { client, close, hub, next } = yield* open(answer(onDocument(true)))
      const listeners = yield* Effect.all(Array.from({ length: 25 }, () => listen(client.statusChanges)))
      for (const { has } of listeners) {
        yield* has(1)
      }
      expect(listenersOf(hub)).toBe(25)
      yield* next(away)
      for (const { has } of listeners) {
        yield* has(2)
      }
      yield* close
      for (const { fiber, seen } of listeners) {
        expect(yield* Fiber.await(fiber)).toEqual(Exit.void)
        expect(tags(seen)).toEqual(["Ready", "Stale"])
      }
      expect(listenersOf(hub)).toBe(0)
    })
  )

  live(
    "a listener that fails, throws, dies, is interrupted or has enough disturbs nobody and leaves nothing",
    Effect.gen(function* () {
      const { client, hub, next } = yield* open(answer(onDocument(true)))
      const good = yield* listen(client.statusChanges)
      yield* good.has(1)
      const second = Stream.drop(client.statusChanges, 1)
      const bad = yield* Effect.all([
        Effect.fork(Stream.runForEach(second, () => Effect.fail("failed"))),
        Effect.fork(
          Stream.runForEach(second, () => {
            throw new Error("thrown")
          })
        ),
        Effect.fork(Stream.runForEach(second, () => Effect.die("died"))),
        Effect.fork(Stream.runHead(second))
      ] as ReadonlyArray<Effect.Effect<Fiber.RuntimeFiber<unknown, unknown>>>)
      const interrupted = yield* Effect.fork(Stream.runDrain(second))
      yield* until(() => listenersOf(hub) === 6)
      yield* Fiber.interrupt(interrupted)
      expect(listenersOf(hub)).toBe(5)
      yield* next(away)
      const exits = yield* Effect.forEach(bad, Fiber.await)
      expect(exits.map(Exit.isSuccess)).toEqual([false, false, false, true])
      yield* good.has(2)
      expect(listenersOf(hub)).toBe(1)
      yield* next(notModified)
      yield* good.has(3)
      expect(tags(good.seen)).toEqual(["Ready", "Stale", "Ready"])
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
    })
  )

  live(
    "every stream that is run after the client has closed says so, if it has something to say, and ends",
    Effect.gen(function* () {
      const { client, close, hub } = yield* open(answer(onDocument(true)))
      yield* close
      const statuses = Chunk.toReadonlyArray(yield* Stream.runCollect(client.statusChanges))
      expect(statuses).toMatchObject([{ _tag: "Failed", error: { reason: "Closed" } }])
      expect(Chunk.size(yield* Stream.runCollect(client.changes))).toBe(0)
      for (const stream of [client.watchBoolean(on), client.watchVariant(theme)]) {
        expect(
          Chunk.toReadonlyArray(yield* Stream.runCollect(stream as Stream.Stream<Either.Either<unknown, unknown>>))
        ).toMatchObject([{ left: { _tag: "EvaluationError", reason: "Closed" } }])
      }
      expect(Exit.isInterrupted(yield* Effect.exit(client.awaitReady))).toBe(true)
      expect(listenersOf(hub)).toBe(0)
    })
  )
})

describe("the status", () => {
  const millis = (status: Status.Status) => status.confirmedAt?.epochMillis
  const sinceOf = (status: Status.Status) => ("since" in status ? DateTime.toEpochMillis(status.since) : undefined)

  clocked(
    "is Starting while nothing has failed and nothing is confirmed, with a seed too",
    Effect.gen(function* () {
      const engine = yield* portable
      const { state } = yield* openState(engine)
      expect(yield* state.status).toEqual({
        _tag: "Starting",
        version: undefined,
        confirmedAt: undefined,
        origin: "none",
        mode: "manual",
        connected: true
      })
      yield* state.load(engine.compile("default", encode(onDocument(true))), "seed", Option.some("v"))
      expect(yield* state.status).toMatchObject({ _tag: "Starting", origin: "seed", version: "v" })
      yield* state.confirm
      expect(yield* state.status).toMatchObject({ _tag: "Ready", origin: "seed", version: "v" })
    })
  )

  clocked(
    "goes from Failed over Ready and Stale to Ready: since is the first failure's, error the last one's",
    Effect.gen(function* () {
      yield* TestClock.setTime(1000)
      const { client, close, next } = yield* open(Effect.fail(failure("first")), { errorStrategy: "fallback" })
      const later = Effect.zipRight(TestClock.adjust("1 seconds"), Effect.void)
      const empty = { version: undefined, confirmedAt: undefined, origin: "none", mode: "manual", connected: true }
      expect(yield* client.status).toMatchObject({ _tag: "Failed", ...empty, error: { message: "first" } })
      yield* later
      yield* next(Effect.fail(failure("second")))
      const failed = yield* client.status
      expect(failed).toMatchObject({ _tag: "Failed", ...empty, error: { message: "second" } })
      expect(sinceOf(failed)).toBe(1000)
      yield* later
      yield* next(answer(onDocument(true), "1"))
      const ready = yield* client.status
      expect(ready).toMatchObject({ _tag: "Ready", version: "1", origin: "server" })
      expect([millis(ready), "since" in ready, "error" in ready]).toEqual([3000, false, false])
      yield* later
      yield* next(Effect.fail(failure("third")))
      yield* later
      yield* next(Effect.fail(failure("fourth")))
      const stale = yield* client.status
      expect(stale).toMatchObject({ _tag: "Stale", version: "1", origin: "server", error: { message: "fourth" } })
      expect([millis(stale), sinceOf(stale)]).toEqual([3000, 4000])
      yield* later
      yield* next(notModified)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", version: "1" })
      expect(millis(yield* client.status)).toBe(6000)
      yield* later
      yield* next(away)
      expect(sinceOf(yield* client.status)).toBe(7000)
      yield* later
      yield* next(answer(onDocument(false), "2"))
      expect(yield* client.status).toMatchObject({ _tag: "Ready", version: "2" })
      expect(millis(yield* client.status)).toBe(8000)
      yield* later
      yield* close
      const closed = yield* client.status
      expect(closed).toMatchObject({
        _tag: "Failed",
        version: undefined,
        origin: "none",
        error: { _tag: "EngineError", reason: "Closed" }
      })
      expect(sinceOf(closed)).toBe(9000)
    })
  )

  live(
    "has the source's version, else the document's digest",
    Effect.gen(function* () {
      const digested = { ...onDocument(true), digest: "d1" }
      for (const [name, engine] of engines) {
        const { client, next } = yield* open(answer(digested, "e1"), { engine })
        const version = Effect.map(client.status, (status) => status.version)
        expect(yield* version, name).toBe("e1")
        yield* next(answer({ ...digested, digest: "d2" }))
        expect(yield* version, name).toBe("d2")
        yield* next(answer({ ...digested, digest: "" }))
        expect(yield* version, name).toBe(undefined)
      }
    })
  )

  live(
    "has the origin of the state",
    Effect.gen(function* () {
      const origin = (client: FliptClient.Service) => Effect.map(client.status, (status) => status.origin)
      const { client } = yield* open(answer(onDocument(true)), { kind: "file" })
      expect(yield* client.status).toMatchObject({ origin: "file", mode: "file", connected: true })
      const snapshot = yield* client.getSnapshot
      const seeded = yield* open(away, { snapshot, errorStrategy: "fallback" })
      expect(yield* seeded.client.status).toMatchObject({ _tag: "Stale", origin: "seed", confirmedAt: undefined })
      yield* seeded.next(answer(onDocument(true)))
      expect(yield* origin(seeded.client)).toBe("server")
      expect(yield* origin((yield* open(away, { errorStrategy: "fallback" })).client)).toBe("none")
    })
  )

  live(
    "has the mode, and whether it works, as the Fetcher tells them",
    Effect.gen(function* () {
      const { client, tell } = yield* open(answer(onDocument(true)), { kind: "streaming" })
      const { has, seen } = yield* listen(client.statusChanges)
      yield* has(1)
      yield* tell(mode("streaming", true))
      yield* has(2)
      yield* tell(mode("streaming", false))
      yield* has(3)
      yield* tell(mode("polling", true))
      yield* has(4)
      expect(seen.map((status) => [status.mode, status.connected])).toEqual([
        ["streaming", false],
        ["streaming", true],
        ["streaming", false],
        ["polling", true]
      ])
      expect(tags(seen)).toEqual(["Ready", "Ready", "Ready", "Ready"])
      yield* tell(Fetcher.Event.Failed({ error: failure("a bad frame") }))
      yield* has(5)
      expect(seen[4]).toMatchObject({ _tag: "Stale", mode: "polling", error: { message: "a bad frame" } })
    })
  )
})

describe("awaitReady", () => {
  live(
    "comes back at once when the status is Ready",
    Effect.gen(function* () {
      const { client, hub } = yield* open(answer(onDocument(true)))
      yield* client.awaitReady
      expect(listenersOf(hub)).toBe(0)
    })
  )

  live(
    "waits through Starting, Failed and Stale, and through a state that nobody has confirmed",
    Effect.gen(function* () {
      const engine = yield* portable
      const { hub, state } = yield* openState(engine)
      const waiting = yield* Effect.fork(Observe.awaitReady(state))
      yield* begun(waiting)
      yield* state.fail(failure("away"))
      expect((yield* state.status)._tag).toBe("Failed")
      yield* begun(waiting)
      yield* state.load(engine.compile("default", encode(onDocument(true))), "seed", Option.none())
      expect((yield* state.status)._tag).toBe("Stale")
      yield* begun(waiting)
      yield* state.fail(failure("away"))
      yield* begun(waiting)
      yield* state.confirm
      expect(yield* Fiber.join(waiting)).toBe(undefined)
      expect(listenersOf(hub)).toBe(0)
    })
  )

  live(
    "waits with a seed until the server has confirmed the state, in which evaluations work",
    Effect.gen(function* () {
      const { client: donor } = yield* open(answer(onDocument(true)))
      const { client, next } = yield* open(away, {
        snapshot: yield* donor.getSnapshot,
        errorStrategy: "fallback"
      })
      const waiting = yield* Effect.fork(client.awaitReady)
      yield* begun(waiting)
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
      yield* next(answer(onDocument(false)))
      yield* Fiber.join(waiting)
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(false)
    })
  )

  live(
    "is interrupted when the client closes",
    Effect.gen(function* () {
      const { client, close, hub } = yield* open(away, { errorStrategy: "fallback" })
      const waiting = yield* Effect.fork(client.awaitReady)
      yield* begun(waiting)
      yield* close
      const exit = yield* Fiber.await(waiting)
      expect(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)).toBe(true)
      expect(listenersOf(hub)).toBe(0)
    })
  )

  clocked(
    "can be timed out, and leaves nothing then",
    Effect.gen(function* () {
      const { client, hub } = yield* open(away, { errorStrategy: "fallback" })
      const waiting = yield* Effect.fork(Effect.timeoutOption(client.awaitReady, "1 minutes"))
      yield* begun(waiting)
      expect(listenersOf(hub)).toBe(1)
      yield* TestClock.adjust("1 minutes")
      expect(yield* Fiber.join(waiting)).toEqual(Option.none())
      expect(listenersOf(hub)).toBe(0)
    })
  )
})

const segment = (key: string, ...values: ReadonlyArray<string>) => ({
  key,
  name: key,
  description: "",
  matchType: "ALL_SEGMENT_MATCH_TYPE",
  constraints: values.map((value, index) => ({
    id: `${key}-${index}`,
    type: "STRING_CONSTRAINT_COMPARISON_TYPE",
    property: "plan",
    operator: "eq",
    value
  }))
})

/** A variant flag for a segment. */
const targeted = (key: string, target: object) => {
  const flag = variantFlag(key, "a", "1")
  return { ...flag, rules: [{ ...flag.rules[0]!, segments: [target] }] }
}

/** A boolean flag for a percentage of all. */
const gradual = (key: string, percentage: number) => ({
  ...booleanFlag(key, true),
  rollouts: [{ type: "THRESHOLD_ROLLOUT_TYPE", rank: 1, threshold: { percentage, value: true } }]
})

/** The same content in other words: every object's members are the other way round. */
const reversed = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(reversed)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .reverse()
            .map(([key, member]) => [key, reversed(member)])
        )
      : value

const marked = (document: { readonly flags: ReadonlyArray<object> }, key = "marker") => ({
  ...document,
  flags: [...document.flags, booleanFlag(key, true)]
})

const added = (...keys: ReadonlyArray<string>): FliptClient.Changes => ({ added: keys, removed: [], changed: [] })
const changed = (...keys: ReadonlyArray<string>): FliptClient.Changes => ({ added: [], removed: [], changed: keys })

/** What a listener tells that has seen the first document when the others come, one by one. */
const changesBetween = (
  engine: Layer.Layer<Engine.Engine>,
  first: object | string,
  ...others: ReadonlyArray<object | string>
) =>
  Effect.gen(function* () {
    const { load, state } = yield* openState(yield* Effect.provide(Engine.Engine, engine))
    const pull = yield* listenSlowly(Observe.changes(state))
    // from nothing, so that the first answer says that the first document has been read
    const waiting = yield* Effect.fork(pull)
    yield* begun(waiting)
    yield* load(first)
    yield* Fiber.join(waiting)
    for (const document of others) {
      yield* load(document)
    }
    return yield* Effect.timeout(pull, "10 seconds")
  })

describe("changes", () => {
  const base = makeDocument([
    booleanFlag("on", true),
    targeted("first", segment("pros", "pro")),
    targeted("second", segment("pros", "pro")),
    targeted("third", segment("frees", "free")),
    gradual("gradual", 50)
  ])
  const edited = (edit: (text: string) => string) => edit(JSON.stringify(base))

  onEngines("names the flags that are added, removed and changed", (engine) =>
    Effect.gen(function* () {
      const document = makeDocument([
        booleanFlag("new", true),
        ...base.flags.filter((flag) => (flag as { key: string }).key !== "third").slice(1),
        booleanFlag("on", false)
      ])
      expect(yield* changesBetween(engine, base, document)).toEqual({
        added: ["new"],
        removed: ["third"],
        changed: ["on"]
      })
    })
  )

  onEngines("takes another segment, attachment, percentage, type or variant for a change", (engine) =>
    Effect.gen(function* () {
      const edits: ReadonlyArray<readonly [(text: string) => string, ReadonlyArray<string>]> = [
        [(text) => text.replaceAll('"value":"pro"', '"value":"team"'), ["first", "second"]],
        [(text) => text.replaceAll('"key":"frees"', '"key":"others"'), ["third"]],
        [(text) => text.replace('"variantAttachment":"1"', '"variantAttachment":"2"'), ["first"]],
        [(text) => text.replace('"variantKey":"a"', '"variantKey":"b"'), ["first"]],
        [(text) => text.replace('"percentage":50', '"percentage":50.5'), ["gradual"]],
        [(text) => text.replace('"enabled":true', '"enabled":false'), ["on"]],
        [(text) => text.replace("BOOLEAN_FLAG_TYPE", "VARIANT_FLAG_TYPE"), ["on"]],
        [(text) => text.replaceAll('"operator":"eq"', '"operator":"neq"'), ["first", "second", "third"]]
      ]
      for (const [edit, keys] of edits) {
        expect(yield* changesBetween(engine, base, edited(edit)), keys.join()).toEqual(changed(...keys))
      }
    })
  )

  onEngines("does not take ids, names, descriptions, timestamps, white space or order of members for one", (engine) =>
    Effect.gen(function* () {
      const rewordings: ReadonlyArray<object | string> = [
        edited((text) => text.replaceAll('"id":"1"', '"id":"2"').replaceAll('"ruleId":"1"', '"ruleId":"2"')),
        edited((text) => text.replaceAll('"rank":1', '"rank":9')),
        edited((text) => text.replaceAll(/"name":"[^"]*"/g, '"name":"other"')),
        edited((text) => text.replaceAll('"description":""', '"description":"other"')),
        edited((text) => text.replaceAll('"key":', '"createdAt":"2026-01-02T03:04:05Z","updatedAt":"","key":')),
        JSON.stringify(base, undefined, 4),
        reversed(base) as object,
        { ...base, digest: "another", flags: [...base.flags].reverse() }
      ]
      expect(yield* changesBetween(engine, base, ...rewordings, marked(base))).toEqual(added("marker"))
      for (const [index, rewording] of rewordings.entries()) {
        const { client, next } = yield* open(answer(base), { engine })
        const { has, seen } = yield* listen(client.changes)
        yield* turn
        expect(yield* next(answer(rewording)), `${index}`).toEqual(Exit.succeed(true))
        yield* turn
        yield* next(answer(marked(base)))
        yield* has(1)
        expect(seen, `${index}`).toEqual([added("marker")])
      }
    })
  )

  // where there is one engine there is nothing to compare; the portable one's are in Engine.test.ts
  it.scopedLive.skipIf(!native)("are the same on every engine, whatever changes in a document", () =>
    quiet(
      Effect.gen(function* () {
        const services = yield* Effect.forEach(engines, ([, layer]) => Effect.provide(Engine.Engine, layer))
        const prints = ({ compile }: Engine.Service, document: string) =>
          Effect.map(compile("default", encode(document)), (snapshot) => {
            const keys = Either.getOrThrow(snapshot.flags).map(({ key }) => key)
            return new Map(keys.map((key) => [key, snapshot.fingerprint(key)]))
          })
        const told = (engine: Engine.Service, before: string, after: string) =>
          Effect.gen(function* () {
            const { load, state } = yield* openState(engine)
            const pull = yield* listenSlowly(Observe.changes(state))
            const waiting = yield* Effect.fork(pull)
            yield* turn
            yield* load(before)
            const first = yield* Fiber.join(waiting)
            yield* load(after)
            const [old, now] = [yield* prints(engine, before), yield* prints(engine, after)]
            expect(first).toEqual(added(...old.keys()))
            const expected = {
              added: [...now.keys()].filter((key) => !old.has(key)),
              removed: [...old.keys()].filter((key) => !now.has(key)),
              changed: [...now.keys()].filter((key) => old.has(key) && old.get(key) !== now.get(key))
            }
            if (Object.values(expected).flat().length === 0) {
              const document = JSON.parse(after) as { readonly flags: ReadonlyArray<object> }
              yield* load(marked(document, "the marker"))
              expect(yield* pull).toEqual(added("the marker"))
            } else {
              expect(yield* pull).toEqual(expected)
            }
            return expected
          }).pipe(Effect.scoped, Effect.timeout("20 seconds"), Effect.either)
        const kinds = { nothing: 0, added: 0, removed: 0, changed: 0 }
        const property = fc.asyncProperty(Generators.drawn(0), fc.nat(), fc.nat(5), ({ document }, where, how) =>
          Effect.gen(function* () {
            const ours = { ...document, namespace: { key: "default" } }
            const before = JSON.stringify(ours)
            const after = JSON.stringify(mutated(ours, where, how))
            const [one, other] = yield* Effect.forEach(services, (engine) => told(engine, before, after))
            expect(Either.isRight(one!)).toBe(Either.isRight(other!))
            if (Either.isRight(one!) && Either.isRight(other!)) {
              expect(other.right).toEqual(one.right)
              const names = (["added", "removed", "changed"] as const).filter((name) => one.right[name].length > 0)
              for (const name of names.length === 0 ? (["nothing"] as const) : names) {
                kinds[name]++
              }
            }
          }).pipe(Effect.runPromise)
        )
        yield* Effect.promise(() => fc.assert(property, { numRuns: 50 }))
        expect(Math.min(...Object.values(kinds)), JSON.stringify(kinds)).toBeGreaterThan(0)
      })
    )
  )

  onEngines("begins with the state in which the stream is run, or with nothing where nothing is loaded", (engine) =>
    Effect.gen(function* () {
      const { client, next } = yield* open(away, { engine, errorStrategy: "fallback" })
      const early = yield* listen(client.changes)
      yield* begun(early.fiber)
      yield* next(answer(base))
      yield* early.has(1)
      const keys = base.flags.map((flag) => (flag as { readonly key: string }).key)
      expect(early.seen).toEqual([added(...keys)])
      // The late one holds the very stream that the early one holds.
      const late = yield* listen(client.changes)
      yield* begun(late.fiber)
      yield* next(answer(marked(base)))
      yield* early.has(2)
      yield* late.has(1)
      expect(early.seen[1]).toEqual(added("marker"))
      expect(late.seen).toEqual([added("marker")])
    })
  )

  live(
    "reports nothing as removed in an outage, in neither strategy",
    Effect.gen(function* () {
      for (const errorStrategy of ["fail", "fallback"] as const) {
        const { client, next } = yield* open(answer(base), { errorStrategy })
        const { has, seen } = yield* listen(client.changes)
        yield* turn
        yield* next(away)
        const during = yield* listen(client.changes)
        yield* begun(during.fiber)
        yield* next(answer("<html>"))
        yield* turn
        yield* next(notModified)
        yield* turn
        yield* next(answer(marked(base)))
        for (const listener of [during, { has, seen }]) {
          yield* listener.has(1)
          expect(listener.seen, errorStrategy).toEqual([added("marker")])
        }
      }
    })
  )

  onEngines("gives a slow listener the whole difference, which may be none", (engine) =>
    Effect.gen(function* () {
      const [a, b, c] = [makeDocument([]), makeDocument([]), makeDocument([])].map((document, index) => ({
        ...document,
        flags: [
          gradual("gradual", index),
          booleanFlag("on", index !== 1),
          booleanFlag(`only-${index}`, true),
          booleanFlag("same", true)
        ]
      })) as [object, object, object]
      expect(yield* changesBetween(engine, a, b, c)).toEqual({
        added: ["only-2"],
        removed: ["only-0"],
        changed: ["gradual"]
      })
      expect(yield* changesBetween(engine, a, b, a, marked(a as { flags: Array<object> }))).toEqual(added("marker"))
    })
  )

  live(
    "gives nothing when all is as it was, and then what came after",
    Effect.gen(function* () {
      const { hub, load, state } = yield* openState(yield* portable)
      const pull = yield* listenSlowly(Observe.changes(state))
      const waiting = yield* Effect.fork(pull)
      yield* begun(waiting)
      yield* load(onDocument(true))
      yield* Fiber.join(waiting)
      yield* load(onDocument(false))
      yield* load(onDocument(true))
      const next = yield* Effect.fork(pull)
      yield* until(() => Effect.runSync(PubSub.isEmpty(hub)))
      yield* begun(next)
      yield* load(onDocument(false))
      expect(yield* Fiber.join(next)).toEqual(changed("on"))
    })
  )
})

/** The document with one thing in it that is another. */
const mutated = (document: object, where: number, how: number): object => {
  const copy = JSON.parse(JSON.stringify(document)) as { flags: Array<Record<string, unknown>> }
  if (how === 0) {
    copy.flags.splice(where % copy.flags.length, 1)
    return copy
  }
  if (how === 1) {
    copy.flags.push({ ...copy.flags[where % copy.flags.length], key: `flag-${where}` })
    return copy
  }
  const places: Array<readonly [Record<string, unknown>, string]> = []
  const visit = (value: unknown): void => {
    if (typeof value === "object" && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        places.push([value as Record<string, unknown>, key])
        visit(member)
      }
    }
  }
  visit(copy.flags)
  const [parent, key] = places[where % places.length]!
  const value = parent[key]
  parent[key] =
    typeof value === "string"
      ? `${value}x`
      : typeof value === "number"
        ? value + 1
        : typeof value === "boolean"
          ? !value
          : Array.isArray(value)
            ? value.slice(1)
            : null
  return copy
}

/** An engine whose Snapshots are changed as asked before anyone gets them. */
const altered = (engine: Engine.Service, alter: (snapshot: Snapshot) => PropertyDescriptorMap): Engine.Service => ({
  ...engine,
  compile: (namespace, document) =>
    Effect.map(engine.compile(namespace, document), (snapshot) => Object.create(snapshot, alter(snapshot)) as Snapshot)
})

describe("changes, in the middle of reading what is loaded", () => {
  const COUNT = 3000
  const flags = Array.from({ length: COUNT }, (_, index) => booleanFlag(`flag-${index}`, true))
  const plain = makeDocument(flags)
  const second = makeDocument([...flags.slice(0, -1), booleanFlag("last", true)])

  const library = Effect.orDie(load(process.env.FLIPT_ENGINE_PATH))
  const snapshots = native ? Effect.map(library, ({ stat }) => stat(Stat.snapshots)) : Effect.succeed(0)

  /** A listener that has read the first document, and is in the middle of the second. */
  const midway = (layer: Layer.Layer<Engine.Engine>) =>
    Effect.gen(function* () {
      let read = 0
      const all: Array<Snapshot> = []
      const engine = altered(yield* Effect.provide(Engine.Engine, layer), (snapshot) => {
        all.push(snapshot)
        return {
          fingerprint: {
            value: (key: string) => {
              read++
              return snapshot.fingerprint(key)
            }
          }
        }
      })
      const opened = yield* openState(engine)
      const listener = yield* listen(Observe.changes(opened.state))
      yield* begun(listener.fiber)
      yield* opened.load(plain)
      yield* listener.has(1)
      expect(listener.seen[0]?.added.length).toBe(COUNT)
      listener.seen.length = 0
      // compiled before, so that the listener cannot go on while it is
      const scope = yield* Scope.fork(opened.scope, ExecutionStrategy.sequential)
      const third = yield* Scope.extend(engine.compile("default", encode(marked(second))), scope)
      const compiled = Effect.acquireRelease(Effect.succeed(third), () => Scope.close(scope, Exit.void))
      read = 0
      yield* opened.load(second)
      yield* until(() => read > 0)
      expect(read).toBeLessThan(COUNT)
      const isOpen = (index: number) => Either.isRight(all[index]!.flags)
      return {
        ...opened,
        ...listener,
        replace: opened.state.load(compiled, "server", Option.none()),
        areOpen: () => ({ first: isOpen(0), second: isOpen(2), third: isOpen(1) })
      }
    })

  onEngines("goes on when the state is replaced, and lets go of it then", (engine) =>
    Effect.gen(function* () {
      const before = yield* snapshots
      const { areOpen, close, has, replace, seen } = yield* midway(engine)
      yield* replace
      expect(areOpen()).toEqual({ first: false, second: true, third: true })
      yield* has(2)
      expect(seen).toEqual([{ ...added("last"), removed: [`flag-${COUNT - 1}`] }, added("marker")])
      expect(areOpen()).toEqual({ first: false, second: false, third: true })
      yield* close
      expect(areOpen().third).toBe(false)
      yield* Effect.repeat(Effect.zipRight(turn, snapshots), { until: (count) => count === before })
    })
  )

  onEngines("ends without a word when the client closes, and leaves nothing open", (engine) =>
    Effect.gen(function* () {
      const before = yield* snapshots
      const { areOpen, close, fiber, hub, seen } = yield* midway(engine)
      yield* close
      expect(yield* Fiber.await(fiber)).toEqual(Exit.void)
      expect(seen.length).toBe(0)
      expect(areOpen().second).toBe(false)
      expect(listenersOf(hub)).toBe(0)
      yield* Effect.repeat(Effect.zipRight(turn, snapshots), { until: (count) => count === before })
    })
  )

  onEngines("lets go of it when the listener is interrupted", (engine) =>
    Effect.gen(function* () {
      const { areOpen, fiber, hub, replace } = yield* midway(engine)
      yield* replace
      expect(areOpen().second).toBe(true)
      yield* Fiber.interrupt(fiber)
      expect(areOpen()).toEqual({ first: false, second: false, third: true })
      expect(listenersOf(hub)).toBe(0)
    })
  )

  live(
    "takes what cannot be read for no change",
    Effect.gen(function* () {
      const error = Either.left(new EvaluationError({ reason: "Unavailable", message: "it cannot be read" }))
      const alterations: ReadonlyArray<PropertyDescriptorMap> = [
        { flags: { value: error } },
        { fingerprint: { value: () => undefined } }
      ]
      for (const alteration of alterations) {
        let unreadable = false
        const engine = altered(yield* portable, () => (unreadable ? alteration : {}))
        const { load, state } = yield* openState(engine)
        const pull = yield* listenSlowly(Observe.changes(state))
        const waiting = yield* Effect.fork(pull)
        yield* begun(waiting)
        yield* load(onDocument(true))
        yield* Fiber.join(waiting)
        unreadable = true
        yield* load(onDocument(false))
        const next = yield* Effect.fork(pull)
        yield* begun(next)
        unreadable = false
        yield* load(onDocument(false))
        expect(yield* Fiber.join(next)).toEqual(changed("on"))
      }
    })
  )
})

describe("watchBoolean and watchVariant", () => {
  onEngines("give the value of now, and every other that it becomes, but none that is equal", (engine) =>
    Effect.gen(function* () {
      const document = (enabled: boolean, variant: string, attachment = "1", name = "n") =>
        makeDocument([{ ...booleanFlag("on", enabled), name }, variantFlag("theme", variant, attachment)])
      const { client, close, next } = yield* open(answer(document(true, "dark")), { engine })
      const boolean = yield* listen(client.watchBoolean(on))
      const variant = yield* listen(client.watchVariant(theme))
      yield* boolean.has(1)
      yield* variant.has(1)
      expect(boolean.seen).toEqual([yield* Effect.either(client.evaluateBoolean(on))])
      expect(variant.seen).toEqual([yield* Effect.either(client.evaluateVariant(theme))])
      const same = Effect.gen(function* () {
        yield* next(notModified)
        yield* turn
      })
      yield* same
      yield* next(answer(document(true, "dark", "1", "renamed")))
      yield* turn
      yield* next(answer(document(false, "dark")))
      yield* boolean.has(2)
      yield* same
      yield* next(answer(document(false, "light")))
      yield* variant.has(2)
      yield* next(answer(document(false, "light", "2")))
      yield* variant.has(3)
      yield* same
      yield* next(answer(document(true, "light", "2")))
      yield* boolean.has(3)
      expect(boolean.seen.map((it) => Either.getOrThrow(it).enabled)).toEqual([true, false, true])
      expect(
        variant.seen.map((it) => Either.getOrThrow(it)).map((it) => [it.variantKey, it.variantAttachment])
      ).toEqual([
        ["dark", "1"],
        ["light", "1"],
        ["light", "2"]
      ])
      yield* close
      for (const { fiber } of [boolean, variant]) {
        expect(yield* Fiber.await(fiber as Fiber.RuntimeFiber<void>)).toEqual(Exit.void)
      }
    })
  )

  onEngines("take other segments, another match and another reason for another value", (engine) =>
    Effect.gen(function* () {
      const request = { ...theme, context: { plan: "pro" } }
      const rollout = (...keys: ReadonlyArray<string>) => ({
        ...booleanFlag("on", true),
        rollouts: [{ segment: { value: true, segments: keys.map((key) => segment(key)) } }]
      })
      const rule = (...keys: ReadonlyArray<string>) => {
        const flag = variantFlag("theme", "a")
        return { ...flag, rules: [{ ...flag.rules[0]!, segments: keys.map((key) => segment(key)) }] }
      }
      const steps: ReadonlyArray<readonly [ReadonlyArray<object>, string, string]> = [
        [[booleanFlag("on", true), rule("d")], "DEFAULT:", "MATCH:d"],
        [[gradual("on", 100), rule("a")], "MATCH:", "MATCH:a"],
        [[rollout("a"), rule("b")], "MATCH:a", "MATCH:b"],
        [[rollout("b"), rule("b", "c")], "MATCH:b", "MATCH:b,c"],
        [[rollout("b", "c"), targeted("theme", segment("a", "free"))], "MATCH:b,c", "UNKNOWN:"]
      ]
      const { client, next } = yield* open(answer(makeDocument(steps[0]![0])), { engine })
      const boolean = yield* listen(client.watchBoolean(on))
      const variant = yield* listen(client.watchVariant(request))
      for (const [index, [flags]] of steps.entries()) {
        yield* next(answer(makeDocument(flags)))
        yield* boolean.has(index + 1)
        yield* variant.has(index + 1)
      }
      const shown = (it: Either.Either<{ reason: string; segmentKeys: ReadonlyArray<string> }, unknown>) => {
        const { reason, segmentKeys } = Either.getOrThrow(it)
        return `${reason.replace("_EVALUATION_REASON", "")}:${[...segmentKeys].sort().join()}`
      }
      expect(boolean.seen.map(shown)).toEqual(steps.map(([, expected]) => expected))
      expect(variant.seen.map(shown)).toEqual(steps.map(([, , expected]) => expected))
    })
  )

  onEngines("give errors as values, once each, and then values again", (engine) =>
    Effect.gen(function* () {
      const both = makeDocument([booleanFlag("on", true), variantFlag("theme", "dark")])
      const swapped = makeDocument([booleanFlag("theme", true), variantFlag("on", "dark")])
      const { client, next } = yield* open(answer(both), { engine })
      const boolean = yield* listen(client.watchBoolean(on))
      const variant = yield* listen(client.watchVariant(theme))
      const step = (count: number) => Effect.zipRight(boolean.has(count), variant.has(count))
      yield* step(1)
      yield* next(answer(makeDocument([])))
      yield* step(2)
      yield* next(answer(makeDocument([booleanFlag("another", true)])))
      yield* turn
      yield* next(answer(swapped))
      yield* step(3)
      for (const message of ["one", "two", "three"]) {
        yield* next(Effect.fail(failure(message)))
        yield* turn
      }
      yield* step(4)
      yield* next(answer(both))
      yield* step(5)
      const shown = (it: Either.Either<{ readonly _tag: string }, { readonly reason: string }>) =>
        Either.match(it, { onLeft: (error) => error.reason, onRight: (value) => value._tag })
      expect(boolean.seen.map(shown)).toEqual(["Boolean", "FlagNotFound", "FlagType", "Unavailable", "Boolean"])
      expect(variant.seen.map(shown)).toEqual(["Variant", "FlagNotFound", "FlagType", "Unavailable", "Variant"])
    })
  )

  live(
    "give NotReady once while nothing could be loaded, and a request that is not valid as it is",
    Effect.gen(function* () {
      const { client, close, hub, next } = yield* open(away, { errorStrategy: "fallback" })
      const good = yield* listen(client.watchBoolean(on))
      const bad = yield* listen(client.watchVariant({ flagKey: "", entityId: "user-1" }))
      yield* Effect.zipRight(good.has(1), bad.has(1))
      yield* next(Effect.fail(failure("for another reason")))
      yield* turn
      yield* next(answer(onDocument(true)))
      yield* Effect.zipRight(good.has(2), bad.has(2))
      yield* next(answer(onDocument(false)))
      yield* good.has(3)
      expect(good.seen).toMatchObject([
        { left: { _tag: "EvaluationError", reason: "NotReady" } },
        { right: { enabled: true } },
        { right: { enabled: false } }
      ])
      expect(bad.seen).toMatchObject([
        { left: { _tag: "EvaluationError", reason: "NotReady" } },
        { left: { _tag: "ValidationError", path: "flagKey" } }
      ])
      yield* close
      expect(yield* Fiber.await(good.fiber)).toEqual(Exit.void)
      expect(yield* Fiber.await(bad.fiber)).toEqual(Exit.void)
      expect(listenersOf(hub)).toBe(0)
    })
  )

  live(
    "give the same as ever in an outage with strategy fallback, and a slow listener the latest",
    Effect.gen(function* () {
      const { client, next } = yield* open(answer(onDocument(true)), { errorStrategy: "fallback" })
      const pull = yield* listenSlowly(client.watchBoolean(on))
      expect(yield* pull).toMatchObject({ right: { enabled: true } })
      yield* next(answer(onDocument(false)))
      yield* next(answer(onDocument(true)))
      yield* next(away)
      const waiting = yield* Effect.fork(pull)
      yield* begun(waiting)
      yield* next(answer(onDocument(false)))
      expect(yield* Fiber.join(waiting)).toMatchObject({ right: { enabled: false } })
    })
  )

  live(
    "disturb nobody when a listener dies",
    Effect.gen(function* () {
      const { client, hub, next } = yield* open(answer(onDocument(true)))
      const good = yield* listen(client.watchBoolean(on))
      const dead = yield* Deferred.make<void>()
      yield* Effect.forkScoped(
        Stream.runForEach(client.watchBoolean(on), () => Effect.die("died")).pipe(
          Effect.ensuring(Deferred.succeed(dead, undefined))
        )
      )
      yield* Deferred.await(dead)
      yield* good.has(1)
      yield* next(answer(onDocument(false)))
      yield* good.has(2)
      expect(listenersOf(hub)).toBe(1)
    })
  )
})
