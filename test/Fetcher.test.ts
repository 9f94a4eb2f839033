import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import { pipeline, Readable } from "node:stream"
import * as Zlib from "node:zlib"
import * as Headers from "@effect/platform/Headers"
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Auth from "../src/Auth.js"
import * as Fetcher from "../src/Fetcher.js"
import { AuthError, FetchError, ValidationError } from "../src/FliptError.js"
import { pollSchedule, retryPolicy, withRetryAfter } from "../src/internal/fetch/schedules.js"
import { version } from "../src/internal/util/version.js"
import * as Tls from "../src/Tls.js"
import { selfSigned } from "./support/certificates.js"
import { booleanFlag, makeDocument } from "./support/documents.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { listen } from "./support/Listener.js"
import { idle } from "./support/listeners.js"
import { awaitSleep, awaitSleepOf, wakeUps } from "./support/sleepers.js"
import { contentOf, errorOf, textOf, versionOf } from "./support/updates.js"

type Policy = Schedule.Schedule<unknown, FetchError>

interface Parts {
  readonly auth?: Layer.Layer<Auth.Auth, ValidationError>
  readonly policy?: Policy
  readonly tls?: Layer.Layer<Tls.Tls>
}

/** Four requests in all, and no time between them. */
const atOnce: Policy = Schedule.recurs(3)

const makeFetcher = (
  options?: Fetcher.Options,
  { auth = Auth.layerNone, policy = atOnce, tls = Tls.layerSystem }: Parts = {}
): Effect.Effect<Fetcher.Service, ValidationError, Scope.Scope> =>
  Layer.build(Fetcher.layerPolling(options).pipe(Layer.provide([Layer.provide(Tls.layerHttpClient, tls), auth]))).pipe(
    Effect.map(Context.get(Fetcher.Fetcher)),
    Effect.provideService(Fetcher.RetryPolicy, policy)
  )

/** One fetch of a client that has loaded nothing. */
const fetchOf = (options?: Fetcher.Options, parts?: Parts) =>
  Effect.flatMap(makeFetcher(options, parts), (fetcher) => fetcher.fetch(Option.none()))

const failureOf = (options?: Fetcher.Options, parts?: Parts) =>
  Effect.flatMap(makeFetcher(options, parts), (fetcher) => errorOf(fetcher.fetch(Option.none())))

/** The same with the delays of the policy that is there by default. */
const defaultPolicy: Parts = { policy: retryPolicy }
const never: Parts = { policy: Schedule.stop }

const small = makeDocument([booleanFlag("on", true)])

/** Too large for one packet or one chunk of a decoder, and not easy to compress. */
const large = makeDocument(
  Array.from({ length: 5000 }, (_, n) => booleanFlag(`flag-${n}-${(n * 2654435761).toString(36)}`, n % 3 === 0))
)

const serve = (options: FliptServer.Options = {}) => FliptServer.make({ documents: { default: small }, ...options })

function* endless(text: string) {
  while (true) {
    yield text
  }
}

/** An Auth that keeps count. */
const counting = () => {
  const counts = { authorized: 0, rejected: [] as Array<Headers.Headers> }
  const layer = Layer.succeed(Auth.Auth, {
    authorize: Effect.sync(() => Headers.fromInput({ authorization: `Bearer token-${++counts.authorized}` })),
    invalidate: (rejected) => Effect.sync(() => void counts.rejected.push(rejected))
  })
  return { counts, layer }
}

/** A fetch without retries that has reached a server, and the answer, which is the test's to write. */
const begun = (options: Fetcher.Options) =>
  Effect.gen(function* () {
    const answer = yield* Deferred.make<Http.ServerResponse>()
    const server = Http.createServer((_, response) => Deferred.unsafeDone(answer, Effect.succeed(response)))
    const url = http(yield* listen(server))
    const fetching = yield* Effect.fork(Effect.either(fetchOf({ ...options, url }, never)))
    return { fetching, response: yield* Deferred.await(answer) }
  })

const http = (port: number) => `http://127.0.0.1:${port}`

