/**
 * The status of a client, and how to wait for it.
 */
import { describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { vi } from "vitest"
import * as Fetcher from "../src/Fetcher.js"
import type * as FliptClient from "../src/FliptClient.js"
import * as Observe from "../src/internal/client/changes.js"
import type * as Status from "../src/Status.js"
import { encode } from "./support/corpus.js"
import { makeDocument, onDocument, variantFlag } from "./support/documents.js"
import { engines } from "./support/engines.js"
import { listenersOf } from "./support/hubs.js"
import {
  answer,
  away,
  begun,
  clocked,
  failure,
  listen,
  listenSlowly,
  live,
  mode,
  notModified,
  on,
  open,
  openState,
  portable,
  tags,
  theme
} from "./support/observing.js"
import { awhile, turn, until } from "./support/wait.js"

vi.mock("effect/PubSub", async (importOriginal) =>
  (await import("./support/hubs.js")).recording(await importOriginal<typeof PubSub>())
)

describe("statusChanges", () => {
  live(
    "starts with the current status, and emits every later one in order to a fast listener",
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
    "reports a new document once, with its version and its confirmation",
    Effect.gen(function* () {
      for (const [name, engine] of engines) {
        // large enough for its memory to be freed on another thread
        const large = (key: string) => makeDocument([variantFlag(key, "a", "x".repeat(600_000))])
        const { client, next } = yield* open(answer(large("a"), "1"), { engine })
        const { has, seen } = yield* listen(client.statusChanges)
        yield* has(1)
        yield* next(away)
        yield* has(2)
        yield* awhile
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
    "does not repeat an equal status",
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
    "emits the latest status to a slow listener, and buffers nothing for it",
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
    "a slow listener that catches up does not affect the others",
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
        expect((yield* pull).mode).toBe("c")
      }
      yield* state.setMode("d", true)
      expect((yield* Fiber.join(waiting)).mode).toBe("d")
    })
  )

  live(
    "a slow listener that ends does not affect the others",
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
        expect((yield* staying).mode).toBe("c")
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
    "a listener that fails, throws, dies, is interrupted or stops does not affect others and leaves nothing behind",
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
    "every stream that starts after the client has closed ends, after reporting Closed if it reports states",
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
    "is Starting until something fails or is confirmed, also with a seed",
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
    "goes from Failed through Ready and Stale to Ready, with `since` of the first failure and `error` of the last one",
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
    "has the source's version, or else the document's digest",
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
    "has the mode and `connected` as the Fetcher reports them",
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
    "returns at once if the status is Ready",
    Effect.gen(function* () {
      const { client, hub } = yield* open(answer(onDocument(true)))
      yield* client.awaitReady
      expect(listenersOf(hub)).toBe(0)
    })
  )

  live(
    "waits through Starting, Failed and Stale, and through an unconfirmed state",
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
    "waits, even with a seed, until the server confirms a state, while evaluations work",
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
    "can be timed out, and then leaves nothing behind",
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
