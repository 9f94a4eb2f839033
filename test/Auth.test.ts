import * as Net from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Auth from "../src/Auth.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { FetchError, ValidationError } from "../src/FliptError.js"
import * as Tls from "../src/Tls.js"
import { onDocument } from "./support/documents.js"
import { type Exposure, exposed, shown } from "./support/Exposure.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { listen } from "./support/Listener.js"
import { errorOf } from "./support/updates.js"

const document = onDocument(true)

const httpClient = Layer.provide(Tls.layerHttpClient, Tls.layerSystem)

/** One fetch, without retries. */
const fetchWith = <E>(auth: Layer.Layer<Auth.Auth, E>, options: Fetcher.Options) =>
  Fetcher.Fetcher.pipe(
    Effect.flatMap((fetcher) => fetcher.fetch(Option.none())),
    Effect.provide(Layer.provide(Fetcher.layerPolling(options), [httpClient, auth])),
    Effect.provideService(Fetcher.RetryPolicy, Schedule.stop)
  )

/** The headers with which a layer authenticates. */
const headersOf = <E>(auth: Layer.Layer<Auth.Auth, E>) =>
  Auth.Auth.pipe(
    Effect.flatMap(({ authorize }) => authorize),
    Effect.provide(auth),
    Effect.map((headers) => ({ ...headers }))
  )

const fromMap = (variables: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

describe("a request", () => {
  const credentials = [
    ["client", Auth.layerClientToken, "Bearer "],
    ["jwt", Auth.layerJwt, "JWT "]
  ] as const

  for (const [kind, layer, prefix] of credentials) {
    for (const version of ["v1", "v2"] as const) {
      it.scopedLive(`sends a ${kind} token after ${prefix}and is accepted by a ${version} server`, () =>
        Effect.gen(function* () {
          const token = { kind, value: "a.b-c_d~e+f/g==" }
          const server = yield* FliptServer.make({ version, token, documents: { default: document } })
          const update = yield* fetchWith(layer(Redacted.make(token.value)), { url: server.url })
          expect(update._tag).toBe("Document")
          expect((yield* server.requests)[0]?.headers.authorization).toBe(`${prefix}${token.value}`)
        })
      )
    }

    it.scopedLive(`is refused with another ${kind} token`, () =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ token: { kind, value: "right" }, documents: { default: document } })
        const error = yield* errorOf(fetchWith(layer(Redacted.make("wrong")), { url: server.url }))
        expect(error).toMatchObject({ reason: "Unauthorized", status: 401, retryable: false })
      })
    )
  }

  it.scopedLive("sends no credential with layerNone", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      yield* fetchWith(Auth.layerNone, { url: server.url })
      expect((yield* server.requests)[0]?.headers).not.toHaveProperty("authorization")
    })
  )

  it.scopedLive("prefers the layer's credential to one in the option headers", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const auth = Auth.layerClientToken(Redacted.make("mine"))
      yield* fetchWith(auth, { url: server.url, headers: { Authorization: "Basic abc" } })
      yield* fetchWith(Auth.layerNone, { url: server.url, headers: { Authorization: "Basic abc" } })
      expect((yield* server.requests).map(({ headers }) => headers.authorization)).toEqual(["Bearer mine", "Basic abc"])
    })
  )

  it.effect("keeps its credential after a refusal", () =>
    Effect.gen(function* () {
      for (const layer of [
        Auth.layerNone,
        Auth.layerClientToken(Redacted.make("a")),
        Auth.layerJwt(Redacted.make("b"))
      ]) {
        const auth = Context.get(yield* Layer.build(layer), Auth.Auth)
        const before = yield* auth.authorize
        yield* auth.invalidate(before)
        expect(yield* auth.authorize).toEqual(before)
      }
    }).pipe(Effect.scoped)
  )
})