describe("a request", () => {
  it.scopedLive("has every header of the protocol", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.setDocument(small, { environment: "staging", namespace: "shop" })
      yield* fetchOf({ url: server.url, environment: "staging", namespace: "shop" })
      const [request] = yield* server.requests
      expect(request?.method).toBe("GET")
      expect(request?.target).toBe("/internal/v1/evaluation/snapshot/namespace/shop")
      expect(request?.headers).toMatchObject({
        accept: "application/json",
        "user-agent": `flipt-client-effect/${version}`,
        "x-flipt-accept-server-version": "1.47.0",
        "x-flipt-environment": "staging"
      })
      expect(request?.headers["accept-encoding"]).toMatch(/\bgzip\b/)
      expect(request?.headers).not.toHaveProperty("authorization")
      expect(request?.headers).not.toHaveProperty("if-none-match")
    })
  )

  it.scopedLive("asks for the environment and the namespace default, where nothing is said", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const fetcher = yield* makeFetcher({ url: server.url, environment: undefined, namespace: undefined })
      expect(contentOf(yield* fetcher.fetch(Option.none()))).toMatchObject(small)
      expect((yield* server.requests)[0]?.headers["x-flipt-environment"]).toBe("default")
      expect(fetcher.source).toEqual({
        kind: "polling",
        environment: "default",
        namespace: "default",
        url: server.url
      })
    })
  )

  it.scopedLive("has the headers that were asked for, Redacted ones unwrapped", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* fetchOf({
        url: server.url,
        headers: {
          "X-Tenant": "blue, green",
          "X-Gateway-Key": Redacted.make("open sesame"),
          "x-latin": "caf\u00e9",
          "User-Agent": "shop/3"
        }
      })
      expect((yield* server.requests)[0]?.headers).toMatchObject({
        "x-tenant": "blue, green",
        "x-gateway-key": "open sesame",
        "x-latin": "caf\u00e9",
        "user-agent": "shop/3",
        accept: "application/json"
      })
    })
  )

  it.scopedLive("belongs to nobody's trace", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* fetchOf({ url: server.url }).pipe(Effect.withSpan("checkout"))
      const names = Object.keys((yield* server.requests)[0]?.headers ?? {})
      expect(names.filter((name) => name === "traceparent" || name === "b3")).toEqual([])
    })
  )

  const keys = [
    "a/b",
    "a b",
    "m\u00fcnchen",
    "\u65e5\u672c\ud83c\uddef",
    "100%",
    "%2F",
    "a?b#c&d=e",
    "a+b",
    "..a",
    "it's"
  ]

  for (const serverVersion of ["v1", "v2"] as const) {
    it.scopedLive(`percent-encodes the namespace for a ${serverVersion} server`, () =>
      Effect.gen(function* () {
        const documents = Object.fromEntries(keys.map((key) => [key, makeDocument([booleanFlag("on", true)], key)]))
        const server = yield* serve({ version: serverVersion, documents })
        for (const key of keys) {
          const update = yield* fetchOf({ url: server.url, namespace: key })
          expect(contentOf(update)).toMatchObject({ namespace: { key }, flags: [{ key: "on" }] })
          expect((yield* server.requests).at(-1)?.target).toBe(
            `/internal/v1/evaluation/snapshot/namespace/${encodeURIComponent(key)}`
          )
        }
      })
    )
  }

  it.scopedLive("names the reference, percent-encoded, only when there is one", () =>
    Effect.gen(function* () {
      const server = yield* serve({ version: "v1" })
      for (const reference of keys) {
        yield* server.setDocument(makeDocument([booleanFlag(reference, true)]), { reference })
        expect(contentOf(yield* fetchOf({ url: server.url, reference }))).toMatchObject({ flags: [{ key: reference }] })
        expect((yield* server.requests).at(-1)?.query).toEqual({ reference })
      }
      expect(contentOf(yield* fetchOf({ url: server.url }))).toMatchObject(small)
      expect((yield* server.requests).at(-1)?.target).not.toContain("?")
    })
  )

  it.scopedLive("goes below the path of the url, which may end in slashes", () =>
    Effect.gen(function* () {
      const plain = yield* serve()
      const proxied = yield* serve({ prefix: "/flipt/eu%20west" })
      for (const url of [plain.url, proxied.url]) {
        for (const slashes of ["", "/", "///"]) {
          expect(contentOf(yield* fetchOf({ url: url + slashes }))).toMatchObject(small)
        }
      }
    })
  )

  it.scopedLive("goes to a url with blanks around it, or the blanks are an error of the option", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const outcome = yield* Effect.either(fetchOf({ url: ` ${server.url} ` }))
      expect(outcome._tag === "Right" ? "Document" : outcome.left._tag).toMatch(/^(Document|ValidationError)$/)
    })
  )
})

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

  it.scopedLive("has its ETag sent back byte for byte", () =>
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

  it.scopedLive("comes compressed or not, and is the same", () =>
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

  it.scopedLive("may have as many bytes as maxBodySize says, uncompressed, and no more", () =>
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

  it.scopedLive("that decodes to more than maxBodySize is given up at once, and not held in memory", () =>
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

  it.scopedLive("leaves its connection open for the next one, and the scope's end closes it", () =>
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
          // a 304 is over for the client a moment before its connection is free
          expect(yield* server.connections).toBeLessThanOrEqual(2)
        })
      )
      yield* server.awaitConnections(0)
    })
  )

  it.scopedLive("that nobody waits for any longer has its connection closed", () =>
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

  it.scopedLive("that goes away gives way to the document, and every attempt is authorized anew", () =>
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

  it.scopedLive("304 to a request that had no If-None-Match is an error", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.notModified())
      const error = yield* failureOf({ url: server.url })
      expect(error).toMatchObject({ reason: "Status", status: 304, retryable: false })
      expect(error.message).toContain("nothing was loaded yet")
      expect(yield* server.requests).toHaveLength(1)
    })
  )

  it.scopedLive("304 to a request that had none, since the version cannot be sent, is an error too", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.notModified())
      const fetcher = yield* makeFetcher({ url: server.url })
      expect(yield* errorOf(fetcher.fetch(Option.some("v\u20ac1")))).toMatchObject({ reason: "Status", status: 304 })
      expect((yield* server.requests)[0]?.headers).not.toHaveProperty("if-none-match")
    })
  )

  it.scopedLive("401 and 403 tell whether a credential was sent", () =>
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

  it.scopedLive("401, and no other, is told to Auth, with the headers that were refused", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const { counts, layer } = counting()
      const fetcher = yield* makeFetcher({ url: server.url, headers: { "X-Tenant": "blue" } }, { auth: layer })
      for (const status of [403, 404, 500, 401]) {
        yield* server.failAlways(Fault.status(status))
        yield* errorOf(fetcher.fetch(Option.none()))
      }
      // the one after the refusal is for another try, should there be another credential then
      expect(counts.authorized).toBe(8)
      expect(counts.rejected.map((headers) => ({ ...headers }))).toEqual([{ authorization: "Bearer token-7" }])
    })
  )

  it.scoped("of an Auth that gives nothing in time is an error of its own", () =>
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

  it.scopedLive(
    "401 is followed by one more try, outside the count of retries, where Auth has another credential",
    () =>
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

  it.scopedLive("401 is final where Auth has no other credential", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.setToken({ kind: "client", value: "right" })
      const auth = Auth.layerClientToken(Redacted.make("wrong"))
      yield* errorOf((yield* makeFetcher({ url: server.url }, { auth })).fetch(Option.none()))
      expect((yield* server.requests).length).toBe(1)
    })
  )

  it.scopedLive("has Flipt's own words in its message", () =>
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

  it.scopedLive("has a bounded line of any other body in its message", () =>
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
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect(message).not.toMatch(/[\x00-\x1f\x7f]/)
      }
      yield* server.fail(Fault.status(418, { body: bodies[0]! }))
      expect((yield* failureOf({ url: server.url })).message).toContain("<html> <body> Bad Gateway")
    })
  )

  it.scoped("whose body never ends is told all the same", () =>
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

  it.scopedLive("whose body is endless is told without reading on", () =>
    Effect.gen(function* () {
      const server = Http.createServer((_, response) => {
        const body = Readable.from(endless("lorem ipsum ".repeat(1000)))
        pipeline(body, response.writeHead(500), () => {})
      })
      const error = yield* failureOf({ url: http(yield* listen(server)) }, never)
      expect(error).toMatchObject({ reason: "Status", status: 500 })
    })
  )
})

