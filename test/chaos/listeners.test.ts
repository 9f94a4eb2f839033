/**
 * What the listeners of a client's streams may do, and what the rest of the application sees of it.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
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

const { awaitOn, eventually, eventuallyOf, isOn, on, warnings } = Clients

setFlagsFromString("--expose-gc")
const gc: () => void = runInNewContext("gc")

const bytesAfterGc = Effect.promise(async () => {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    gc()
  }
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
})

/** Everything that tells of changes. */
const streamsOf = (client: FliptClient.Service): ReadonlyArray<Stream.Stream<unknown>> => [
  client.statusChanges,
  client.changes,
  client.watchBoolean(on),
  client.watchVariant(on)
]

/** Everything that makes its listener act in the course of a test: no flag of theirs is a variant flag. */
const busyStreamsOf = (client: FliptClient.Service) => streamsOf(client).slice(0, 3)

it.live("a listener that throws ends its own stream, and nothing else", () =>
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
            Stream.runForEach(stream, () => {
              throw new Error("the listener's own bug")
            })
          )
        )
      )
      yield* eventually(() => calm.length === 1)
      yield* server.setDocument(onDocument(false))
      for (const fiber of angry) {
        const exit = yield* Fiber.join(fiber)
        expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      }
      yield* awaitOn(client, false)
      yield* server.setDocument(onDocument(true))
      yield* awaitOn(client, true)
      yield* eventually(() => calm.length === 3)
      expect(calm).toEqual([true, false, true])
      expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: true })
      expect(warnings(log)).toEqual([])
    })
  )
)

/** Whether a value has at least what is expected of it. */
const isSubset = (expected: unknown, value: unknown): boolean =>
  typeof expected === "object" && expected !== null
    ? typeof value === "object" &&
      value !== null &&
      Object.entries(expected).every(([key, part]) => isSubset(part, (value as Record<string, unknown>)[key]))
    : expected === value

it.live("a listener that never takes holds no memory over 50,000 changes, and gets the last of them", () =>
  Clients.forEach(Clients.kindsOfOneEngine.slice(0, 1), (kind) =>
    Effect.gen(function* () {
      const documents = [encode(onDocument(true)), encode(onDocument(false))]
      const pushed = (nth: number) =>
        Fetcher.Event.Pushed({ bytes: documents[nth % 2]!, version: Option.some(`version ${nth}`) })
      const events = yield* Queue.bounded<Fetcher.Event>(16)
      const fetcher = Layer.succeed(Fetcher.Fetcher, {
        source: { kind: "streaming", environment: "default", namespace: "default" },
        fetch: () => Effect.succeed(Fetcher.Document({ bytes: documents[0]!, version: Option.some("version 0") })),
        events: () => Stream.fromQueue(events, { maxChunkSize: 1 })
      })
      const client = yield* FliptClient.makeWithoutDependencies({ errorStrategy: kind.strategy }).pipe(
        Effect.provide([fetcher, kind.engine])
      )
      const change = (from: number, to: number) =>
        Effect.gen(function* () {
          for (let nth = from; nth <= to; nth++) {
            yield* Queue.offer(events, pushed(nth))
          }
          yield* eventuallyOf(client.status, ({ version }) => version === `version ${to}`)
        })

      // each takes one element at the first change, and then none
      const gate = yield* Deferred.make<void>()
      const listeners = yield* Effect.forEach(
        Array.from({ length: 5 }, () => streamsOf(client)),
        (streams) =>
          Effect.forEach(streams, (stream) => {
            const seen: Array<unknown> = []
            return stream.pipe(
              Stream.runForEach((element) => Effect.suspend(() => (seen.push(element), Deferred.await(gate)))),
              Effect.forkScoped,
              Effect.as(seen)
            )
          })
      )
      yield* eventually(() => listeners.every(([statuses, , values]) => statuses!.length + values!.length === 2))
      yield* change(1, 5000)
      const before = yield* bytesAfterGc
      yield* change(5001, 49_999)
      // one object for each change that one of the twenty has missed would be ten times as much
      expect((yield* bytesAfterGc) - before).toBeLessThan(3_000_000)
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
          yield* eventually(() => isSubset(last[index], seen.at(-1)))
          // what was missed is not made up for
          expect(seen.length).toBeLessThanOrEqual(4)
        }
      }
    })
  )
)

/** Closes a client in the handler of each of its streams, after all else that a handler may do. */
it.live("a listener that evaluates, refreshes and closes the client from inside its handler meets no deadlock", () =>
  Clients.forEach(Clients.kinds, (kind, log) =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const handled: Array<unknown> = []
      for (const nth of [0, 1, 2]) {
        // in a fiber of one's own, and in one of the scope that is closed
        for (const inside of [false, true]) {
          const before = yield* server.requests
          yield* server.setDocument(onDocument(true))
          const scope = yield* Scope.make()
          const client = yield* Scope.extend(Clients.make(kind, { url: server.url, updateInterval: "1 hours" }), scope)
          const listening = busyStreamsOf(client)[nth]!.pipe(
            // the second element of a stream that begins with what is
            Stream.drop(nth === 1 ? 0 : 1),
            Stream.runForEach(() =>
              Effect.gen(function* () {
                handled.push(yield* isOn(client))
                handled.push(yield* client.refresh)
                yield* Scope.close(scope, Exit.void)
                handled.push(yield* isOn(client))
                handled.push(yield* Effect.merge(client.refresh))
              })
            ),
            Effect.exit
          )
          const fiber = yield* inside ? Effect.forkIn(listening, scope) : Effect.fork(listening)
          // the stream has begun when another one has, which was asked for later
          yield* Stream.runHead(client.statusChanges)
          yield* Effect.sleep("20 millis")
          yield* server.setDocument(onDocument(false))
          yield* client.refresh
          const exit = yield* Fiber.join(fiber)
          expect(Exit.isSuccess(exit) || Exit.isInterrupted(exit)).toBe(true)
          expect(handled.splice(0)).toEqual([false, false, "Closed", expect.objectContaining({ reason: "Closed" })])
          expect((yield* client.status)._tag).toBe("Failed")
          yield* server.awaitConnections(0)
          expect((yield* server.requests).length - before.length).toBeLessThanOrEqual(4)
        }
      }
      expect(warnings(log)).toEqual([])
    })
  )
)