describe("layerConfig", () => {
  it.effect("reads a client token from FLIPT_CLIENT_TOKEN", () =>
    Effect.gen(function* () {
      expect(yield* headersOf(Auth.layerConfig())).toEqual({ authorization: "Bearer sesame" })
    }).pipe(fromMap({ FLIPT_CLIENT_TOKEN: "sesame" }))
  )

  it.effect("reads a JWT from FLIPT_JWT_TOKEN", () =>
    Effect.gen(function* () {
      expect(yield* headersOf(Auth.layerConfig())).toEqual({ authorization: "JWT sesame" })
    }).pipe(fromMap({ FLIPT_JWT_TOKEN: "sesame" }))
  )

  it.effect("provides no credential if neither is set", () =>
    Effect.gen(function* () {
      expect(yield* headersOf(Auth.layerConfig())).toEqual({})
    }).pipe(fromMap({ FLIPT_TOKEN: "sesame" }))
  )

  it.effect("fails if both are set, and shows neither", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(headersOf(Auth.layerConfig()))
      expect(ConfigError.isConfigError(error)).toBe(true)
      expect(String(error)).toContain("FLIPT_CLIENT_TOKEN and FLIPT_JWT_TOKEN are both set")
      expect(shown(error)).not.toContain("sesame")
    }).pipe(fromMap({ FLIPT_CLIENT_TOKEN: "sesame-1", FLIPT_JWT_TOKEN: "sesame-2" }))
  )

  it.effect("accepts a custom config", () =>
    Effect.gen(function* () {
      const jwt = Config.map(Config.redacted("VAULT_JWT"), (jwtToken) => ({ jwtToken }))
      expect(yield* headersOf(Auth.layerConfig(jwt))).toEqual({ authorization: "JWT sesame" })
      const none = Config.succeed(undefined)
      expect(yield* headersOf(Auth.layerConfig(none))).toEqual({})
      const missing = Config.map(Config.redacted("NOT_SET"), (clientToken) => ({ clientToken }))
      const error = yield* Effect.flip(headersOf(Auth.layerConfig(missing)))
      expect(ConfigError.isConfigError(error) && ConfigError.isMissingData(error)).toBe(true)
    }).pipe(fromMap({ VAULT_JWT: "sesame", FLIPT_CLIENT_TOKEN: "another" }))
  )

  it.effect("rejects a token that cannot be sent", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(headersOf(Auth.layerConfig()))
      expect(error).toMatchObject({ _tag: "ValidationError", path: "authentication.clientToken" })
      expect(shown(error)).not.toContain("sesame")
    }).pipe(fromMap({ FLIPT_CLIENT_TOKEN: "sesame\n" }))
  )
})

describe("an invalid token", () => {
  const credentials = [
    [Auth.layerClientToken, "authentication.clientToken"],
    [Auth.layerJwt, "authentication.jwtToken"]
  ] as const

  const refused = (layer: Layer.Layer<Auth.Auth, ValidationError>) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      expect(error).toBeInstanceOf(ValidationError)
      expect(error).toMatchObject({ reason: "Option" })
      expect(shown(error)).not.toContain("sesame")
      return error
    })

  for (const [layer, path] of credentials) {
    it.effect(`is an error that names the token without showing it: ${path}`, () =>
      Effect.gen(function* () {
        const tokens = [
          "sesame\n",
          "sesame\r\nX-Admin: 1",
          " sesame",
          "sesame ",
          "open sesame",
          "sesame\t",
          "sesame\0",
          "sesame\u007f",
          "sesam\u00e9 sesame",
          "sesame\u2028"
        ]
        for (const token of tokens) {
          const error = yield* refused(layer(Redacted.make(token)))
          expect(error.path).toBe(path)
          expect(error.message).toContain("a header cannot contain")
        }
        const empty = yield* refused(layer(Redacted.make("")))
        expect(empty.path).toBe(path)
        expect(empty.message).toContain("is empty")
        expect((yield* refused(layer(Redacted.make(" ")))).path).toBe(path)
      })
    )

    it.effect(`is not sent as the word "undefined": ${path}`, () =>
      Effect.gen(function* () {
        // as in Redacted.make(process.env.TOKEN!)
        for (const token of [undefined, null, 5, true]) {
          expect((yield* refused(layer(Redacted.make(token) as never))).path).toBe(path)
        }
      })
    )

    it.effect(`fails in the error channel even if it is not Redacted: ${path}`, () =>
      Effect.gen(function* () {
        for (const token of ["sesame", undefined, null, {}]) {
          expect((yield* refused(layer(token as never))).path).toBe(path)
        }
      })
    )
  }
})