describe("a server that repeats what it was sent", () => {
  const token = "flipt_0123456789+/="
  const auth = Auth.layerClientToken(Redacted.make(token))

  /** Answers with a status and a text that is made of the request's headers. */
  const echo = (text: (headers: Http.IncomingHttpHeaders) => string) =>
    Effect.map(
      listen(Http.createServer(({ headers }, response) => void response.writeHead(418).end(text(headers)))),
      http
    )

  const forms: Readonly<Record<string, (headers: Http.IncomingHttpHeaders) => string>> = {
    "in plain text": (headers) => Object.values(headers).join(" "),
    "in Flipt's form of an error": (headers) => JSON.stringify({ message: Object.values(headers).join(" ") }),
    "in a page": (headers) =>
      `<ul>${Object.entries(headers).map(([name, value]) => `<li>${name}\n\t${value}</li>`)}</ul>`,
    "more than once": ({ authorization, "x-key": key }) => `${authorization}${authorization}${key}${key}`,
    "just the token": ({ authorization }) => `${authorization}`.replace("Bearer ", ""),
    "at the end of what is shown": ({ authorization, "x-key": key }) =>
      `${"x".repeat(280)}${authorization} ${"x".repeat(280)}${key}`
  }

  for (const [form, text] of Object.entries(forms)) {
    it.scopedLive(`gets no secret into the error: ${form}`, () =>
      Effect.gen(function* () {
        const url = yield* echo(text)
        const error = yield* failureOf({ url, headers: { "X-Key": Redacted.make("sesame street") } }, { auth })
        expect(error.message).not.toContain("flipt_")
        expect(error.message).not.toContain("sesame")
        expect(error.message).toContain("status 418")
      })
    )
  }

  it.scopedLive("gets to show what is no secret", () =>
    Effect.gen(function* () {
      const url = yield* echo((headers) => `no tenant ${headers["x-tenant"]}`)
      const error = yield* failureOf({ url, headers: { "X-Tenant": "blue" } }, { auth })
      expect(error.message).toContain("no tenant blue")
    })
  )

  const folded = { "several blanks": "sesame  street\t7", "a character that is not shown": "sesame\u00adstreet\u00857" }

  for (const [what, secret] of Object.entries(folded)) {
    it.scopedLive(`gets no secret with ${what} into the error`, () =>
      Effect.gen(function* () {
        const url = yield* echo((headers) => `got ${headers["x-key"]}`)
        const error = yield* failureOf({ url, headers: { "X-Key": Redacted.make(secret) } }, { auth })
        expect(error.message).not.toContain("sesame")
      })
    )
  }

  it.scopedLive("gets no secret into the error that begins like another", () =>
    Effect.gen(function* () {
      const url = yield* echo((headers) => `got ${headers["x-b"]}`)
      const headers = { "X-A": Redacted.make("sesame"), "X-B": Redacted.make("sesame-street") }
      expect((yield* failureOf({ url, headers }, { auth })).message).not.toContain("street")
    })
  )

  const encodings: Readonly<Record<string, (text: string) => string>> = {
    "as it is": (text) => text,
    "percent-encoded": encodeURIComponent,
    "percent-encoded in lower case": (text) =>
      encodeURIComponent(text).replaceAll(/%../g, (code) => code.toLowerCase()),
    "as a form's field": (text) => `${new URLSearchParams({ as: text })}`
  }

  for (const [how, encoding] of Object.entries(encodings)) {
    it.scopedLive(`gets no secret into the error by a redirect: ${how}`, () =>
      Effect.gen(function* () {
        const port = yield* listen(
          Http.createServer(({ headers, url }, response) => {
            const location = `/login?${encoding(headers.authorization?.slice(7) ?? "")}`
            return url?.startsWith("/login")
              ? void response.writeHead(404).end()
              : void response.writeHead(302, { location }).end()
          })
        )
        expect((yield* failureOf({ url: http(port) }, { auth })).message).not.toContain("flipt_")
      })
    )
  }
})

describe("a credential without a secret", () => {
  it.scopedLive("leaves the error readable", () =>
    Effect.gen(function* () {
      const server = yield* serve({ token: { kind: "client", value: "right" } })
      const headers = Headers.fromInput({ authorization: "Bearer " })
      const auth = Layer.succeed(Auth.Auth, { authorize: Effect.succeed(headers), invalidate: () => Effect.void })
      expect((yield* failureOf({ url: server.url }, { auth })).message).toContain("request was not authenticated")
    })
  )
})

describe("a connection", () => {
  it.scopedLive("that is refused is tried again", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const { counts, layer } = counting()
      yield* server.stop
      const error = yield* failureOf({ url: server.url }, { auth: layer })
      expect(error).toMatchObject({ reason: "Network", retryable: true })
      expect(error.message).toContain("ECONNREFUSED")
      expect(counts.authorized).toBe(4)
    })
  )

  it.scopedLive("that is refused at first and taken then gives the document", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.stop
      const policy = Schedule.recurs(1).pipe(Schedule.tapOutput(() => server.start))
      expect(contentOf(yield* fetchOf({ url: server.url }, { policy }))).toMatchObject(small)
    })
  )

  it.scopedLive("that is reset is tried again", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.reset)
      const error = yield* failureOf({ url: server.url })
      expect(error).toMatchObject({ reason: "Network", retryable: true })
      expect(yield* server.requests).toHaveLength(4)
    })
  )

  it.scopedLive("to a host that does not exist is tried again", () =>
    Effect.gen(function* () {
      const { counts, layer } = counting()
      const error = yield* failureOf({ url: "http://flipt.invalid" }, { auth: layer, policy: Schedule.recurs(1) })
      expect(error).toMatchObject({ reason: "Network", retryable: true })
      expect(error.message).toContain("flipt.invalid")
      expect(counts.authorized).toBe(2)
    })
  )

  it.scopedLive("to what does not speak HTTP fails", () =>
    Effect.gen(function* () {
      const port = yield* listen(Net.createServer((socket) => void socket.end("SSH-2.0-OpenSSH_9.6\r\n")))
      expect(yield* failureOf({ url: http(port) })).toMatchObject({ reason: "Network" })
    })
  )

  const cuts = {
    "with a length": [Fault.cutBody(100, { framing: "length" }), "identity"],
    "in chunks": [Fault.cutBody(100, { framing: "chunked" }), "identity"],
    "compressed, with a length": [Fault.cutBody(5000, { framing: "length" }), "gzip"],
    "compressed, in chunks": [Fault.cutBody(5000, { framing: "chunked" }), "gzip"],
    "before its first byte": [Fault.cutBody(0), "gzip"]
  } as const

  for (const [name, [fault, encoding]] of Object.entries(cuts)) {
    it.scopedLive(`that breaks in the middle of a body is tried again: ${name}`, () =>
      Effect.gen(function* () {
        const server = yield* serve({ documents: { default: large } })
        const fetcher = yield* makeFetcher({ url: server.url, headers: { "Accept-Encoding": encoding } })
        yield* server.failAlways(fault)
        const error = yield* errorOf(fetcher.fetch(Option.none()))
        expect(error).toMatchObject({ reason: "Network", retryable: true })
        expect(error.message).toContain("the body broke off")
        expect(yield* server.requests).toHaveLength(4)

        yield* server.failAlways(undefined)
        yield* server.fail(fault)
        expect(contentOf(yield* fetcher.fetch(Option.none()))).toMatchObject(large)
      })
    )
  }

  it.scopedLive("that gives half of the compressed data in a whole frame is a document that ends too early", () =>
    Effect.gen(function* () {
      // fetch takes what it can decompress for the whole; the engine then refuses it, and the next poll asks again
      const compressed = Zlib.gzipSync(JSON.stringify(large))
      const body = compressed.subarray(0, compressed.length / 2)
      const server = yield* serve({ documents: { default: large } })
      const lines = ["Content-Encoding: gzip", `Content-Length: ${body.length}`]
      yield* server.fail(Fault.rawHeaders(lines, { body }))
      const text = textOf(yield* fetchOf({ url: server.url }))
      expect(JSON.stringify(large).startsWith(text)).toBe(true)
      expect(text.length).toBeLessThan(JSON.stringify(large).length)
    })
  )

  it.scopedLive("that gives no gzip where it says gzip is not tried again", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.invalidGzip)
      const error = yield* failureOf({ url: server.url })
      expect(error).toMatchObject({ reason: "Body", retryable: false })
      expect(error.message).toContain("check whether a proxy changes responses")
      expect(yield* server.requests).toHaveLength(1)
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
      expect(error.message).toContain("no answer within 30s")
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
      expect(error.message).toContain("nothing more of the body came within 10s")
    })
  )

  /** Writes a piece of the body just in time, again and again. */
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

  it.scoped("leaves a slow body ten times as long", () =>
    Effect.gen(function* () {
      const { fetching, response } = yield* begun({ requestTimeout: 10_000 })
      yield* TestClock.adjust(1000)
      yield* drip(response, 10)
      response.end("{}")
      expect(textOf(yield* Effect.flatten(Fiber.join(fetching)))).toBe(`${" ".repeat(10)}{}`)
    })
  )

  it.scoped("ends a body that takes longer than that, though something of it always comes", () =>
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

  it.scoped("of Infinity waits", () =>
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

  it.scopedLive("is kept by the real clock too", () =>
    Effect.gen(function* () {
      const server = yield* serve({ documents: { default: large } })
      yield* server.fail(Fault.hangBeforeHeaders, Fault.hangInBody(50), Fault.drip(100, 10))
      const fetcher = yield* makeFetcher({ url: server.url, requestTimeout: 50 }, never)
      for (let n = 0; n < 3; n++) {
        expect(yield* errorOf(fetcher.fetch(Option.none()))).toMatchObject({ reason: "Timeout" })
      }
    })
  )

  it.scopedLive("lets a drip pass that is in time", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.fail(Fault.drip(20, 10))
      expect(contentOf(yield* fetchOf({ url: server.url, requestTimeout: "10 seconds" }))).toMatchObject(small)
    })
  )
})

