/**
 * Measures the time from the moment when a server writes a frame to the first evaluation that sees the change, over a
 * real socket. The namespace has 1,000 flags, one of which is switched on and off. The server runs on its own thread.
 * Exits with code 1 if the 99th percentile is not below 50 ms. `npm run bench:propagation`.
 */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import process from "node:process"
import { type MessagePort, parentPort, Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Auth from "flipt-client-effect/Auth"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Tls from "flipt-client-effect/Tls"

const FLAGS = 1000
const FLIPS = 200
const WARM_UP = 10
const PAUSE_MILLIS = 25
const MAX_P99_MILLIS = 50

/** Comparable between threads. */
const now = () => performance.timeOrigin + performance.now()

const flags = Array.from({ length: FLAGS }, (_, index) => ({
  key: `flag-${index}`,
  name: "",
  enabled: true,
  type: "BOOLEAN_FLAG_TYPE",
  rollouts: [
    {
      segment: {
        value: true,
        segmentOperator: "OR_SEGMENT_OPERATOR",
        segments: [
          {
            key: "pro",
            matchType: "ALL_SEGMENT_MATCH_TYPE",
            constraints: [{ type: "STRING_CONSTRAINT_COMPARISON_TYPE", property: "plan", operator: "eq", value: "pro" }]
          }
        ]
      }
    }
  ]
}))

const bodyOf = (enabled: boolean, digest: string): string =>
  JSON.stringify({
    digest,
    namespace: { key: "default" },
    flags: [...flags, { key: "switch", name: "", enabled, type: "BOOLEAN_FLAG_TYPE", rollouts: [] }]
  })

/** A switched flag: when its frame was written, and to how many streams. */
interface Flip {
  readonly at: number
  readonly enabled: boolean
  readonly streams: number
  readonly bytes: number
}

const serve = (port: MessagePort) => {
  let enabled = true
  let flips = 0
  const digest = () => String(flips).padStart(40, "0")
  const streams = new Set<Http.ServerResponse>()
  const server = Http.createServer((request, response) => {
    if (request.url?.includes("/stream")) {
      response.writeHead(200, { "content-type": "application/json" }).flushHeaders()
      streams.add(response)
      response.once("close", () => streams.delete(response))
    } else if (request.headers["if-none-match"] === digest()) {
      response.writeHead(304).end()
    } else {
      response.writeHead(200, { "content-type": "application/json", etag: digest() }).end(bodyOf(enabled, digest()))
    }
  })
  port.on("message", (message) => {
    if (message === "close") {
      server.close()
      server.closeAllConnections()
      port.close()
      return
    }
    enabled = !enabled
    flips++
    const frame = `{"result":${bodyOf(enabled, digest())}}\n`
    const at = now()
    for (const stream of streams) stream.write(frame)
    port.postMessage({ at, enabled, streams: streams.size, bytes: frame.length })
  })
  server.listen(0, "127.0.0.1", () => port.postMessage({ port: (server.address() as AddressInfo).port }))
}

const measure = async () => {
  const worker = new Worker(new URL(import.meta.url))
  const messages: Array<unknown> = []
  let wake = () => {}
  worker.on("message", (message) => {
    messages.push(message)
    wake()
  })
  const next = async <Message>(): Promise<Message> => {
    while (messages.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return messages.shift() as Message
  }
  const { port } = await next<{ readonly port: number }>()
  const request = { flagKey: "switch", entityId: "user-1" }
  const turn = Effect.async<void>((resume) => {
    setImmediate(() => resume(Effect.void))
  })
  let size = 0

  const flipped = Effect.gen(function* () {
    const client = yield* FliptClient.FliptClient
    interface Seen {
      readonly enabled: boolean
      readonly at: number
    }
    const latest: { polled?: Seen; watched?: Seen } = {}
    const see = (which: "polled" | "watched", enabled: boolean): void => {
      if (latest[which]?.enabled !== enabled) latest[which] = { enabled, at: now() }
    }
    const watcher = yield* Effect.fork(
      Stream.runForEach(client.watchBoolean(request), (result) =>
        Effect.sync(() => see("watched", Either.getOrThrow(result).enabled))
      )
    )
    // until the stream is open
    yield* Effect.sleep("300 millis")
    const samples: Record<"polled" | "watched", Array<number>> = { polled: [], watched: [] }
    for (let flip = 0; flip < WARM_UP + FLIPS; flip++) {
      worker.postMessage("flip")
      const answer: { flip?: Flip } = {}
      const answered = yield* Effect.fork(
        Effect.map(
          Effect.promise(() => next<Flip>()),
          (flip) => {
            answer.flip = flip
          }
        )
      )
      const seen = () =>
        answer.flip !== undefined &&
        latest.polled?.enabled === answer.flip.enabled &&
        latest.watched?.enabled === answer.flip.enabled
      while (!seen()) {
        see("polled", (yield* client.evaluateBoolean(request)).enabled)
        yield* turn
      }
      yield* Fiber.join(answered)
      const told = answer.flip!
      if (told.streams !== 1) throw new Error(`expected one open stream, found ${told.streams}`)
      size = told.bytes
      if (flip >= WARM_UP) {
        samples.polled.push(latest.polled!.at - told.at)
        samples.watched.push(latest.watched!.at - told.at)
      }
      yield* Effect.sleep(PAUSE_MILLIS)
    }
    yield* Fiber.interrupt(watcher)
    return samples
  })

  const rows: Array<object> = []
  let kept = true
  for (const [name, engine] of [
    ["native", Engine.layerNative],
    ["portable", Engine.layerPortable]
  ] as const) {
    const fetcher = Fetcher.layerStreaming({ url: `http://127.0.0.1:${port}` }).pipe(
      Layer.provide([Tls.layerHttpClient, Auth.layerNone]),
      Layer.provide(Tls.layerSystem)
    )
    const client = FliptClient.layerWithoutDependencies().pipe(Layer.provide([fetcher, engine]))
    const outcome = await Effect.runPromise(Effect.either(Effect.provide(flipped, client)))
    if (Either.isLeft(outcome)) {
      console.log(`${name}: ${outcome.left.message}`)
      kept = false
      continue
    }
    for (const [watcher, values] of Object.entries(outcome.right)) {
      const sorted = values.sort((a, b) => a - b)
      const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
      kept &&= at(0.99) < MAX_P99_MILLIS
      rows.push({
        engine: name,
        "seen by": watcher === "polled" ? "evaluateBoolean" : "watchBoolean",
        "p50 ms": at(0.5).toFixed(1),
        "p99 ms": at(0.99).toFixed(1),
        "max ms": sorted.at(-1)!.toFixed(1)
      })
    }
  }
  worker.postMessage("close")
  console.log(
    `${FLAGS} flags, frames of ${(size / 1000).toFixed(0)} kB, ${FLIPS} changes, about one every ${PAUSE_MILLIS} ms`
  )
  console.table(rows)
  console.log(`${kept ? "kept" : "BROKEN"}: p99 below ${MAX_P99_MILLIS} ms`)
  process.exitCode = kept ? 0 : 1
}

if (parentPort === null) {
  await measure()
} else {
  serve(parentPort)
}
