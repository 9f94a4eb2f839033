/**
 * How long it takes from the frame that a server writes to the evaluation that sees it: a namespace of 1,000 flags, of
 * which one is switched to and fro, over a real socket. The server has a thread of its own. Exit code 1 when the 99th
 * percentile is not below 50 ms. Needs the build: `npm run bench:propagation`.
 */
import * as Http from "node:http"
import { isMainThread, parentPort, Worker } from "node:worker_threads"

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

const bodyOf = (enabled, digest) =>
  JSON.stringify({
    digest,
    namespace: { key: "default" },
    flags: [...flags, { key: "switch", name: "", enabled, type: "BOOLEAN_FLAG_TYPE", rollouts: [] }]
  })

const serve = () => {
  let enabled = true
  let flips = 0
  const digest = () => String(flips).padStart(40, "0")
  const streams = new Set()
  const server = Http.createServer((request, response) => {
    if (request.url.includes("/stream")) {
      response.writeHead(200, { "content-type": "application/json" }).flushHeaders()
      streams.add(response)
      response.once("close", () => streams.delete(response))
    } else if (request.headers["if-none-match"] === digest()) {
      response.writeHead(304).end()
    } else {
      response.writeHead(200, { "content-type": "application/json", etag: digest() }).end(bodyOf(enabled, digest()))
    }
  })
  parentPort.on("message", (message) => {
    if (message === "close") {
      server.close()
      server.closeAllConnections()
      parentPort.close()
      return
    }
    enabled = !enabled
    flips++
    const frame = `{"result":${bodyOf(enabled, digest())}}\n`
    const at = now()
    for (const stream of streams) stream.write(frame)
    parentPort.postMessage({ at, enabled, streams: streams.size, bytes: frame.length })
  })
  server.listen(0, "127.0.0.1", () => parentPort.postMessage({ port: server.address().port }))
}

const measure = async () => {
  const [Effect, Either, Fiber, Layer, Stream, Auth, Engine, Fetcher, FliptClient, Tls] = await Promise.all(
    [
      "effect/Effect",
      "effect/Either",
      "effect/Fiber",
      "effect/Layer",
      "effect/Stream",
      "../dist/Auth.js",
      "../dist/Engine.js",
      "../dist/Fetcher.js",
      "../dist/FliptClient.js",
      "../dist/Tls.js"
    ].map((name) => import(name))
  )
  const worker = new Worker(new URL(import.meta.url))
  const messages = []
  let wake = () => {}
  worker.on("message", (message) => {
    messages.push(message)
    wake()
  })
  const next = async () => {
    while (messages.length === 0) await new Promise((resolve) => (wake = resolve))
    return messages.shift()
  }
  const { port } = await next()
  const request = { flagKey: "switch", entityId: "user-1" }
  const turn = Effect.async((resume) => {
    setImmediate(() => resume(Effect.void))
  })
  let size = 0

  const flipped = Effect.gen(function* () {
    const client = yield* FliptClient.FliptClient
    const latest = { polled: undefined, watched: undefined }
    const see = (which, enabled) => {
      if (latest[which]?.enabled !== enabled) latest[which] = { enabled, at: now() }
    }
    const watcher = yield* Effect.fork(
      Stream.runForEach(client.watchBoolean(request), (result) =>
        Effect.sync(() => see("watched", Either.getOrThrow(result).enabled))
      )
    )
    // from a request to an open stream
    yield* Effect.sleep("300 millis")
    const samples = { polled: [], watched: [] }
    for (let flip = 0; flip < WARM_UP + FLIPS; flip++) {
      worker.postMessage("flip")
      let told
      let isTold = false
      yield* Effect.sync(() => {
        next().then((message) => {
          told = message
          isTold = true
        })
      })
      const seen = () => isTold && latest.polled?.enabled === told.enabled && latest.watched?.enabled === told.enabled
      while (!seen()) {
        see("polled", (yield* client.evaluateBoolean(request)).enabled)
        yield* turn
      }
      if (told.streams !== 1) throw new Error(`${told.streams} streams are open, and not one`)
      size = told.bytes
      if (flip >= WARM_UP) {
        samples.polled.push(latest.polled.at - told.at)
        samples.watched.push(latest.watched.at - told.at)
      }
      yield* Effect.sleep(PAUSE_MILLIS)
    }
    yield* Fiber.interrupt(watcher)
    return samples
  })

  const rows = []
  let kept = true
  for (const [name, engine] of [
    ["native", Engine.layerNative],
    ["portable", Engine.layerPortable]
  ]) {
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
      const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
      kept &&= at(0.99) < MAX_P99_MILLIS
      rows.push({
        engine: name,
        "seen by": watcher === "polled" ? "evaluateBoolean" : "watchBoolean",
        "p50 ms": at(0.5).toFixed(1),
        "p99 ms": at(0.99).toFixed(1),
        "max ms": sorted.at(-1).toFixed(1)
      })
    }
  }
  worker.postMessage("close")
  console.log(
    `${FLAGS} flags, frames of ${(size / 1000).toFixed(0)} kB, ${FLIPS} flips, one every ${PAUSE_MILLIS} ms or so`
  )
  console.table(rows)
  console.log(`${kept ? "kept" : "BROKEN"}: p99 below ${MAX_P99_MILLIS} ms`)
  process.exitCode = kept ? 0 : 1
}

await (isMainThread ? measure() : serve())