describe("a redirect", () => {
  const path = (namespace: string) => `/internal/v1/evaluation/snapshot/namespace/${namespace}`

  it.scopedLive("within the origin is followed, relative or absolute, with all that the request has", () =>
    Effect.gen(function* () {
      const server = yield* serve({ documents: { moved: small }, token: { kind: "client", value: "right" } })
      const auth = Auth.layerClientToken(Redacted.make("right"))
      const locations = [
        `${server.url}${path("moved")}`,
        path("moved"),
        "moved",
        "./moved#part",
        `//127.0.0.1:${server.port}${path("moved")}`,
        `http://127.0.0.1:${server.port}/x/..${path("moved")}?a=b`
      ]
      for (const location of locations) {
        for (const code of [301, 302, 303, 307, 308]) {
          yield* server.fail(Fault.redirect(location, code))
          const fetcher = yield* makeFetcher({ url: server.url, headers: { "X-Tenant": "blue" } }, { auth })
          expect(contentOf(yield* fetcher.fetch(Option.some("old")))).toMatchObject(small)
          const last = (yield* server.requests).at(-1)
          expect(last?.method).toBe("GET")
          expect(last?.headers).toMatchObject({
            authorization: "Bearer right",
            "x-tenant": "blue",
            "if-none-match": "old"
          })
        }
      }
    })
  )

  it.scopedLive("may follow another, five in all", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.fail(...Array.from({ length: 5 }, () => Fault.redirect(path("default"))))
      expect(contentOf(yield* fetchOf({ url: server.url }))).toMatchObject(small)
      expect(yield* server.requests).toHaveLength(6)
    })
  )

  it.scopedLive("that is followed is let go, though its body goes on", () =>
    Effect.gen(function* () {
      const released = yield* Deferred.make<void>()
      const server = Http.createServer(({ url }, response) => {
        if (url === "/moved") {
          response.end("{}")
        } else {
          response.on("close", () => Deferred.unsafeDone(released, Effect.void))
          response.writeHead(302, { location: "/moved" }).write("half of")
        }
      })
      expect(textOf(yield* fetchOf({ url: http(yield* listen(server)) }))).toBe("{}")
      yield* Deferred.await(released)
    })
  )

  it.scopedLive("without end is an error, and not retried", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.redirect(path("default")))
      const error = yield* failureOf({ url: server.url })
      expect(error).toMatchObject({ reason: "Status", status: 302, retryable: false })
      expect(error.message).toContain("more than 5 redirects")
      expect(yield* server.requests).toHaveLength(6)
    })
  )

  it.scopedLive("to another origin is refused, whatever its status, and nothing is sent there", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const other = yield* serve()
      const locations = [
        `${other.url}${path("default")}`,
        `//127.0.0.1:${other.port}${path("default")}`,
        `http://localhost:${server.port}${path("default")}`,
        `https://127.0.0.1:${server.port}${path("default")}`,
        "data:application/json,{}",
        "file:///etc/passwd"
      ]
      for (const location of locations) {
        for (const code of [301, 302, 303, 307, 308]) {
          const before = (yield* server.requests).length
          yield* server.fail(Fault.redirect(location, code))
          const error = yield* failureOf({ url: server.url })
          expect(error).toMatchObject({ reason: "Status", status: code, retryable: false })
          expect(error.message).toContain("another origin")
          expect((yield* server.requests).length - before).toBe(1)
        }
      }
      for (const code of [300, 304, 305, 306, 201, 401]) {
        yield* server.fail(Fault.redirect(`${other.url}${path("default")}`, code))
        expect(yield* failureOf({ url: server.url })).toMatchObject({ status: code, retryable: false })
      }
      expect(yield* other.requests).toEqual([])
      expect(yield* other.connections).toBe(0)
    })
  )

  it.scopedLive("that leads away only at the second hop is refused there", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const other = yield* serve()
      yield* server.fail(Fault.redirect(path("other")), Fault.redirect(`${other.url}${path("default")}`))
      const error = yield* failureOf({ url: server.url })
      expect(error.message).toContain(`another origin, ${other.url}`)
      expect(error.message).toContain(path("other"))
      expect(yield* other.requests).toEqual([])
    })
  )

  it.scopedLive("to nowhere is an error", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      for (const location of ["http://", "http://[", ""]) {
        const before = (yield* server.requests).length
        yield* server.failAlways(location === "" ? Fault.status(302) : Fault.redirect(location))
        expect(yield* failureOf({ url: server.url })).toMatchObject({ reason: "Status", status: 302, retryable: false })
        expect((yield* server.requests).length - before).toBe(1)
      }
    })
  )

  it.scopedLive("to a URL with a user and a password is refused, and they are not shown", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.redirect(`http://user:sesame@127.0.0.1:${server.port}${path("default")}`))
      const error = yield* failureOf({ url: server.url })
      expect(error.message).not.toContain("sesame")
      expect(error.retryable).toBe(false)
    })
  )
})

