/**
 * HTTP/2: requests and streams share one connection without affecting each other.
 */
import type { Http2ServerResponse } from "node:http2"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Auth from "../src/Auth.js"
import * as Fetcher from "../src/Fetcher.js"
import * as Tls from "../src/Tls.js"
import * as Fault from "./support/Fault.js"
import { upToDate } from "./support/listeners.js"
import { captured } from "./support/logs.js"
import { awaitStreams, makeStreaming, pki, pushTo, serve } from "./support/secure.js"

const serve2 = Effect.flatMap(pki, ({ server }) => serve({ ...server, http2: true }))

const tls = Effect.map(pki, ({ ours }): Tls.Options => ({ caCertData: ours.cert, http2: true }))

/** Makes the server end this exchange with an error and leave the connection open. */
const resetStream = Fault.own(({ response }) => (response as unknown as Http2ServerResponse).stream.close(2))

const start = (requestTimeout: number) =>
  Effect.gen(function* () {
    const server = yield* serve2
    const client = yield* makeStreaming({
      url: server.url,
      tlsConfig: yield* tls,
      errorStrategy: "fallback",
      requestTimeout
    }).pipe(Effect.withRandom(Random.fixed([0.02])))
    yield* awaitStreams(server, 1)
    return { client, server }
  })

describe("over HTTP/2", () => {
  it.scopedLive("a stream continues while requests are answered, refused, cut off, or never answered", () =>
    captured(() =>
      Effect.gen(function* () {
        const { client, server } = yield* start(1000)
        const [time] = yield* Effect.timed(pushTo(client, server))
        // four documents, each of which is loaded without waiting for more data
        expect(Duration.toMillis(time)).toBeLessThan(2000)
        const faults = [
          Fault.pass,
          Fault.status(403),
          Fault.status(503),
          Fault.hangBeforeHeaders,
          Fault.hangInBody(5),
          resetStream
        ]
        for (const fault of [...faults, ...faults, ...faults]) {
          yield* server.fail(fault)
          yield* Effect.exit(client.refresh)
          yield* pushTo(client, server)
        }
        expect(yield* awaitStreams(server, 1)).toHaveLength(1)
        // on a busy machine, a ping may be answered so late that another connection is opened
        expect(yield* server.accepted).toBeLessThanOrEqual(2)
        yield* server.awaitStreams(1)
      })
    )
  )

  it.scopedLive("an abandoned stream is closed on the server, and the connection stays open", () =>
    Effect.gen(function* () {
      const server = yield* serve2
      const http = Layer.provide(Tls.layerHttpClient, Tls.layer(yield* tls))
      const context = yield* Layer.build(
        Fetcher.layerStreaming({ url: server.url }).pipe(Layer.provide([http, Auth.layerNone]))
      )
      const fetcher = yield* Effect.provide(Fetcher.Fetcher, context)
      for (let round = 1; round <= 3; round++) {
        const streaming = yield* fetcher.events(upToDate).pipe(Stream.runDrain, Effect.fork)
        yield* server.awaitStreams(1)
        yield* Fiber.interrupt(streaming)
        yield* server.awaitStreams(0)
        yield* fetcher.fetch(Option.none())
      }
      expect(yield* server.accepted).toBe(1)
    }).pipe(Effect.provideService(Fetcher.RetryPolicy, Schedule.stop))
  )

  it.scopedLive("a server that sends GOAWAY completes its streams, and new requests use another connection", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const { client, server } = yield* start(5000)
        for (const connections of [2, 3, 4]) {
          yield* server.goAway
          yield* pushTo(client, server)
          yield* client.refresh
          expect(yield* server.accepted).toBe(connections)
        }
        expect(yield* awaitStreams(server, 1)).toHaveLength(1)
        expect(lines.filter(({ level }) => level === "ERROR")).toEqual([])
      })
    )
  )

  it.scopedLive("streams are reopened after a server restart", () =>
    captured(() =>
      Effect.gen(function* () {
        const { client, server } = yield* start(5000)
        for (const count of [2, 3, 4]) {
          yield* server.restart
          yield* awaitStreams(server, count)
          yield* pushTo(client, server)
        }
      })
    )
  )
})
