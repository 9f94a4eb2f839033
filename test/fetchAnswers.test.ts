/**
 * How a fetch handles an answer, and how long it waits for one.
 */
import * as Http from "node:http"
import { pipeline, Readable } from "node:stream"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Auth from "../src/Auth.js"
import * as Fetcher from "../src/Fetcher.js"
import { makeDocument } from "./support/documents.js"
import * as Fault from "./support/Fault.js"
import {
  begun,
  counting,
  endless,
  failureOf,
  fetchOf,
  http,
  large,
  makeFetcher,
  never,
  serve,
  small
} from "./support/fetching.js"
import { listen } from "./support/Listener.js"
import { contentOf, errorOf, textOf, versionOf } from "./support/updates.js"
import { awaitSleepOf } from "./support/wait.js"

describe("an answer", () => {
  for (const serverVersion of ["v1", "v2"] as const) {
    it.scopedLive(
      `of a ${serverVersion} server is the document with its ETag, and later that nothing has changed`,
      () =>
        Effect.gen(function* () {
          const server = yield* serve({ version: serverVersion })
          const fetcher = yield* makeFetcher({ url: server.url })
          const first = yield* fetcher.fetch(Option.none())
          expect(contentOf(first)).toMatchObject(small)
          expect(Option.getOrThrow(versionOf(first))).toMatch(/^[0-9a-f]{40}$/)
          expect(yield* fetcher.fetch(versionOf(first))).toEqual(Fetcher.NotModified())

          yield* server.setDocument(makeDocument([]))
          const next = yield* fetcher.fetch(versionOf(first))
          expect(contentOf(next)).toMatchObject({ flags: [] })
          expect(versionOf(next)).not.toEqual(versionOf(first))
        })
    )
  }

  it.scopedLive("has an ETag that is sent back byte for byte", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const fetcher = yield* makeFetcher({ url: server.url })
      const tags = ["0a1B", '"quoted"', 'W/"weak"', "two  blanks, a comma", "a/b+c==", "%22", "caf\u00e9\u00ff", "null"]
      for (const etag of tags) {
        const content = JSON.stringify(small)
        const length = `Content-Length: ${Buffer.byteLength(content)}`
        yield* server.fail(Fault.rawHeaders([`Etag: ${etag}`, length], { body: content }))
        const update = yield* fetcher.fetch(Option.none())
        expect(versionOf(update)).toEqual(Option.some(etag))
        yield* fetcher.fetch(versionOf(update))
        expect((yield* server.requests).at(-1)?.headers["if-none-match"]).toBe(etag)
      }
    })
  )

  it.scopedLive("without an ETag, or with an empty one, has no version", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      for (const lines of [[], ["Etag:"], ["Etag:  "]]) {
        yield* server.fail(Fault.rawHeaders(lines))
        expect(versionOf(yield* fetchOf({ url: server.url }))).toEqual(Option.none())
      }
    })
  )

  it.scopedLive("is the same whether compressed or not", () =>
    Effect.gen(function* () {
      const server = yield* serve({ documents: { default: large } })
      const compressed = yield* fetchOf({ url: server.url })
      const plain = yield* fetchOf({ url: server.url, headers: { "Accept-Encoding": "identity" } })
      expect((yield* server.requests).map((request) => request.headers["accept-encoding"])).toEqual([
        expect.stringContaining("gzip"),
        "identity"
      ])
      expect(contentOf(compressed)).toMatchObject(large)
      expect(contentOf(plain)).toEqual(contentOf(compressed))
    })
  )

  it.scopedLive("may have up to maxBodySize bytes, uncompressed", () =>
    Effect.gen(function* () {
      const body = JSON.stringify(large)
      const server = yield* serve()
      yield* server.failAlways(Fault.garbage(body))
      expect(textOf(yield* fetchOf({ url: server.url, maxBodySize: body.length }))).toBe(body)
      expect(textOf(yield* fetchOf({ url: server.url, maxBodySize: Number.POSITIVE_INFINITY }))).toBe(body)

      const before = (yield* server.requests).length
      const error = yield* failureOf({ url: server.url, maxBodySize: body.length - 1 })
      expect(error).toMatchObject({ reason: "TooLarge", retryable: false })
      expect(error.message).toContain(`${body.length - 1} bytes`)
      expect((yield* server.requests).length - before).toBe(1)
    })
  )

  it.scopedLive("that decodes to more than maxBodySize is abandoned immediately, and is not kept in memory", () =>
    Effect.gen(function* () {
      const decoded = 512 * 1024 * 1024
      const server = yield* serve()
      yield* server.failAlways(Fault.gzipBomb(decoded))
      const fetcher = yield* makeFetcher({ url: server.url, maxBodySize: 1024 * 1024 })
      const before = process.memoryUsage().arrayBuffers
      let peak = before
      yield* Effect.acquireRelease(
        Effect.sync(() =>
          setInterval(() => {
            peak = Math.max(peak, process.memoryUsage().arrayBuffers)
          }, 1)
        ),
        (timer) => Effect.sync(() => clearInterval(timer))
      )
      const error = yield* errorOf(fetcher.fetch(Option.none()))
      expect(error).toMatchObject({ reason: "TooLarge", retryable: false })
      expect(yield* server.requests).toHaveLength(1)
      yield* server.awaitConnections(0)
      expect(peak - before).toBeLessThan(decoded / 4)
    })
  )

  it.scopedLive("leaves its connection open for the next request, and the end of the scope closes it", () =>
    Effect.gen(function* () {
      const server = yield* serve({ documents: { default: large } })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const fetcher = yield* makeFetcher({ url: server.url }, never)
          const first = yield* fetcher.fetch(Option.none())
          yield* fetcher.fetch(versionOf(first))
          yield* server.fail(Fault.status(500))
          yield* errorOf(fetcher.fetch(Option.none()))
          yield* fetcher.fetch(Option.none())
          expect(yield* server.requests).toHaveLength(4)
          // the connection becomes free a moment after the client has handled a 304
          expect(yield* server.connections).toBeLessThanOrEqual(2)
        })
      )
      yield* server.awaitConnections(0)
    })
  )

  it.scopedLive("has its connection closed when its fiber is interrupted", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const fetcher = yield* makeFetcher({ url: server.url })
      for (const fault of [Fault.hangBeforeHeaders, Fault.hangInBody(5)]) {
        yield* server.fail(fault)
        const waiting = yield* Effect.fork(fetcher.fetch(Option.none()))
        yield* server.awaitConnections(1)
        yield* Fiber.interrupt(waiting)
        yield* server.awaitConnections(0)
      }
    })
  )
})