describe("TLS", () => {
  /** A stand-in over TLS that counts the connections and the requests. */
  const secure = (names: Parameters<typeof selfSigned>[0], days?: number) =>
    Effect.gen(function* () {
      const certificate = yield* selfSigned(names, days)
      const counts = { connections: 0, requests: 0 }
      const server = Https.createServer({ ...certificate }, (_, response) => {
        counts.requests++
        response.writeHead(200, { "content-type": "application/json", etag: "1" }).end(JSON.stringify(small))
      })
      server.on("connection", () => counts.connections++)
      const port = yield* listen(server)
      const trusting = Layer.succeed(Tls.Tls, { connectionOptions: Effect.succeed({ ca: [certificate.cert] }) })
      return { counts, url: `https://127.0.0.1:${port}`, trusting }
    })

  const loopback = [{ type: "ip", value: "127.0.0.1" }] as const

  it.scopedLive("with a certificate that nobody has signed fails, and is not tried again", () =>
    Effect.gen(function* () {
      const { counts, url } = yield* secure(loopback)
      const error = yield* failureOf({ url })
      expect(error).toMatchObject({ reason: "Certificate", retryable: false })
      expect(error.message).toContain("self-signed")
      expect(error.message).toContain("check the server's certificate")
      expect(counts).toEqual({ connections: 1, requests: 0 })
    })
  )

  it.scopedLive("with a certificate that is trusted gives the document", () =>
    Effect.gen(function* () {
      const { trusting, url } = yield* secure(loopback)
      expect(contentOf(yield* fetchOf({ url }, { tls: trusting }))).toEqual(small)
    })
  )

  it.scopedLive("with a certificate for another name, or one that has run out, fails, and is not tried again", () =>
    Effect.gen(function* () {
      const other = yield* secure([{ type: "dns", value: "flipt.test" }])
      const old = yield* secure(loopback, 0.5)
      for (const { counts, trusting, url } of [other, old]) {
        expect(yield* failureOf({ url }, { tls: trusting })).toMatchObject({ reason: "Certificate", retryable: false })
        expect(counts).toEqual({ connections: 1, requests: 0 })
      }
    })
  )

  it.scopedLive("where the server speaks none fails as a matter of the network", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      expect(yield* failureOf({ url: server.url.replace("http:", "https:") })).toMatchObject({ reason: "Network" })
      expect(yield* server.requests).toEqual([])
    })
  )
})

describe("a credential that cannot be had", () => {
  it.scopedLive("fails the fetch without a request", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const cause = new AuthError({ reason: "Expired", message: "the token ran out" })
      const auth = Layer.succeed(Auth.Auth, { authorize: Effect.fail(cause), invalidate: () => Effect.void })
      const error = yield* failureOf({ url: server.url }, { auth })
      expect(error).toMatchObject({ reason: "Auth", retryable: false, cause })
      expect(error.message).toContain("the token ran out")
      expect(yield* server.requests).toEqual([])
    })
  )
})

interface Step<Out> {
  readonly out: Out
  readonly delay: number
}

/** Runs a schedule without waiting: what it gives for each input and how long it would wait, until it is done. */
const drive = <Out, In>(
  schedule: Schedule.Schedule<Out, In>,
  inputs: Iterable<In>,
  random: Random.Random = Random.make("a fixed seed")
): Effect.Effect<ReadonlyArray<Step<Out>>> =>
  Effect.gen(function* () {
    const steps: Array<Step<Out>> = []
    let state = schedule.initial
    let now = 0
    for (const input of inputs) {
      const [next, out, decision] = yield* schedule.step(now, input, state)
      if (ScheduleDecision.isDone(decision)) break
      const start = ScheduleIntervals.start(decision.intervals)
      steps.push({ out, delay: start - now })
      state = next
      now = start
    }
    return steps
  }).pipe(Effect.withRandom(random))

const errors = (count: number, retryAfter?: Duration.DurationInput): ReadonlyArray<FetchError> =>
  Array.from(
    { length: count },
    () =>
      new FetchError({
        reason: "Status",
        status: 503,
        retryable: true,
        message: "busy",
        ...(retryAfter === undefined ? {} : { retryAfter: Duration.decode(retryAfter) })
      })
  )

const delaysOf = (schedule: Policy, inputs: ReadonlyArray<FetchError>, random?: Random.Random) =>
  Effect.map(drive(schedule, inputs, random), (steps) => steps.map((step) => step.delay))

