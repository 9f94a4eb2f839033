/**
 * Failures that the client handles are not reported again by the runtime: Effect logs "Fiber terminated with an
 * unhandled error" for every fiber that fails, whether or not another fiber takes its result.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Auth from "../src/Auth.js"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import * as Tls from "../src/Tls.js"
import { onDocument } from "./support/documents.js"
import { captured, type Line } from "./support/logs.js"
import * as Scripted from "./support/Scripted.js"
import { awaitSleep, awaitSleepOf, turn, until } from "./support/sleepers.js"

const makeClient = (options: Fetcher.Options, layer: typeof Fetcher.layerStreaming = Fetcher.layerStreaming) =>
  Layer.build(
    FliptClient.layerWithoutDependencies({ errorStrategy: "fallback" }).pipe(
      Layer.provide([
        layer(options).pipe(Layer.provide([Layer.provide(Tls.layerHttpClient, Tls.layerSystem), Auth.layerNone])),
        Engine.layerPortable
      ])
    )
  ).pipe(
    Effect.map(Context.get(FliptClient.FliptClient)),
    Effect.provideService(Fetcher.RetryPolicy, Schedule.stop),
    Effect.withRandom(Random.fixed([0.7]))
  )

const unhandled = (lines: ReadonlyArray<Line>) =>
  lines.filter(({ message }) => message.includes("Fiber terminated")).map(({ message }) => message)

/** Waits for the line that reports a stream's end, and then for the next stream. */
const reopened = (server: Scripted.Scripted, lines: ReadonlyArray<Line>, reason: string) =>
  Effect.gen(function* () {
    const count = server.streams.length
    yield* until(() => lines.some(({ message }) => message.includes(reason)))
    yield* Effect.repeat(Effect.zipRight(awaitSleep, TestClock.adjust("30 seconds")), {
      until: () => server.streams.length > count
    }).pipe(Effect.raceFirst(server.awaitStreams(count + 1)))
  })

describe("the runtime reports no unhandled failure", () => {
  it.scoped("when a stream ends, breaks off, or is refused", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(onDocument(true))
        yield* makeClient({ url: server.url })
        const first = yield* server.awaitStreams(1)
        Scripted.write(first, Scripted.frame(server.put(onDocument(false))))
        first.response.end()
        yield* reopened(server, lines, "the server ended the stream")

        const second = yield* server.awaitStreams(2)
        Scripted.write(second, "{")
        yield* turn
        second.response.destroy()
        yield* reopened(server, lines, "the stream broke off")

        const third = yield* server.awaitStreams(3)
        third.response.writeHead(503).end()
        yield* reopened(server, lines, "status 503")
        expect(unhandled(lines)).toEqual([])
      })
    )
  )

  it.scoped("when a stream is replaced because it has missed a change", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(onDocument(true))
        const client = yield* makeClient({ url: server.url })
        yield* server.awaitStreams(1)
        yield* Effect.zipRight(awaitSleepOf(1000), TestClock.adjust(1000))
        server.put(onDocument(false))
        expect(yield* client.refresh).toBe(true)
        yield* Effect.repeat(Effect.zipRight(turn, TestClock.adjust("1 second")), {
          until: () => server.streams.length === 2
        })
        expect(lines.some(({ message }) => message.includes("has missed a change"))).toBe(true)
        expect(unhandled(lines)).toEqual([])
      })
    )
  )

  it.scoped("when a request fails, whoever made it", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(onDocument(true))
        const client = yield* makeClient({ url: server.url }, Fetcher.layerPolling)
        const faults: ReadonlyArray<Scripted.Handler> = [
          Scripted.answer(500),
          Scripted.answer(200, "{"),
          ({ response }) => response.destroy(),
          ({ response }) => {
            response.writeHead(200, { "content-length": "100" })
            response.write("{")
            setImmediate(() => response.destroy())
          }
        ]
        for (const fault of faults) {
          server.snapshot = fault
          expect(Option.isSome(yield* Effect.option(client.refresh))).toBe(false)
        }
        const polled = server.snapshots.length
        yield* Effect.repeat(Effect.zipRight(turn, TestClock.adjust("1 minute")), {
          until: () => server.snapshots.length > polled
        })
        yield* Effect.repeatN(turn, 20)
        expect(unhandled(lines)).toEqual([])
      })
    )
  )
})