describe("a status", () => {
  for (const status of [408, 429, 500, 502, 503, 504]) {
    it.scopedLive(`${status} is retried`, () =>
      Effect.gen(function* () {
        const server = yield* serve()
        yield* server.failAlways(Fault.status(status))
        const error = yield* failureOf({ url: server.url })
        expect(error).toMatchObject({ _tag: "FetchError", reason: "Status", status, retryable: true })
        expect(error.message).toContain(`status ${status}`)
        expect(yield* server.requests).toHaveLength(4)
      })
    )
  }

  const final = [
    [400, "Status"],
    [401, "Unauthorized"],
    [403, "Forbidden"],
    [404, "NotFound"],
    [405, "Status"],
    [410, "Status"],
    [418, "Status"],
    [501, "Status"],
    [204, "Status"],
    [206, "Status"],
    [300, "Status"]
  ] as const

  for (const [status, reason] of final) {
    it.scopedLive(`${status} is final`, () =>
      Effect.gen(function* () {
        const server = yield* serve()
        yield* server.failAlways(Fault.status(status))
        const error = yield* failureOf({ url: server.url })
        expect(error).toMatchObject({ _tag: "FetchError", reason, status, retryable: false })
        expect(error.message).toContain(`status ${status}`)
        expect(yield* server.requests).toHaveLength(1)
      })
    )
  }

  it.scopedLive("that is temporary is followed by the document, and every attempt is authorized again", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const { counts, layer } = counting()
      yield* server.fail(Fault.status(503), Fault.status(429))
      const update = yield* fetchOf({ url: server.url }, { auth: layer })
      expect(contentOf(update)).toMatchObject(small)
      expect((yield* server.requests).map((request) => request.headers.authorization)).toEqual([
        "Bearer token-1",
        "Bearer token-2",
        "Bearer token-3"
      ])
      expect(counts.rejected).toEqual([])
    })
  )

  it.scopedLive("304 to a request without If-None-Match is an error", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.notModified())
      const error = yield* failureOf({ url: server.url })
      expect(error).toMatchObject({ reason: "Status", status: 304, retryable: false })
      expect(error.message).toContain("the request was not conditional")
      expect(yield* server.requests).toHaveLength(1)
    })
  )

  it.scopedLive("304 to a request whose version could not be sent is also an error", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.notModified())
      const fetcher = yield* makeFetcher({ url: server.url })
      expect(yield* errorOf(fetcher.fetch(Option.some("v\u20ac1")))).toMatchObject({ reason: "Status", status: 304 })
      expect((yield* server.requests)[0]?.headers).not.toHaveProperty("if-none-match")
    })
  )

  it.scopedLive("401 and 403 say whether a credential was sent", () =>
    Effect.gen(function* () {
      const server = yield* serve({ token: { kind: "client", value: "right" } })
      const auth = Auth.layerClientToken(Redacted.make("wrong"))
      expect((yield* failureOf({ url: server.url })).message).toContain("no credential was sent")
      const refused = yield* failureOf({ url: server.url }, { auth })
      expect(refused.message).toContain("the credential was refused")
      expect(refused.message).toContain("request was not authenticated")

      yield* server.failAlways(Fault.status(403))
      expect((yield* failureOf({ url: server.url })).message).toContain("no credential was sent")
      expect((yield* failureOf({ url: server.url }, { auth })).message).toContain("may not read this namespace")
      const own = { headers: { Authorization: Redacted.make("Basic abc") } }
      expect((yield* failureOf({ url: server.url, ...own })).message).toContain("may not read this namespace")
    })
  )

  it.scopedLive("401 is the only one reported to Auth, with the refused headers", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const { counts, layer } = counting()
      const fetcher = yield* makeFetcher({ url: server.url, headers: { "X-Tenant": "blue" } }, { auth: layer })
      for (const status of [403, 404, 500, 401]) {
        yield* server.failAlways(Fault.status(status))
        yield* errorOf(fetcher.fetch(Option.none()))
      }
      // after the refusal, Auth is called again in case it has another credential
      expect(counts.authorized).toBe(8)
      expect(counts.rejected.map((headers) => ({ ...headers }))).toEqual([{ authorization: "Bearer token-7" }])
    })
  )

  it.scoped("is never reached if Auth does not answer in time, and the error has the reason Auth", () =>
    Effect.gen(function* () {
      const auth = Layer.succeed(Auth.Auth, { authorize: Effect.never, invalidate: () => Effect.void })
      const fetcher = yield* makeFetcher({ url: "http://127.0.0.1:1" }, { auth })
      const fetching = yield* Effect.fork(errorOf(fetcher.fetch(Option.none())))
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(fetching)
      expect(error).toMatchObject({ reason: "Auth", retryable: false })
      expect(error.message).toContain("within 30s")
    })
  )

  it.scopedLive("401 is followed by one more attempt, not counted as a retry, if Auth has another credential", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const { layer } = counting()
      const fetcher = yield* makeFetcher({ url: server.url }, { auth: layer, policy: Schedule.stop })
      yield* server.setToken({ kind: "client", value: "token-2" })
      expect(yield* fetcher.fetch(Option.none())).toMatchObject({ _tag: "Document" })
      const refused = yield* errorOf(fetcher.fetch(Option.none()))
      expect(refused).toMatchObject({ reason: "Unauthorized", status: 401 })
      const authorizations = (yield* server.requests).map(({ headers }) => headers.authorization)
      expect(authorizations).toEqual([1, 2, 3, 4].map((count) => `Bearer token-${count}`))
    })
  )

  it.scopedLive("401 is final if Auth has no other credential", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.setToken({ kind: "client", value: "right" })
      const auth = Auth.layerClientToken(Redacted.make("wrong"))
      yield* errorOf((yield* makeFetcher({ url: server.url }, { auth })).fetch(Option.none()))
      expect((yield* server.requests).length).toBe(1)
    })
  )

  it.scopedLive("has Flipt's message in its message", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const unknown = yield* failureOf({ url: server.url, namespace: "nope" })
      expect(unknown.message).toContain('evaluation snapshot for namespace "nope" not found')
      expect(unknown.message).toContain("check url, environment and namespace")
      expect(unknown.message).toContain(`${server.url}/internal/v1/evaluation/snapshot/namespace/nope`)
      const environment = yield* failureOf({ url: server.url, environment: "moon" })
      expect(environment.message).toContain('environment: "moon" not found')
    })
  )

  it.scopedLive("has one bounded line of any other body in its message", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const bodies = [
        `<html>\r\n\t<body>\u0007 Bad   Gateway \u001b[31m${" lorem ipsum".repeat(1000)}</body></html>`,
        JSON.stringify({ message: "x".repeat(10_000) }),
        JSON.stringify({ message: { not: "text" } }),
        "x".repeat(4 * 1024 * 1024),
        Buffer.from([0xff, 0xfe, 0x00, 0xc3]),
        ""
      ]
      for (const body of bodies) {
        yield* server.fail(Fault.status(418, { body, headers: { "Content-Type": "text/html" } }))
        const { message } = yield* failureOf({ url: server.url })
        expect(message).toContain("status 418")
        expect(message.length).toBeLessThan(500)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: tests that there are none
        expect(message).not.toMatch(/[\x00-\x1f\x7f]/)
      }
      yield* server.fail(Fault.status(418, { body: bodies[0]! }))
      expect((yield* failureOf({ url: server.url })).message).toContain("<html> <body> Bad Gateway")
    })
  )

  it.scoped("whose body never arrives is still reported", () =>
    Effect.gen(function* () {
      const { fetching, response } = yield* begun({ requestTimeout: 10_000 })
      yield* TestClock.adjust(1000)
      response.writeHead(500).write("half of")
      yield* awaitSleepOf(10_000)
      yield* TestClock.adjust("1 minute")
      const error = yield* errorOf(Effect.flatten(Fiber.join(fetching)))
      expect(error).toMatchObject({ reason: "Status", status: 500, retryable: true })
    })
  )

  it.scopedLive("whose body is endless is reported without reading all of it", () =>
    Effect.gen(function* () {
      const server = Http.createServer((_, response) => {
        const body = Readable.from(endless("lorem ipsum ".repeat(1000)))
        pipeline(body, response.writeHead(500), () => {})
      })
      const url = http(yield* listen(server))
      const error = yield* failureOf({ url, requestTimeout: "10 seconds" }, never)
      expect(error).toMatchObject({ reason: "Status", status: 500 })
      // the message of a body that was still read at the timeout is lost
      expect(/\((lorem ipsum .*)…\)/.exec(error.message)?.[1]).toHaveLength(300)
    })
  )
})

