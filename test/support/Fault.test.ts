import * as Http from "node:http"
import * as Net from "node:net"
import * as Zlib from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { ask, clientPath, error, parse, path } from "./ask.js"
import * as Fault from "./Fault.js"
import * as FliptServer from "./FliptServer.js"
import { awhile } from "./wait.js"

const document = { namespace: { key: "default" }, flags: [] }

describe("faults", () => {
  const acceptIdentity = { "accept-encoding": "identity" }
  const make = FliptServer.make({ documents: { default: document } })

  it.scopedLive("each affects one request, in order, and a constant one affects the rest", () =>
    Effect.gen(function* () {
      const server = yield* make
      const status = Effect.map(ask(server, path()), (outcome) => outcome.status)
      yield* server.fail(Fault.status(500), Fault.pass, Fault.status(503))
      expect(yield* Effect.all([status, status, status, status])).toEqual([500, 200, 503, 200])
      yield* server.failAlways(Fault.status(502))
      yield* server.fail(Fault.status(429))
      expect(yield* Effect.all([status, status, status])).toEqual([429, 502, 502])
      yield* server.failAlways(undefined)
      expect(yield* status).toBe(200)
      expect(yield* server.requests).toHaveLength(8)
    })
  )

  it.scopedLive("status: sends Flipt's error body or a custom one, with headers", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.fail(
        Fault.status(503),
        Fault.status(429, { headers: { "Retry-After": "3", "Set-Cookie": ["a=1", "b=2"] } }),
        Fault.status(502, { body: "<html>", headers: { "Content-Type": "text/html" } }),
        Fault.status(204)
      )
      expect(parse(yield* ask(server, path()))).toEqual(error(14, "Service Unavailable"))
      const limited = yield* ask(server, path())
      expect(limited.headers).toMatchObject({ "retry-after": "3", "set-cookie": ["a=1", "b=2"] })
      expect(parse(limited)).toEqual(error(8, "Too Many Requests"))
      const proxy = yield* ask(server, path())
      expect(proxy.headers["content-type"]).toBe("text/html")
      expect(proxy.body.toString()).toBe("<html>")
      expect(yield* ask(server, path())).toMatchObject({ status: 204, broken: undefined })
    })
  )

  it.scopedLive("delay: sends the normal response later", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.fail(Fault.delay(50))
      const before = performance.now()
      expect(parse(yield* ask(server, path()))).toMatchObject(document)
      // A timer may fire a millisecond early.
      expect(performance.now() - before).toBeGreaterThanOrEqual(49)
    })
  )

  it.scopedLive("hangBeforeHeaders: sends nothing, and keeps the connection", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.fail(Fault.hangBeforeHeaders)
      const fiber = yield* Effect.fork(ask(server, path()))
      yield* server.awaitRequests(1)
      yield* awhile
      expect(yield* Fiber.poll(fiber)).toMatchObject({ _tag: "None" })
      expect(yield* server.connections).toBe(1)
      yield* Fiber.interrupt(fiber)
      yield* server.awaitConnections(0)
    })
  )

  for (const framing of ["length", "chunked"] as const) {
    it.scopedLive(`hangInBody (${framing}): sends some bytes and never ends`, () =>
      Effect.gen(function* () {
        const server = yield* make
        yield* server.fail(Fault.hangInBody(5, { framing }))
        const received = yield* Queue.unbounded<Http.IncomingMessage | string>()
        const request = Http.get(`${server.url}${path()}`, { headers: acceptIdentity, agent: false }, (response) => {
          received.unsafeOffer(response)
          response.setEncoding("utf8").on("data", (chunk: string) => received.unsafeOffer(chunk))
          response.on("error", () => {}).on("close", () => received.unsafeOffer("end"))
        })
        const response = yield* Queue.take(received)
        expect(response).toHaveProperty("statusCode", 200)
        const { headers } = response as Http.IncomingMessage
        expect(headers["content-length"] !== undefined).toBe(framing === "length")
        expect(yield* Queue.take(received)).toBe('{"dig')
        yield* awhile
        expect(yield* Queue.size(received)).toBe(0)
        expect(yield* server.connections).toBe(1)
        request.destroy()
        yield* server.awaitConnections(0)
      })
    )

    it.scopedLive(`cutBody (${framing}): sends some bytes and then closes the connection, at any cut`, () =>
      Effect.gen(function* () {
        const server = yield* make
        const { headers, body } = yield* ask(server, path())
        for (const afterBytes of [0, 1, 7, body.byteLength, body.byteLength + 100]) {
          // Setting the document again resets its white space.
          yield* server.setDocument(document)
          yield* server.fail(Fault.cutBody(afterBytes, { framing }))
          const outcome = yield* ask(server, path(), { headers: { "if-none-match": headers.etag } })
          expect(outcome.status).toBe(200)
          expect(outcome.headers.etag).toBe(headers.etag)
          expect(outcome.broken).toBe("ECONNRESET")
          expect(outcome.body).toEqual(body.subarray(0, afterBytes))
        }
        yield* server.fail(Fault.cutBody(12, { framing }))
        const compressed = yield* ask(server, path(), { headers: { "accept-encoding": "gzip" } })
        expect(compressed).toMatchObject({ broken: "ECONNRESET", headers: { "content-encoding": "gzip" } })
        expect(compressed.body.byteLength).toBe(12)
      })
    )
  }

  it.scopedLive("garbage: sends a 200 with a new ETag", () =>
    Effect.gen(function* () {
      const server = yield* make
      const { etag } = (yield* ask(server, path())).headers
      yield* server.fail(Fault.garbage("{"), Fault.garbage(Uint8Array.of(0, 255)), Fault.garbage("", { etag: "e" }))
      const text = yield* ask(server, path())
      const binary = yield* ask(server, path())
      expect(text).toMatchObject({ status: 200, headers: { "content-type": "application/json" } })
      expect(text.body.toString()).toBe("{")
      expect([...binary.body]).toEqual([0, 255])
      expect(new Set([etag, text.headers.etag, binary.headers.etag]).size).toBe(3)
      expect((yield* ask(server, path())).headers.etag).toBe("e")
    })
  )

  it.scopedLive("reset: resets the connection without a response", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.fail(Fault.reset)
      const code = yield* Effect.async<string>((resume) => {
        const socket = Net.connect(server.port, "127.0.0.1")
        socket.on("error", (error: NodeJS.ErrnoException) => resume(Effect.succeed(String(error.code))))
        socket.on("end", () => resume(Effect.succeed("end")))
        socket.write(`GET ${path()} HTTP/1.1\r\nHost: x\r\n\r\n`)
      })
      expect(code).toBe("ECONNRESET")
    })
  )

  it.scopedLive("drip: sends the whole body slowly, until the client disconnects", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.fail(Fault.drip(20, 5), Fault.drip(1, 5))
      const before = performance.now()
      const outcome = yield* ask(server, path())
      expect(outcome.broken).toBeUndefined()
      expect(parse(outcome)).toMatchObject(document)
      const ticks = Math.ceil(outcome.body.byteLength / 20)
      expect(performance.now() - before).toBeGreaterThanOrEqual(ticks * 4)

      const fiber = yield* Effect.fork(ask(server, path()))
      yield* server.awaitRequests(2)
      yield* Fiber.interrupt(fiber)
      yield* server.awaitConnections(0)
    })
  )

  it.scopedLive("redirect", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.fail(Fault.redirect("/elsewhere"), Fault.redirect("http://example.test/", 308))
      expect(yield* ask(server, path())).toMatchObject({ status: 302, headers: { location: "/elsewhere" } })
      expect(yield* ask(server, path())).toMatchObject({ status: 308, headers: { location: "http://example.test/" } })
    })
  )

  it.scopedLive("notModified: sends an unrequested 304", () =>
    Effect.gen(function* () {
      const server = yield* make
      const { etag } = (yield* ask(server, path())).headers
      yield* server.fail(Fault.notModified(), Fault.notModified({ etag: "e" }), Fault.notModified())
      expect(yield* ask(server, path())).toMatchObject({ status: 304, headers: { etag } })
      expect(yield* ask(server, path())).toMatchObject({ status: 304, headers: { etag: "e" } })
      const unknown = yield* ask(server, path("x"))
      expect(unknown.status).toBe(304)
      expect(unknown.headers.etag).toBeUndefined()
    })
  )

  it.scopedLive("invalidGzip: sends a body that claims to be gzip", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.fail(Fault.invalidGzip, Fault.invalidGzip)
      const outcome = yield* ask(server, path())
      expect(outcome).toMatchObject({ status: 200, broken: undefined, headers: { "content-encoding": "gzip" } })
      expect(() => Zlib.gunzipSync(outcome.body)).toThrow()
      const viaFetch = yield* Effect.exit(
        Effect.tryPromise(() => fetch(`${server.url}${path()}`).then((r) => r.text()))
      )
      expect(Exit.isFailure(viaFetch)).toBe(true)
    })
  )

  it.scopedLive("gzipBomb: sends a small body that decodes to a large one", () =>
    Effect.gen(function* () {
      const server = yield* make
      const decodedBytes = 64 * 1024 * 1024 + 3
      yield* server.fail(Fault.gzipBomb(decodedBytes), Fault.gzipBomb(decodedBytes))
      const outcome = yield* ask(server, path())
      expect(outcome.body.byteLength).toBeLessThan(decodedBytes / 500)
      const decoded = yield* Effect.promise(() => fetch(`${server.url}${path()}`).then((r) => r.arrayBuffer()))
      expect(decoded.byteLength).toBe(decodedBytes)
    })
  )

  it.scopedLive("rawHeaders: sends exactly these headers, then the body, and closes the connection", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.fail(
        Fault.rawHeaders(["ETag: a", "etag: b", "X-Latin: \u00e9"]),
        Fault.rawHeaders(["Content-Length: 2"], { statusLine: "HTTP/1.1 299 Odd", body: "{}" }),
        Fault.rawHeaders(["bad header\u0000: x"])
      )
      const twice = yield* ask(server, path())
      expect(twice.rawHeaders).toEqual(["ETag", "a", "etag", "b", "X-Latin", "\u00e9"])
      expect(parse(twice)).toMatchObject(document)
      const odd = yield* ask(server, path())
      expect(odd.status).toBe(299)
      expect(odd.body.toString()).toBe("{}")
      expect(yield* Effect.flip(ask(server, path()))).toMatch(/^HPE_/)
    })
  )

  it.scopedLive("can affect only streams, or only other requests", () =>
    Effect.gen(function* () {
      const server = yield* make
      const statusOf = (target: string) => Effect.map(ask(server, target), (outcome) => outcome.status)
      const both = Effect.all([statusOf(path()), statusOf(clientPath("default", "default", "stream?digest=1"))])
      yield* server.failStreams(Fault.status(403))
      expect(yield* both).toEqual([200, 403])
      yield* server.failAlways(Fault.status(500))
      expect(yield* both).toEqual([500, 403])
      yield* server.failStreams(undefined)
      yield* server.failAlways(undefined)
      yield* server.failSnapshots(Fault.status(502))
      expect(yield* both).toEqual([502, 400])
    })
  )
})