describe("the default retry policy", () => {
  it.effect("waits one, two and four seconds, each up to a fifth less or more, and then gives up", () =>
    Effect.gen(function* () {
      const seen = [[], [], []] as ReadonlyArray<Array<number>>
      for (let seed = 0; seed < 300; seed++) {
        const delays = yield* delaysOf(retryPolicy, errors(10), Random.make(seed))
        expect(delays).toHaveLength(3)
        delays.forEach((delay, nth) => {
          const usual = 1000 * 2 ** nth
          expect(delay).toBeGreaterThanOrEqual(usual * 0.8)
          expect(delay).toBeLessThanOrEqual(usual * 1.2)
          expect(delay).toBeLessThanOrEqual(30_000)
          seen[nth]?.push(delay / usual)
        })
      }
      for (const factors of seen) {
        expect(Math.min(...factors)).toBeLessThan(0.85)
        expect(Math.max(...factors)).toBeGreaterThan(1.15)
      }
    })
  )

  it.effect("waits at the ends of these ranges where chance has it", () =>
    Effect.gen(function* () {
      const rounded = (delays: ReadonlyArray<number>) => delays.map(Math.round)
      expect(rounded(yield* delaysOf(retryPolicy, errors(9), Random.fixed([0])))).toEqual([800, 1600, 3200])
      expect(rounded(yield* delaysOf(retryPolicy, errors(9), Random.fixed([1])))).toEqual([1200, 2400, 4800])
    })
  )

  it.scoped("makes four requests in all", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.status(503))
      const failing = yield* Effect.fork(
        failureOf({ url: server.url, requestTimeout: Number.POSITIVE_INFINITY }, defaultPolicy)
      )
      for (const [nth, usual] of [1000, 2000, 4000].entries()) {
        const { millis, wake } = yield* awaitSleep
        expect(millis).toBeGreaterThanOrEqual(usual * 0.8)
        expect(millis).toBeLessThanOrEqual(usual * 1.2)
        expect(yield* server.requests).toHaveLength(nth + 1)
        yield* wake
        yield* server.awaitRequests(nth + 2)
      }
      expect(yield* Fiber.join(failing)).toMatchObject({ reason: "Status", status: 503 })
      expect(yield* wakeUps).toEqual([])
      expect(yield* server.requests).toHaveLength(4)
    })
  )

  it.scoped("begins anew with each fetch", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const options = { url: server.url, requestTimeout: Number.POSITIVE_INFINITY }
      const fetcher = yield* makeFetcher(options, defaultPolicy)
      for (let n = 0; n < 2; n++) {
        yield* server.fail(Fault.status(503), Fault.status(503))
        const fetching = yield* Effect.fork(fetcher.fetch(Option.none()))
        for (const longest of [1200, 2400]) {
          const { millis, wake } = yield* awaitSleep
          expect(millis).toBeLessThanOrEqual(longest)
          yield* wake
        }
        expect(contentOf(yield* Fiber.join(fetching))).toMatchObject(small)
      }
    })
  )
})

describe("Retry-After", () => {
  /** How long the first retry waits after an answer with this header. */
  const waitAfter = (value: string | undefined, policy: Policy = retryPolicy) =>
    Effect.gen(function* () {
      const server = yield* serve()
      const options = { url: server.url, requestTimeout: Number.POSITIVE_INFINITY }
      const headers = value === undefined ? {} : { "Retry-After": value }
      yield* server.fail(Fault.status(503, { headers }))
      const fetching = yield* Effect.fork(fetchOf(options, { policy }))
      const { millis, wake } = yield* awaitSleep
      yield* wake
      yield* Fiber.join(fetching)
      expect(yield* server.requests).toHaveLength(2)
      return millis
    }).pipe(Effect.scoped)

  it.effect("in seconds is a floor under the delay", () =>
    Effect.gen(function* () {
      expect(yield* waitAfter("20")).toBe(20_000)
      expect(yield* waitAfter(" 7 ")).toBe(7000)
      expect(yield* waitAfter("0")).toBeGreaterThanOrEqual(800)
      expect(yield* waitAfter("0")).toBeLessThanOrEqual(1200)
      expect(yield* waitAfter("3", Schedule.spaced("10 seconds"))).toBe(10_000)
      expect(yield* waitAfter("3", Schedule.recurs(1))).toBe(3000)
    })
  )

  it.effect("may be a date", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 2, 1, 12, 0, 0))
      expect(yield* waitAfter("Sun, 01 Mar 2026 12:00:40 GMT")).toBe(40_000)
      expect(yield* waitAfter("Sun, 01 Mar 2026 11:00:00 GMT")).toBeLessThanOrEqual(1200)
    })
  )

  it.effect("counts up to five minutes", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 2, 1, 12, 0, 0))
      for (const value of ["300", "301", "86400", "9".repeat(400), "Sun, 01 Mar 2037 12:00:00 GMT"]) {
        expect(yield* waitAfter(value)).toBe(300_000)
      }
    })
  )

  it.effect("that is neither counts for nothing", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 2, 1, 12, 0, 0))
      for (const value of ["soon", "-5", "1.5", "1e9", "0x1000", "10 minutes", "NaN", "Infinity", ""]) {
        expect(yield* waitAfter(value)).toBeLessThanOrEqual(1200)
      }
    })
  )

  it.effect("counts for nothing where only a lenient reader sees a date in it", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 2, 1, 12, 0, 0))
      for (const value of ["try again 2099", "2099 maybe", "release 12/31/2099"]) {
        expect(yield* waitAfter(value)).toBeLessThanOrEqual(1200)
      }
    })
  )

  it.scopedLive("is in the error, retried or not", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      for (const status of [403, 429]) {
        yield* server.fail(Fault.status(status, { headers: { "Retry-After": "7" } }))
        const error = yield* failureOf({ url: server.url }, never)
        expect(error.retryAfter && Duration.toMillis(error.retryAfter)).toBe(7000)
      }
      yield* server.fail(Fault.status(429))
      expect(yield* failureOf({ url: server.url }, never)).not.toHaveProperty("retryAfter")
    })
  )

  it.effect("is a floor under each delay of any policy, and does not add to it", () =>
    Effect.gen(function* () {
      const spaced = withRetryAfter(Schedule.intersect(Schedule.spaced("5 seconds"), Schedule.recurs(3)))
      expect(yield* delaysOf(spaced, errors(9))).toEqual([5000, 5000, 5000])
      expect(yield* delaysOf(spaced, errors(9, "4 seconds"))).toEqual([5000, 5000, 5000])
      expect(yield* delaysOf(spaced, errors(9, "6 seconds"))).toEqual([6000, 6000, 6000])
      const growing = withRetryAfter(Schedule.exponential("1 second").pipe(Schedule.upTo("1 hour")))
      expect(yield* delaysOf(growing, errors(4, "3 seconds"))).toEqual([3000, 3000, 4000, 8000])
      expect(yield* delaysOf(withRetryAfter(Schedule.stop), errors(4, "3 seconds"))).toEqual([])
      const random = () => Random.make("the same")
      expect(yield* delaysOf(withRetryAfter(retryPolicy), errors(9), random())).toEqual(
        yield* delaysOf(retryPolicy, errors(9), random())
      )
    })
  )
})

