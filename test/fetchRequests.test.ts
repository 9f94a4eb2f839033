/**
 * The request for a snapshot: its content, its connection, and redirects.
 */
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import * as Zlib from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Auth from "../src/Auth.js"
import { AuthError } from "../src/FliptError.js"
import { version } from "../src/internal/util/version.js"
import * as Tls from "../src/Tls.js"
import { selfSigned } from "./support/certificates.js"
import { booleanFlag, makeDocument } from "./support/documents.js"
import * as Fault from "./support/Fault.js"
import { counting, failureOf, fetchOf, http, large, makeFetcher, serve, small } from "./support/fetching.js"
import { listen } from "./support/Listener.js"
import { contentOf, errorOf, textOf, versionOf } from "./support/updates.js"
import { awhile } from "./support/wait.js"

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

  it.scopedLive("requests the environment `default` and the namespace `default` by default", () =>
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

  it.scopedLive("has the headers of the options, with Redacted values unwrapped", () =>
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

  it.scopedLive("does not take part in a trace", () =>
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

  it.scopedLive("reuses the connection of the previous request, also after a response without a body", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const fetcher = yield* makeFetcher({ url: server.url })
      const loaded = versionOf(yield* fetcher.fetch(Option.none()))
      for (let request = 2; request <= 10; request++) {
        // a response ends a moment before its connection is free
        yield* awhile
        expect(yield* fetcher.fetch(loaded)).toMatchObject({ _tag: "NotModified" })
        expect(yield* server.requests).toHaveLength(request)
      }
      expect(yield* server.accepted).toBe(1)
    })
  )

  it.scopedLive("sends the reference, percent-encoded, only if it is set", () =>
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

  it.scopedLive("is sent below the path of the url, which may end in slashes", () =>
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

  it.scopedLive("ignores blanks around the url, or they are an error of the option", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const outcome = yield* Effect.either(fetchOf({ url: ` ${server.url} ` }))
      expect(outcome._tag === "Right" ? "Document" : outcome.left._tag).toMatch(/^(Document|ValidationError)$/)
    })
  )
})

