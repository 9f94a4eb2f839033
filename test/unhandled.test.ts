/**
 * The runtime does not report failures that the client handles: Effect logs "Fiber terminated with an unhandled error"
 * for every fiber that fails, even if another fiber handles its result.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Auth from "../src/Auth.js"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import * as Tls from "../src/Tls.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { captured, type Line } from "./support/logs.js"
import { makeClient, no, scripted, yes } from "./support/streaming.js"
import { awhile, turn, until } from "./support/wait.js"

/** A client without retries. */
const makePolling = (url: string) =>
  Layer.build(
    FliptClient.layerWithoutDependencies({ errorStrategy: "fallback" }).pipe(
      Layer.provide([
        Engine.layerPortable,
        Fetcher.layerPolling({ url, requestTimeout: Number.POSITIVE_INFINITY }).pipe(
          Layer.provide([Layer.provide(Tls.layerHttpClient, Tls.layerSystem), Auth.layerNone])
        )
      ])
    )
  ).pipe(Effect.map(Context.get(FliptClient.FliptClient)), Effect.provideService(Fetcher.RetryPolicy, Schedule.stop))

const unhandled = (lines: ReadonlyArray<Line>) =>
  lines.filter(({ message }) => message.includes("Fiber terminated")).map(({ message }) => message)

/** Waits for the log line with the reason why a stream ended, and then for the next stream. */
const replaced = (server: FliptServer.Server, lines: ReadonlyArray<Line>, reason: string) => {
  const count = server.streams.length
  return Effect.zipRight(
    until(() => lines.some(({ message }) => message.includes(reason))),
    Effect.repeat(Effect.zipRight(turn, TestClock.adjust("1 second")), { until: () => server.streams.length > count })
  )
}

describe("the runtime reports no unhandled failure", () => {
  it.scoped("when a stream ends, breaks off, or is refused", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* scripted
        yield* makeClient({ url: server.url })
        const first = yield* server.awaitStreamRequests(1)
        first.push(no)
        first.end()
        yield* replaced(server, lines, "the server ended the stream")

        const second = yield* server.awaitStreamRequests(2)
        second.write("{")
        yield* awhile
        yield* server.failStreams(Fault.status(503))
        second.destroy()
        yield* replaced(server, lines, "the stream was interrupted")
        yield* until(() => lines.some(({ message }) => message.includes("status 503")))
        expect(unhandled(lines)).toEqual([])
      })
    )
  )

  it.scoped("when a stream is replaced because it has missed a change", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* scripted
        const client = yield* makeClient({ url: server.url })
        yield* server.awaitStreamRequests(1)
        yield* server.setDocument(no)
        expect(yield* client.refresh).toBe(true)
        yield* Effect.repeat(Effect.zipRight(turn, TestClock.adjust("1 second")), {
          until: () => server.streams.length === 2
        })
        expect(lines.some(({ message }) => message.includes("missed a change"))).toBe(true)
        expect(unhandled(lines)).toEqual([])
      })
    )
  )

  it.scoped("when a request fails, for any caller", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: yes } })
        const client = yield* makePolling(server.url)
        const faults = [Fault.status(400), Fault.garbage("{"), Fault.cutBody(5), Fault.reset]
        for (const fault of faults) {
          yield* server.failAlways(fault)
          expect(Option.isNone(yield* Effect.option(client.refresh)), fault._tag).toBe(true)
        }
        const polled = server.snapshots.length
        yield* Effect.repeat(Effect.zipRight(turn, TestClock.adjust("1 minute")), {
          until: () => server.snapshots.length > polled
        })
        yield* awhile
        expect(unhandled(lines)).toEqual([])
      })
    )
  )
})