describe("an own RetryPolicy", () => {
  it.scoped("is honoured when it is provided to the layer", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.status(500))
      const policy = Schedule.intersect(Schedule.spaced("7 minutes"), Schedule.recurs(2))
      const layer = Fetcher.layerPolling({ url: server.url, requestTimeout: Number.POSITIVE_INFINITY }).pipe(
        Layer.provide([Layer.provide(Tls.layerHttpClient, Tls.layerSystem), Auth.layerNone]),
        Layer.provide(Layer.succeed(Fetcher.RetryPolicy, policy))
      )
      const { fetch } = Context.get(yield* Layer.build(layer), Fetcher.Fetcher)
      const failing = yield* Effect.fork(errorOf(fetch(Option.none())))
      for (const count of [1, 2]) {
        const { millis, wake } = yield* awaitSleep
        expect(millis).toBe(420_000)
        expect(yield* server.requests).toHaveLength(count)
        yield* wake
      }
      expect((yield* Fiber.join(failing)).status).toBe(500)
      expect(yield* server.requests).toHaveLength(3)
    })
  )

  it.scopedLive("sees the errors that are retryable, and no others", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const seen: Array<number | undefined> = []
      const policy: Policy = Schedule.recurs(5).pipe(
        Schedule.tapInput((error: FetchError) => Effect.sync(() => void seen.push(error.status)))
      )
      yield* server.fail(Fault.status(503), Fault.status(429), Fault.reset, Fault.status(404))
      expect(yield* failureOf({ url: server.url }, { policy })).toMatchObject({ status: 404 })
      expect(seen).toEqual([503, 429, undefined])
    })
  )
})

describe("polls", () => {
  const asked = (count: number): ReadonlyArray<unknown> => Array.from({ length: count }, () => undefined)

  it.effect("come first within one interval, and then one an interval, up to a tenth sooner or later", () =>
    Effect.gen(function* () {
      const later: Array<number> = []
      for (let seed = 0; seed < 50; seed++) {
        const [first, ...others] = yield* drive(pollSchedule(Duration.seconds(100)), asked(20), Random.make(seed))
        expect(first?.delay).toBeGreaterThanOrEqual(0)
        expect(first?.delay).toBeLessThanOrEqual(100_000)
        expect(others.every((step) => step.out)).toBe(true)
        later.push(...others.map((step) => step.delay))
      }
      expect(later).toHaveLength(950)
      expect(Math.min(...later)).toBeGreaterThanOrEqual(90_000 - 1)
      expect(Math.max(...later)).toBeLessThanOrEqual(110_000 + 1)
      expect(Math.min(...later)).toBeLessThan(91_000)
      expect(Math.max(...later)).toBeGreaterThan(109_000)
    })
  )

  it.effect("of a thousand clients that start together are spread over the interval, and stay so", () =>
    Effect.gen(function* () {
      const tenths = Array.from({ length: 10 }, () => 0)
      const laterTenths = Array.from({ length: 10 }, () => 0)
      for (let client = 0; client < 1000; client++) {
        const steps = yield* drive(pollSchedule(Duration.minutes(2)), asked(10), Random.make(`client ${client}`))
        const at = (count: number) => steps.slice(0, count).reduce((sum, step) => sum + step.delay, 0)
        const tenth = (millis: number) => Math.floor(((millis % 120_000) / 120_000) * 10)
        tenths[tenth(at(1))]!++
        laterTenths[tenth(at(10))]!++
      }
      for (const count of [...tenths, ...laterTenths]) {
        expect(count).toBeGreaterThan(60)
        expect(count).toBeLessThan(150)
      }
    })
  )

  it.effect("are due at the end of several sleeps where the interval is longer than a timer can hold", () =>
    Effect.gen(function* () {
      const millis = 100 * 24 * 60 * 60 * 1000
      const steps = yield* drive(pollSchedule(Duration.days(100)), asked(200))
      expect(steps.every((step) => step.delay < 2 ** 31)).toBe(true)
      let waited = 0
      const waits: Array<number> = []
      for (const step of steps) {
        waited += step.delay
        if (step.out) {
          waits.push(waited)
          waited = 0
        }
      }
      expect(waits[0]).toBeLessThanOrEqual(millis)
      expect(waits.length).toBeGreaterThan(15)
      for (const wait of waits.slice(1)) {
        expect(wait).toBeGreaterThanOrEqual(millis * 0.9 - 1)
        expect(wait).toBeLessThanOrEqual(millis * 1.1 + 1)
      }
    })
  )

  /** The checks of a Fetcher that was never asked for anything, counted. */
  const countChecks = (updateInterval: Duration.DurationInput, random = Random.fixed([0.5])) =>
    Effect.gen(function* () {
      const counts = { checks: 0, others: 0 }
      const fetcher = yield* makeFetcher({ url: "http://127.0.0.1:1", updateInterval })
      yield* fetcher.events(idle).pipe(
        Stream.runForEach((event) => Effect.sync(() => counts[event._tag === "Check" ? "checks" : "others"]++)),
        Effect.withRandom(random),
        Effect.forkScoped
      )
      return counts
    })

  it.scoped("are the checks of the Fetcher", () =>
    Effect.gen(function* () {
      const counts = yield* countChecks("2 minutes")
      yield* TestClock.adjust(59_999)
      expect(counts.checks).toBe(0)
      yield* TestClock.adjust(2)
      expect(counts.checks).toBe(1)
      yield* TestClock.adjust(119_990)
      expect(counts.checks).toBe(1)
      yield* TestClock.adjust(20)
      expect(counts).toEqual({ checks: 2, others: 0 })
    })
  )

  it.scoped("come every two minutes by default", () =>
    Effect.gen(function* () {
      const fetcher = yield* makeFetcher({})
      const checks = yield* fetcher.events(idle).pipe(Stream.take(10), Stream.runCollect, Effect.fork)
      yield* TestClock.adjust("24 minutes")
      expect(Chunk.size(yield* Fiber.join(checks))).toBe(10)
    })
  )

  it.scoped("with an interval of more than 2^31 milliseconds come when due, and not before", () =>
    Effect.gen(function* () {
      const counts = yield* countChecks("100 days")
      yield* TestClock.adjust(Duration.subtract(Duration.days(50), "1 second"))
      expect(counts.checks).toBe(0)
      yield* TestClock.adjust("2 seconds")
      expect(counts.checks).toBe(1)
      yield* TestClock.adjust(Duration.subtract(Duration.days(100), "2 seconds"))
      expect(counts.checks).toBe(1)
      yield* TestClock.adjust("4 seconds")
      expect(counts).toEqual({ checks: 2, others: 0 })
    })
  )

  it.scopedLive("with such an interval do not come at once where the clock is real", () =>
    Effect.gen(function* () {
      const counts = yield* countChecks("100 days", Random.fixed([1]))
      yield* Effect.sleep("50 millis")
      expect(counts).toEqual({ checks: 0, others: 0 })
    })
  )

  it.scoped("never come where the interval is infinite", () =>
    Effect.gen(function* () {
      const counts = yield* countChecks(Number.POSITIVE_INFINITY)
      yield* TestClock.adjust("36500 days")
      expect(counts).toEqual({ checks: 0, others: 0 })
      expect(yield* wakeUps).toEqual([])
    })
  )
})

