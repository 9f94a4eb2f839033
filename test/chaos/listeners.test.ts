/**
 * Misbehaving listeners of a client's streams, and how they affect the rest of the application.
 */
import { expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fetcher from "../../src/Fetcher.js"
import * as FliptClient from "../../src/FliptClient.js"
import * as Clients from "../support/clients.js"
import { encode } from "../support/corpus.js"
import { onDocument } from "../support/documents.js"
import * as FliptServer from "../support/FliptServer.js"
import { afterGc } from "../support/memory.js"
import { until, untilOf } from "../support/wait.js"

const { awaitOn, isOn, on, warnings } = Clients

const bytesAfterGc = Effect.map(afterGc, ({ external, heapUsed }) => heapUsed + external)

/** All streams of a client that report changes. */
const streamsOf = (client: FliptClient.Service): ReadonlyArray<Stream.Stream<unknown>> => [
  client.statusChanges,
  client.changes,
  client.watchBoolean(on),
  client.watchVariant(on)
]

/** The streams that emit elements during a test. Without variant flags, `watchVariant` does not. */
const busyStreamsOf = (client: FliptClient.Service) => streamsOf(client).slice(0, 3)

it.live("a listener that throws ends only its own stream", () =>
  Clients.forEach(Clients.kinds, (kind, log) =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* Clients.make(kind, { url: server.url, updateInterval: "50 millis" })
      const calm: Array<boolean | string> = []
      yield* Stream.runForEach(client.watchBoolean(on), (result) =>
        Effect.sync(() => calm.push(result._tag === "Right" ? result.right.enabled : result.left.reason))
      ).pipe(Effect.forkScoped)
      const angry = yield* Effect.forEach(busyStreamsOf(client), (stream) =>
        Effect.fork(
          Effect.exit(
            Stream.runForEach(stream, (): Effect.Effect<void> => {
              throw new Error("the listener's own bug")
            })
          )
        )
      )
      yield* until(() => calm.length === 1)
      yield* server.setDocument(onDocument(false))
      for (const fiber of angry) {
        const exit = yield* Fiber.join(fiber)
        expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      }
      yield* awaitOn(client, false)
      yield* server.setDocument(onDocument(true))
      yield* awaitOn(client, true)
      yield* until(() => calm.length === 3)
      expect(calm).toEqual([true, false, true])
      expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: true })
      expect(warnings(log)).toEqual([])
    })
  )
)

/** Whether a value has all expected properties. */
const isSubset = (expected: unknown, value: unknown): boolean =>
  typeof expected === "object" && expected !== null
    ? typeof value === "object" &&
      value !== null &&
      Object.entries(expected).every(([key, part]) => isSubset(part, (value as Record<string, unknown>)[key]))
    : expected === value