describe("requestTimeout", () => {
  it.scoped("ends the wait for the head of an answer", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.hangBeforeHeaders)
      const failing = yield* Effect.fork(failureOf({ url: server.url }, never))
      yield* server.awaitRequests(1)
      yield* TestClock.adjust(29_999)
      expect(failing.unsafePoll()).toBeNull()
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(failing)
      expect(error).toMatchObject({ reason: "Timeout", retryable: true })
      expect(error.message).toContain("no response within 30s")
      yield* server.awaitConnections(0)
    })
  )

  it.scoped("is retried", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.hangBeforeHeaders)
      const failing = yield* Effect.fork(failureOf({ url: server.url, requestTimeout: "2 seconds" }))
      for (const count of [1, 2, 3, 4]) {
        yield* server.awaitRequests(count)
        yield* TestClock.adjust("2 seconds")
      }
      expect(yield* Fiber.join(failing)).toMatchObject({ reason: "Timeout" })
      expect(yield* server.requests).toHaveLength(4)
    })
  )

  it.scoped("ends the wait for each piece of the body", () =>
    Effect.gen(function* () {
      const { fetching, response } = yield* begun({ requestTimeout: 10_000 })
      yield* TestClock.adjust(9000)
      response.writeHead(200).flushHeaders()
      yield* awaitSleepOf(10_000)
      yield* TestClock.adjust(9000)
      response.write("{")
      yield* awaitSleepOf(10_000)
      yield* TestClock.adjust(9999)
      expect(fetching.unsafePoll()).toBeNull()
      yield* TestClock.adjust(1)
      const error = yield* errorOf(Effect.flatten(Fiber.join(fetching)))
      expect(error).toMatchObject({ reason: "Timeout", retryable: true })
      expect(error.message).toContain("no more data of the body arrived within 10s")
    })
  )

  /** Repeatedly writes a piece of the body just in time. */
  const drip = (response: Http.ServerResponse, pieces: number) =>
    Effect.gen(function* () {
      response.writeHead(200).flushHeaders()
      yield* awaitSleepOf(10_000)
      for (let piece = 0; piece < pieces; piece++) {
        yield* TestClock.adjust(9500)
        response.write(" ")
        yield* awaitSleepOf(10_000)
      }
    })

  it.scoped("allows a slow body ten times as long", () =>
    Effect.gen(function* () {
      const { fetching, response } = yield* begun({ requestTimeout: 10_000 })
      yield* TestClock.adjust(1000)
      yield* drip(response, 10)
      response.end("{}")
      expect(textOf(yield* Effect.flatten(Fiber.join(fetching)))).toBe(`${" ".repeat(10)}{}`)
    })
  )

  it.scoped("ends a body that takes longer than that, even if it keeps arriving", () =>
    Effect.gen(function* () {
      const { fetching, response } = yield* begun({ requestTimeout: 10_000 })
      yield* TestClock.adjust(1000)
      yield* drip(response, 10)
      yield* TestClock.adjust(4999)
      expect(fetching.unsafePoll()).toBeNull()
      yield* TestClock.adjust(1)
      const error = yield* errorOf(Effect.flatten(Fiber.join(fetching)))
      expect(error).toMatchObject({ reason: "Timeout", retryable: true })
      expect(error.message).toContain("the body did not end within 1m 40s")
    })
  )

  it.scoped("can be infinite", () =>
    Effect.gen(function* () {
      const { fetching, response } = yield* begun({ requestTimeout: Number.POSITIVE_INFINITY })
      yield* TestClock.adjust("3650 days")
      response.writeHead(200).write("{")
      yield* TestClock.adjust("3650 days")
      expect(fetching.unsafePoll()).toBeNull()
      response.end("}")
      expect(textOf(yield* Effect.flatten(Fiber.join(fetching)))).toBe("{}")
    })
  )

  it.scopedLive("also works on the real clock", () =>
    Effect.gen(function* () {
      const server = yield* serve({ documents: { default: large } })
      yield* server.fail(Fault.hangBeforeHeaders, Fault.hangInBody(50), Fault.drip(100, 10))
      const fetcher = yield* makeFetcher({ url: server.url, requestTimeout: "50 millis" }, never)
      for (let n = 0; n < 3; n++) {
        expect(yield* errorOf(fetcher.fetch(Option.none()))).toMatchObject({ reason: "Timeout" })
      }
    })
  )

  it.scopedLive("accepts a slow body that keeps arriving in time", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.fail(Fault.drip(20, 10))
      expect(contentOf(yield* fetchOf({ url: server.url, requestTimeout: "10 seconds" }))).toMatchObject(small)
    })
  )
})