describe("an option that is wrong", () => {
  const refused = (options: unknown) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(makeFetcher(options as Fetcher.Options)))
      expect(error).toBeInstanceOf(ValidationError)
      expect(error.reason).toBe("Option")
      expect(error.message).toContain(error.path)
      return error
    })

  const wrong: { readonly [option: string]: ReadonlyArray<unknown> } = {
    url: [
      "",
      "localhost",
      "not a url",
      "/relative",
      "//host/path",
      "localhost:8080",
      "ftp://host",
      "file:///etc/passwd",
      "javascript:alert(1)",
      "http://",
      "http://[",
      "http://host:99999",
      "http://user:password@host",
      "http://user@host",
      "http://:password@host",
      "http://host?a=b",
      "http://host/?",
      "http://host#part",
      "http://host/#",
      null,
      5,
      ["http://host"],
      new URL("http://host"),
      Redacted.make("http://host")
    ],
    environment: ["", " ", "\t\n", "..", ".", "a b", "a\nb", "m\u00fcnchen", null, 5, {}],
    namespace: ["", " ", "\u3000", "..", ".", "\ud800", null, 5, ["default"]],
    reference: ["", "\udc00", null, 5, {}],
    maxBodySize: [0, -1, Number.NaN, Number.NEGATIVE_INFINITY, "1024", 1024n, null, {}],
    requestTimeout: [
      0,
      -1,
      Number.NaN,
      "soon",
      "",
      "0 seconds",
      "-1 seconds",
      Number.NEGATIVE_INFINITY,
      null,
      {},
      true
    ],
    updateInterval: [0, -1, Number.NaN, "soon", "", "0 millis", "-1 minutes", 0n, null, [], Duration.zero],
    headers: [null, 5, "a: b", [], [["a", "b"]]]
  }

  for (const [option, values] of Object.entries(wrong)) {
    it.effect(`is named: ${option}`, () =>
      Effect.gen(function* () {
        for (const value of values) {
          expect((yield* refused({ [option]: value })).path, String(value)).toBe(option)
        }
      })
    )
  }

  const badHeaders: { readonly [problem: string]: readonly [name: string, value: unknown] } = {
    "a name with a blank": ["a b", "c"],
    "a name with a colon": ["a:", "c"],
    "a name with a line break": ["a\r\nb", "c"],
    "an empty name": ["", "c"],
    "a name that is not ASCII": ["\u00e4", "c"],
    "a value with a line break": ["x-a", "b\r\nc: d"],
    "a value with NUL": ["x-a", "b\0c"],
    "a value that is empty": ["x-a", ""],
    "a value with blanks around it": ["x-a", " b "],
    "a value beyond Latin-1": ["x-a", "\u20ac"],
    "a value that is a number": ["x-a", 5],
    "a value that is null": ["x-a", null],
    "a value that is undefined": ["x-a", undefined],
    "a value that is a list": ["x-a", ["b"]],
    "a Redacted value with a line break": ["x-a", Redacted.make("b\nc")],
    "a Redacted value that is no text": ["x-a", Redacted.make(5)]
  }

  for (const [problem, [name, value]] of Object.entries(badHeaders)) {
    it.effect(`is named: a header with ${problem}`, () =>
      Effect.gen(function* () {
        const error = yield* refused({ headers: { "x-fine": "fine", [name]: value } })
        expect(error.path).toMatch(/^headers(\.|$)/)
      })
    )
  }

  const taken = [
    "Accept",
    "Connection",
    "Content-Length",
    "If-None-Match",
    "Transfer-Encoding",
    "Expect",
    "Host",
    "Keep-Alive",
    "Upgrade"
  ]

  for (const name of taken) {
    it.effect(`is named: a header that cannot be set, ${name}`, () =>
      Effect.gen(function* () {
        expect((yield* refused({ headers: { [name]: "sesame" } })).path).toMatch(/^headers(\.|$)/)
      })
    )
  }

  it.effect("is named down to the header, and the message says what is wrong with it", () =>
    Effect.gen(function* () {
      const error = yield* refused({ headers: { "x-fine": "fine", "x-a": Redacted.make("b\nc") } })
      expect(error.path).toBe("headers.x-a")
      expect(error.message).toContain("no line breaks")
    })
  )

  it.effect("is named: one that does not exist", () =>
    Effect.gen(function* () {
      const error = yield* refused({ url: "http://host", updateIntervall: 5 })
      expect(error.path).toBe("updateIntervall")
      expect(error.message).toContain("is not known")
      expect((yield* refused({ clientToken: "sesame" })).message).not.toContain("sesame")
    })
  )

  it.effect("may be all of them", () =>
    Effect.gen(function* () {
      for (const options of ["http://host", 5, true, [], [{}]]) {
        expect((yield* refused(options)).path).toBe("options")
      }
    })
  )

  it.effect("may be null in the place of all of them", () =>
    Effect.gen(function* () {
      expect((yield* refused(null)).path).toBe("options")
    })
  )

  it.effect("is not repeated where it could be a secret", () =>
    Effect.gen(function* () {
      const secrets = [
        { url: "http://user:sesame@host" },
        { url: "http://sesame@host" },
        { url: "http://host?token=sesame" },
        { url: "sesame" },
        { url: Redacted.make("sesame") },
        { headers: { "x-key": "sesame\n" } },
        { headers: { "x-key": Redacted.make("sesame\n") } },
        { headers: { "x-key": ["sesame"] } },
        { headers: { "x-key": { value: "sesame" } } },
        { headers: "sesame" },
        { headers: ["sesame"] },
        { authentication: { clientToken: Redacted.make("sesame") } },
        { token: "sesame" },
        { environment: "sesame sesame" },
        { requestTimeout: "sesame" },
        { maxBodySize: "sesame" }
      ]
      for (const options of secrets) {
        const error = yield* refused(options)
        expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`, JSON.stringify(options)).not.toContain(
          "sesame"
        )
      }
    })
  )

  it.effect("is not one that is right at the edge", () =>
    Effect.gen(function* () {
      const right: ReadonlyArray<Fetcher.Options> = [
        { url: "HTTP://Host:8080/a/b/" },
        { url: "https://[::1]:8443" },
        { environment: "..." },
        { namespace: " a " },
        { reference: "refs/heads/main" },
        { maxBodySize: 1 },
        { requestTimeout: "1 nanos" },
        { requestTimeout: 5n },
        { updateInterval: [1, 0] },
        { updateInterval: Duration.infinity },
        { headers: {} },
        { headers: { "!#$%&'*+-.^_`|~": "a\tb" } },
        { url: undefined, headers: undefined, maxBodySize: undefined, requestTimeout: undefined }
      ]
      for (const options of right) {
        yield* Effect.scoped(makeFetcher(options))
      }
    })
  )
})