it.live("a listener that never pulls keeps no memory over 50,000 changes, and gets the last one", () =>
  Clients.forEach(Clients.kindsOfOneEngine.slice(0, 1), (kind) =>
    Effect.gen(function* () {
      const documents = [encode(onDocument(true)), encode(onDocument(false))]
      const pushed = (nth: number) =>
        Fetcher.Event.Pushed({ bytes: documents[nth % 2]!, version: Option.some(`version ${nth}`) })
      const events = yield* Queue.bounded<Array<Fetcher.Event>>(1)
      const fetcher = Layer.succeed(Fetcher.Fetcher, {
        source: { kind: "streaming", environment: "default", namespace: "default" },
        fetch: () => Effect.succeed(Fetcher.Document({ bytes: documents[0]!, version: Option.some("version 0") })),
        events: () => Stream.flattenIterables(Stream.fromQueue(events))
      })
      const client = yield* FliptClient.makeWithoutDependencies({ errorStrategy: kind.strategy }).pipe(
        Effect.provide([fetcher, kind.engine])
      )
      /** Most changes affect only the status, but every stream is notified of them. */
      const eventOf = (nth: number): Fetcher.Event =>
        nth % 50 < 2 ? pushed(nth) : Fetcher.Event.Mode({ mode: "streaming", connected: nth % 2 === 0 })
      const change = (from: number, to: number) =>
        Effect.gen(function* () {
          // a thousand at a time
          for (let first = from; first <= to; first += 1000) {
            const length = Math.min(1000, to - first)
            yield* Queue.offer(
              events,
              Array.from({ length }, (_, index) => eventOf(first + index))
            )
          }
          yield* Queue.offer(events, [pushed(to)])
          yield* untilOf(client.status, ({ version }) => version === `version ${to}`)
        })

      // each listener takes one element and then stops
      const gate = yield* Deferred.make<void>()
      const listeners = yield* Effect.forEach(
        Array.from({ length: 3 }, () => streamsOf(client)),
        (streams) =>
          Effect.forEach(streams, (stream) => {
            const seen: Array<unknown> = []
            return stream.pipe(
              Stream.runForEach((element) => {
                seen.push(element)
                return Deferred.await(gate)
              }),
              Effect.forkScoped,
              Effect.as(seen)
            )
          })
      )
      yield* until(() => listeners.every(([statuses, , values]) => statuses!.length + values!.length === 2))
      yield* change(1, 5000)
      const before = yield* bytesAfterGc
      yield* change(5001, 49_999)
      // one small object per missed change would exceed this
      expect((yield* bytesAfterGc) - before).toBeLessThan(1_600_000)
      expect(listeners.flat().every((seen) => seen.length <= 1)).toBe(true)
      expect(yield* isOn(client)).toBe(false)

      yield* Deferred.succeed(gate, undefined)
      yield* change(50_000, 50_001)
      const last = [
        { version: "version 50001" },
        { changed: ["on"] },
        { right: { enabled: false } },
        { left: { reason: "FlagType" } }
      ]
      for (const streams of listeners) {
        for (const [index, seen] of streams.entries()) {
          yield* until(() => isSubset(last[index], seen.at(-1)))
          // missed elements are not delivered later
          expect(seen.length).toBeLessThanOrEqual(4)
        }
      }
    })
  )
)

/** The client's streams, without the elements that precede the first change of a test. */
const reactive = (client: FliptClient.Service): ReadonlyArray<Stream.Stream<unknown>> => [
  Stream.drop(client.statusChanges, 1),
  client.changes,
  Stream.drop(client.watchBoolean(on), 1)
]

it.live("a listener that evaluates, refreshes and closes the client in its handler does not deadlock", () =>
  Clients.forEach(Clients.kinds, (kind, log) =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make()
      for (const nth of [0, 1, 2]) {
        // a listener inside the scope would be interrupted by closing it, so another fiber closes it
        for (const inside of [false, true]) {
          yield* server.setDocument(onDocument(true))
          const scope = yield* Scope.make()
          const client = yield* Scope.extend(Clients.make(kind, { url: server.url, updateInterval: "1 days" }), scope)
          const seen: Array<unknown> = []
          const handle = Effect.gen(function* () {
            seen.push(yield* isOn(client), yield* client.refresh)
            yield* inside ? Effect.forkDaemon(Scope.close(scope, Exit.void)) : Scope.close(scope, Exit.void)
            seen.push("closed")
          })
          const listening = Effect.exit(Stream.runForEach(reactive(client)[nth]!, () => handle))
          const fiber = yield* inside ? Effect.forkIn(listening, scope) : Effect.fork(listening)
          // changes the flag until the listener has seen a change
          let enabled = false
          yield* untilOf(
            Effect.gen(function* () {
              yield* server.setDocument(onDocument(enabled))
              enabled = !enabled
              yield* Effect.exit(client.refresh)
              return seen.length
            }),
            (length) => length > 0
          )
          const exit = yield* Fiber.await(fiber)
          expect(inside || Exit.isSuccess(exit)).toBe(true)
          expect([typeof seen[0], typeof seen[1]]).toEqual(["boolean", "boolean"])
          yield* untilOf(client.status, ({ _tag }) => _tag === "Failed")
          expect(yield* isOn(client)).toBe("Closed")
          expect((yield* Effect.flip(client.refresh)).reason).toBe("Closed")
          expect(inside || seen[2] === "closed").toBe(true)
          yield* server.awaitConnections(0)
        }
      }
      expect(warnings(log)).toEqual([])
    })
  )
)
