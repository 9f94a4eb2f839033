/**
 * Closing a client's scope leaves nothing behind, whatever the client is doing.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Supervisor from "effect/Supervisor"
import * as FliptClient from "../../src/FliptClient.js"
import { load, Stat } from "../../src/internal/engine/native/library.js"
import { run } from "../support/child.js"
import * as Clients from "../support/clients.js"
import { onDocument } from "../support/documents.js"
import { native } from "../support/engines.js"
import * as Fault from "../support/Fault.js"
import * as FliptServer from "../support/FliptServer.js"
import { turn, until } from "../support/wait.js"

const nothing = { fibers: 0, requests: 0, resources: [], compilations: 0, handles: 0 }

/** The result for a client that has closed. */
const closed = {
  start: "success",
  evaluation: "EvaluationError Closed",
  refresh: "EngineError Closed",
  status: "Failed",
  left: nothing
}
const closedForWaiting = { ...closed, waiting: "EngineError Closed" }
const both = <A>(expected: A) => ({ fail: expected, fallback: expected })

/** The expected results of closing a client in each situation. */
const situations: { readonly [situation: string]: unknown } = {
  "a request is in flight": both(closedForWaiting),
  "a body is read": both(closedForWaiting),
  "it retries": both(closedForWaiting),
  "it streams": both(closed),
  "it waits for a stream's first byte": both(closed),
  "it waits to reconnect": both(closed),
  "it is degraded to polling": both(closed),
  // 16 MB
  "it compiles": both(closedForWaiting),
  "it compiles what a stream has pushed": both(closed),
  "its start has failed": {
    fail: { start: "FetchError", left: nothing },
    fallback: { start: "ValidationError", left: nothing }
  }
}

/** One process per engine for all situations. In each of them, the process must be able to exit by itself. */
const closing = (engine: string) =>
  Effect.runSync(Effect.cached(run("closing.mjs", [engine, ...Object.keys(situations)], 240_000)))

const results = { portable: closing("portable"), native: closing("native") }

const leavesNothing = (situation: string, expected: unknown, engines: ReadonlyArray<keyof typeof results>) =>
  Effect.forEach(engines, (engine) =>
    Effect.map(results[engine], (result) =>
      expect((result as { readonly [situation: string]: unknown })[situation], engine).toEqual(expected)
    )
  )

describe("close leaves no fiber, socket, timer or native handle, and the process exits, when", () => {
  for (const [situation, expected] of Object.entries(situations)) {
    it.live(
      situation,
      () => leavesNothing(situation, expected, native ? ["portable", "native"] : ["portable"]),
      240_000
    )
  }
})

/** More than the number of steps of a start, so that interruptions hit each of them. */
const MOMENTS = 30

describe("interruption of the start at any moment", () => {
  const held = Effect.promise(async () => {
    if (!native) {
      return 0
    }
    const { stat } = await Effect.runPromise(load(process.env.FLIPT_ENGINE_PATH))
    return stat(Stat.snapshots) + stat(Stat.jobs) + stat(Stat.arenas) + stat(Stat.blobs)
  })

  const open = (kind: string) => process.getActiveResourcesInfo().filter((name) => name.startsWith(kind)).length

  for (const fetchMode of ["polling", "streaming"] as const) {
    it.live(`leaves nothing: ${fetchMode}`, () =>
      Clients.forEach(Clients.kinds, (kind) =>
        Effect.gen(function* () {
          const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
          const supervisor = yield* Supervisor.track
          const building = Layer.build(Clients.layer(kind, { url: server.url, fetchMode }))
          // a first start, because some things are loaded only once
          yield* Effect.scoped(building)
          let interrupted = 0
          for (let moment = 0; moment < MOMENTS; moment++) {
            // late and incomplete answers make the start long enough to be interrupted in every part
            yield* server.fail([Fault.pass, Fault.delay(5), Fault.drip(20, 1), Fault.hangInBody(30)][moment % 4]!)
            let started = false
            const fiber = yield* Effect.scoped(
              Effect.zipRight(
                Effect.tap(building, () =>
                  Effect.sync(() => {
                    started = true
                  })
                ),
                Effect.never
              )
            ).pipe(Effect.supervised(supervisor), Effect.fork)
            const random = Math.random()
            for (let turns = 0; turns < moment + random * 10; turns++) {
              yield* turn
            }
            if (moment % 2 === 0) {
              yield* Effect.sleep(`${Math.floor(random * 20)} millis`)
            }
            interrupted += started ? 0 : 1
            yield* Fiber.interrupt(fiber)
            expect((yield* supervisor.value).length).toBe(0)
          }
          expect(interrupted).toBeGreaterThan(MOMENTS / 4)
          yield* server.awaitConnections(0)
        })
      ).pipe(
        Effect.zipRight(until(() => open("TCPSocket") === 0)),
        Effect.zipRight(Effect.map(held, (handles) => expect(handles).toBe(0)))
      )
    )
  }

  it.scopedLive("of the one-stop layer leaves nothing", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      for (let moment = 0; moment < MOMENTS; moment++) {
        const errorStrategy = Clients.strategies[moment % 2]
        const building = Layer.build(FliptClient.layer({ url: server.url, errorStrategy, fetchMode: "streaming" }))
        const fiber = yield* Effect.fork(Effect.scoped(Effect.zipRight(building, Effect.never)))
        for (let turns = 0; turns < moment; turns++) {
          yield* turn
        }
        yield* Fiber.interrupt(fiber)
      }
      yield* server.awaitConnections(0)
      expect(yield* held).toBe(0)
    })
  )
})