describe("a connection", () => {
  it.scopedLive("that is refused is retried", () =>
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

  it.scopedLive("that is refused at first and then accepted returns the document", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.stop
      const policy = Schedule.recurs(1).pipe(Schedule.tapOutput(() => server.start))
      expect(contentOf(yield* fetchOf({ url: server.url }, { policy }))).toMatchObject(small)
    })
  )

  it.scopedLive("that is reset is retried", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.reset)
      const error = yield* failureOf({ url: server.url })
      expect(error).toMatchObject({ reason: "Network", retryable: true })
      expect(yield* server.requests).toHaveLength(4)
    })
  )

  it.scopedLive("to an unknown host is retried", () =>
    Effect.gen(function* () {
      const { counts, layer } = counting()
      const error = yield* failureOf({ url: "http://flipt.invalid" }, { auth: layer, policy: Schedule.recurs(1) })
      expect(error).toMatchObject({ reason: "Network", retryable: true })
      expect(error.message).toContain("flipt.invalid")
      expect(counts.authorized).toBe(2)
    })
  )

  it.scopedLive("to a server that does not speak HTTP fails", () =>
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
    it.scopedLive(`that breaks in the middle of a body is retried: ${name}`, () =>
      Effect.gen(function* () {
        const server = yield* serve({ documents: { default: large } })
        const fetcher = yield* makeFetcher({ url: server.url, headers: { "Accept-Encoding": encoding } })
        yield* server.failAlways(fault)
        const error = yield* errorOf(fetcher.fetch(Option.none()))
        expect(error).toMatchObject({ reason: "Network", retryable: true })
        expect(error.message).toContain("the connection failed while reading the body")
        expect(yield* server.requests).toHaveLength(4)

        yield* server.failAlways(undefined)
        yield* server.fail(fault)
        expect(contentOf(yield* fetcher.fetch(Option.none()))).toMatchObject(large)
      })
    )
  }

  it.scopedLive("that sends half of the compressed data as a complete body is retried", () =>
    Effect.gen(function* () {
      const compressed = Zlib.gzipSync(JSON.stringify(large))
      const body = compressed.subarray(0, compressed.length / 2)
      const server = yield* serve({ documents: { default: large } })
      const lines = ["Content-Encoding: gzip", `Content-Length: ${body.length}`]
      const fetcher = yield* makeFetcher({ url: server.url })
      yield* server.failAlways(Fault.rawHeaders(lines, { body }))
      const error = yield* errorOf(fetcher.fetch(Option.none()))
      expect(error).toMatchObject({ reason: "Network", retryable: true })
      expect(error.message).toContain("unexpected end of file")
      yield* server.failAlways(undefined)
      expect(contentOf(yield* fetcher.fetch(Option.none()))).toMatchObject(large)
    })
  )

  it.scopedLive("whose gzip body is invalid is not retried", () =>
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

describe("a redirect", () => {
  const path = (namespace: string) => `/internal/v1/evaluation/snapshot/namespace/${namespace}`

  it.scopedLive("within the origin is followed, relative or absolute, with the whole request", () =>
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

  it.scopedLive("may be followed by others, up to five in total", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.fail(...Array.from({ length: 5 }, () => Fault.redirect(path("default"))))
      expect(contentOf(yield* fetchOf({ url: server.url }))).toMatchObject(small)
      expect(yield* server.requests).toHaveLength(6)
    })
  )

  it.scopedLive("is followed even if its own body never ends", () =>
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

  it.scopedLive("loop is an error that is not retried", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.redirect(path("default")))
      const error = yield* failureOf({ url: server.url })
      expect(error).toMatchObject({ reason: "Status", status: 302, retryable: false })
      expect(error.message).toContain("more than 5 redirects")
      expect(yield* server.requests).toHaveLength(6)
    })
  )

  it.scopedLive("to another origin is refused for every status, and nothing is sent there", () =>
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
          expect(error.message).toContain(
            /^(?:data|file):/.test(location) ? "only http and https URLs can be fetched" : "another origin"
          )
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

  it.scopedLive("that leaves the origin at the second hop is refused there", () =>
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

  it.scopedLive("without a valid location is an error", () =>
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

  for (const [what, userinfo] of [
    ["a user and password", "user:sesame"],
    ["a user alone", "sesame"],
    ["a password alone", ":sesame"]
  ] as const) {
    it.scopedLive(`to a URL with ${what} is refused without showing it`, () =>
      Effect.gen(function* () {
        const server = yield* serve()
        yield* server.failAlways(Fault.redirect(`http://${userinfo}@127.0.0.1:${server.port}${path("other")}`))
        const error = yield* failureOf({ url: server.url })
        expect(error).toMatchObject({ reason: "Status", status: 302, retryable: false })
        expect(error.message).toBe(
          `GET ${server.url}${path("default")}: status 302: the redirect leads to a URL with a user or a password`
        )
        expect((yield* server.requests).map(({ target }) => target)).toEqual([path("default")])
      })
    )
  }
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

  it.scopedLive("with a self-signed certificate fails without a retry", () =>
    Effect.gen(function* () {
      const { counts, url } = yield* secure(loopback)
      const error = yield* failureOf({ url })
      expect(error).toMatchObject({ reason: "Certificate", retryable: false })
      expect(error.message).toContain("self-signed")
      expect(error.message).toContain("check the server's certificate")
      expect(counts).toEqual({ connections: 1, requests: 0 })
    })
  )

  it.scopedLive("with a trusted certificate returns the document", () =>
    Effect.gen(function* () {
      const { trusting, url } = yield* secure(loopback)
      expect(contentOf(yield* fetchOf({ url }, { tls: trusting }))).toEqual(small)
    })
  )

  it.scopedLive("with a certificate that is for another name or has expired fails without a retry", () =>
    Effect.gen(function* () {
      const other = yield* secure([{ type: "dns", value: "flipt.test" }])
      const old = yield* secure(loopback, 0.5)
      for (const { counts, trusting, url } of [other, old]) {
        expect(yield* failureOf({ url }, { tls: trusting })).toMatchObject({ reason: "Certificate", retryable: false })
        expect(counts).toEqual({ connections: 1, requests: 0 })
      }
    })
  )

  it.scopedLive("to a server without TLS is a network error", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      expect(yield* failureOf({ url: server.url.replace("http:", "https:") })).toMatchObject({ reason: "Network" })
      expect(yield* server.requests).toEqual([])
    })
  )
})

describe("a credential that is not available", () => {
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