describe("a secret", () => {
  const token = "flipt-t0ken-sesame"
  const key = "k3y-tulip"
  const headers = { "X-Key": Redacted.make(key) }

  const expectHidden = (text: string) => {
    expect(text).not.toContain("sesame")
    expect(text).not.toContain("tulip")
  }

  it.scoped("does not appear in printed services and contexts", () =>
    Effect.gen(function* () {
      for (const layer of [Auth.layerClientToken(Redacted.make(token)), Auth.layerJwt(Redacted.make(token))]) {
        const fetcher = Fetcher.layerPolling({ headers }).pipe(Layer.provideMerge(layer), Layer.provide(httpClient))
        const context = yield* Layer.build(fetcher)
        for (const value of [
          layer,
          fetcher,
          context,
          Context.get(context, Auth.Auth),
          Context.get(context, Fetcher.Fetcher),
          Context.get(context, Auth.Auth).authorize,
          Context.get(context, Fetcher.Fetcher).fetch(Option.none()),
          yield* Effect.exit(Layer.build(fetcher))
        ]) {
          expectHidden(shown(value))
        }
      }
    })
  )

  /** A server that echoes every request, with a fixed status. */
  const echo = (status: number) =>
    Effect.map(
      listen(
        Net.createServer((socket) => {
          socket.once("data", (request) => {
            const body = JSON.stringify({ code: 2, message: request.toString("latin1") })
            socket.end(`HTTP/1.1 ${status} Status\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
          })
        })
      ),
      (port) => `http://127.0.0.1:${port}`
    )

  const faulty = (fault: Fault.Fault) =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      yield* server.failAlways(fault)
      return server.url
    })

  const stopped = Effect.gen(function* () {
    const server = yield* FliptServer.make()
    yield* server.stop
    return server.url
  })

  /** Echoes the request byte for byte, which is not an HTTP response. */
  const mirror = Effect.map(
    listen(Net.createServer((socket) => void socket.on("error", () => socket.destroy()).pipe(socket))),
    (port) => `http://127.0.0.1:${port}`
  )

  const failures: {
    readonly [failure: string]: readonly [FetchError["reason"], Effect.Effect<string, never, Scope.Scope>]
  } = {
    "status 401": ["Unauthorized", echo(401)],
    "status 403": ["Forbidden", echo(403)],
    "status 500": ["Status", echo(500)],
    "a redirect to another origin": ["Status", faulty(Fault.redirect("http://elsewhere.invalid/"))],
    "a refused connection": ["Network", stopped],
    "a reset connection": ["Network", faulty(Fault.reset)],
    "a host that does not exist": ["Network", Effect.succeed("http://flipt.invalid")],
    "a server that hangs": ["Timeout", faulty(Fault.hangBeforeHeaders)],
    "a body that hangs": ["Timeout", faulty(Fault.hangInBody(5))],
    "a body cut short": ["Network", faulty(Fault.cutBody(5))],
    "a body that is not gzip": ["Body", faulty(Fault.invalidGzip)],
    "a body that is too large": ["TooLarge", faulty(Fault.gzipBomb(1024 * 1024))],
    "a server that echoes bytes": ["Network", mirror]
  }

  for (const [failure, [reason, start]] of Object.entries(failures)) {
    it.scopedLive(`does not appear when a fetch fails because of ${failure}`, () =>
      exposed((exposure: Exposure) =>
        Effect.gen(function* () {
          const url = yield* start
          // short only for the faults that must time out, because the machine may be busy
          const requestTimeout = reason === "Timeout" ? ("100 millis" as const) : ("30 seconds" as const)
          const options = { url, headers, requestTimeout, maxBodySize: 64 * 1024 }
          for (const auth of [Auth.layerClientToken(Redacted.make(token)), Auth.layerJwt(Redacted.make(token))]) {
            const exit = yield* Effect.exit(fetchWith(auth, options).pipe(Effect.withSpan("fetch")))
            const error = yield* errorOf(exit)
            expect(error).toBeInstanceOf(FetchError)
            expect(error).toMatchObject({ reason })
            yield* Effect.logError("the fetch failed", exit, error, Exit.isFailure(exit) ? exit.cause : "")
            expectHidden(shown(exit))
            expectHidden(shown(error))
          }
          expect(exposure.trace.length).toBeGreaterThan(0)
          expect(exposure.log.length).toBeGreaterThan(0)
          expectHidden(exposure.log.join("\n"))
          expectHidden(exposure.trace.join("\n"))
        })
      )
    )
  }

  for (const status of [401, 500]) {
    it.scopedLive(`does not appear in a client without a state after status ${status}`, () =>
      exposed((exposure: Exposure) =>
        Effect.gen(function* () {
          const client = yield* FliptClient.make({
            url: yield* echo(status),
            headers,
            authentication: { clientToken: Redacted.make(token) },
            errorStrategy: "fallback"
          })
          yield* Effect.exit(client.refresh)
          const exit = yield* Effect.exit(client.evaluateBoolean({ flagKey: "on", entityId: "a" }))
          expect(Exit.isFailure(exit)).toBe(true)
          expectHidden(shown(exit))
          expectHidden(shown(client))
          expectHidden(shown(yield* client.status))
          expect(exposure.log.join("\n")).toContain(`status ${status}`)
          expectHidden(exposure.log.join("\n"))
          expectHidden(exposure.trace.join("\n"))
        })
      ).pipe(Effect.provideService(Fetcher.RetryPolicy, Schedule.stop))
    )
  }

  it.scopedLive("does not appear in the trace of a successful fetch", () =>
    exposed((exposure) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: document } })
        const auth = Auth.layerClientToken(Redacted.make(token))
        yield* fetchWith(auth, { url: server.url, headers }).pipe(Effect.withSpan("mine"))
        expectHidden(exposure.log.join("\n"))
        expectHidden(exposure.trace.join("\n"))
        expect(exposure.trace.filter((line) => /^http/.test(line))).toEqual([])
      })
    )
  )
})
