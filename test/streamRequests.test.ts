/**
 * How a stream is requested, and what follows a refusal.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Auth from "../src/Auth.js"
import { version } from "../src/internal/util/version.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { captured } from "./support/logs.js"
import {
  awaitOn,
  awaitStatus,
  CHANCE,
  counting,
  isOn,
  listenTo,
  makeClient,
  no,
  scripted,
  yes
} from "./support/streaming.js"
import { awaitSleepOf, awhile, until } from "./support/wait.js"

describe("the request for a stream", () => {
  it.scoped("names the environment and namespace, percent-encoded, below the path of the url", () =>
    Effect.gen(function* () {
      const keys = ["a/b", "a b", "m\u00fcnchen", "100%", "%2F", "a?b#c&d=e", "\u65e5\u672c", "stream"]
      for (const path of ["", "/flipt/eu%20west//"]) {
        const prefix = path.replace(/\/+$/, "")
        const server = yield* FliptServer.make({ streams: "scripted", prefix })
        for (const [nth, namespace] of (path === "" ? keys : keys.slice(0, 1)).entries()) {
          const environment = namespace.replaceAll(/[^!-~]/g, "_")
          yield* server.setDocument(yes, { environment, namespace })
          yield* Effect.scoped(
            Effect.gen(function* () {
              const url = `http://127.0.0.1:${server.port}${path}`
              yield* listenTo({ url, environment, namespace, reference: "main" })
              const { request } = yield* server.awaitStreamRequests(nth + 1)
              expect(request.method).toBe("GET")
              expect(request.target).toBe(
                `${prefix}/client/v2/environments/${encodeURIComponent(environment)}` +
                  `/namespaces/${encodeURIComponent(namespace)}/stream`
              )
            })
          )
        }
      }
    })
  )

  it.scoped("sends the loaded version as digest only if it has 40 hex digits", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const digest = "0123456789abcdefABCD".repeat(2)
      const others = [
        undefined,
        "",
        digest.slice(1),
        `${digest}0`,
        digest.slice(8),
        `g${digest.slice(1)}`,
        `"${digest}"`,
        `W/"${digest}"`,
        `${digest}\n`,
        `${digest.slice(2)}%0`
      ]
      for (const [nth, loaded] of [digest, ...others].entries()) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* listenTo({ url: server.url }, loaded === undefined ? {} : { loaded })
            const { request } = yield* server.awaitStreamRequests(nth + 1)
            expect(request.target.slice(request.target.lastIndexOf("/")), `${loaded}`).toBe(
              nth === 0 ? `/stream?digest=${digest}` : "/stream"
            )
          })
        )
      }
    })
  )

  it.scoped("has the headers of other requests except If-None-Match", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      yield* server.setDocument(yes, { environment: "staging" })
      const auth = Auth.layerClientToken(Redacted.make("t0ken")).pipe(Layer.orDie)
      yield* listenTo(
        { url: server.url, environment: "staging", headers: { "X-Gateway-Key": Redacted.make("open sesame") } },
        { auth, loaded: FliptServer.digestOf(yes) }
      )
      const { request } = yield* server.awaitStreamRequests(1)
      expect(request.target).toContain("/environments/staging/")
      expect(request.headers).toMatchObject({
        accept: "application/json",
        authorization: "Bearer t0ken",
        "user-agent": `flipt-client-effect/${version}`,
        "x-flipt-accept-server-version": "1.47.0",
        "x-flipt-environment": "staging",
        "x-gateway-key": "open sesame"
      })
      expect(request.headers).not.toHaveProperty("if-none-match")
      expect(request.headers).not.toHaveProperty("traceparent")
    })
  )

  it.scoped("always follows a plain request, which for the first stream is the client's first fetch", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      yield* makeClient({ url: server.url })
      for (const [nth, delay] of [700, 1400, 2800].entries()) {
        const stream = yield* server.awaitStreamRequests(nth + 1)
        expect(yield* server.order).toEqual(Array.from({ length: nth + 1 }, () => ["snapshot", "stream"]).flat())
        stream.write("\n")
        stream.end()
        yield* awaitSleepOf(delay)
        yield* TestClock.adjust(delay)
      }
    })
  )

  it.scoped("waits for a successful plain request if nothing is loaded yet", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      yield* server.failSnapshots(Fault.status(500))
      const client = yield* makeClient({ url: server.url })
      yield* awaitSleepOf(700)
      expect(yield* server.order).toEqual(["snapshot", "snapshot"])
      expect(yield* client.status).toMatchObject({ _tag: "Failed", mode: "streaming", connected: false })
      yield* TestClock.adjust(700)
      yield* awaitSleepOf(1400)
      expect(yield* server.order).toEqual(["snapshot", "snapshot", "snapshot"])
      yield* server.failSnapshots(undefined)
      yield* TestClock.adjust(1400)
      const { request } = yield* server.awaitStreamRequests(1)
      expect(request.target).toContain(`?digest=${FliptServer.digestOf(yes)}`)
      expect(yield* server.order).toEqual(["snapshot", "snapshot", "snapshot", "snapshot", "stream"])
      expect(yield* isOn(client)).toBe(true)
    })
  )
})

describe("a stream that is refused", () => {
  it.scoped("because of its credential is requested once more with a new credential", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      yield* server.failStreams(
        Fault.own(({ proceed, request, response }) => {
          if (request.headers.authorization !== "Bearer token-2") return proceed()
          response.writeHead(401).end('{"error":{"code":16,"message":"request was not authenticated","details":[]}}\n')
        })
      )
      const { counts, layer } = counting()
      const client = yield* makeClient({ url: server.url }, { auth: layer })
      const stream = yield* server.awaitStreamRequests(2)
      stream.write("\n")
      yield* awaitStatus(client, (status) => status.connected)
      expect(counts).toEqual({ authorized: 3, rejected: ["Bearer token-2"] })
      expect(server.streams.map(({ request }) => request.headers.authorization)).toEqual([
        "Bearer token-2",
        "Bearer token-3"
      ])
      expect(server.streams[1]!.isOpen()).toBe(true)
    })
  )

  it.scoped("because of its credential twice is requested again only after a pause", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      yield* server.failStreams(Fault.status(401))
      const { counts, layer } = counting()
      yield* makeClient({ url: server.url }, { auth: layer })
      yield* awaitSleepOf(700)
      yield* awhile
      expect(server.streams).toHaveLength(2)
      expect(counts.rejected).toEqual(["Bearer token-2"])
    })
  )

  for (const status of [400, 401, 403, 429, 500]) {
    it.scoped(`with the status ${status} is requested again, with one warning, and the state stays current`, () =>
      captured((lines) =>
        Effect.gen(function* () {
          const server = yield* scripted
          yield* server.failStreams(Fault.status(status, { body: '{"error":{"message":"not you"}}' }))
          const client = yield* makeClient({ url: server.url })
          for (const [nth, delay] of [700, 1400, 2800].entries()) {
            yield* awaitSleepOf(delay)
            expect(server.streams).toHaveLength(nth + 1)
            expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming", connected: false })
            yield* server.setDocument(nth % 2 === 0 ? no : yes)
            yield* TestClock.adjust(delay)
            yield* server.awaitStreamRequests(nth + 2)
            expect(yield* isOn(client)).toBe(nth % 2 !== 0)
          }
          const warnings = lines.filter((line) => line.level === "WARN").map((line) => line.message)
          expect(warnings).toEqual([expect.stringMatching(new RegExp(`status ${status} .*not you`))])
        })
      )
    )
  }

  it.scoped("with a Retry-After is not requested earlier", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      yield* server.failStreams(Fault.status(429, { headers: { "retry-after": "200" } }))
      yield* makeClient({ url: server.url, updateInterval: Number.POSITIVE_INFINITY })
      yield* awaitSleepOf(200_000)
      yield* TestClock.adjust(199_999)
      yield* awhile
      expect(yield* server.order).toEqual(["snapshot", "stream"])
      yield* TestClock.adjust(1)
      yield* server.awaitStreamRequests(2)
    })
  )

  it.scoped("because of an unknown environment does not mean that the server has no streams", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* scripted
        const unknown = Fault.status(404, { body: '{"code":5,"message":"environment: "x" not found","details":[]}' })
        yield* server.failStreams(
          Fault.own((exchange) => {
            Effect.runSync(server.failSnapshots(unknown))
            Fault.inflict(unknown, exchange)
          })
        )
        const client = yield* makeClient({ url: server.url })
        yield* awaitSleepOf(700)
        expect(yield* client.status).toMatchObject({
          _tag: "Stale",
          mode: "streaming",
          connected: false,
          error: { reason: "NotFound", status: 404 }
        })
        yield* TestClock.adjust(700)
        yield* awaitSleepOf(1400)
        expect(server.streams).toHaveLength(1)
        yield* server.failSnapshots(undefined)
        yield* server.failStreams(undefined)
        yield* TestClock.adjust(1400)
        yield* server.awaitStreamRequests(2)
        expect((yield* client.status)._tag).toBe("Ready")
        expect(lines.filter((line) => line.message.includes("has no streams"))).toEqual([])
      })
    )
  )

  it.scoped("is distinguished from a refused request before the stream", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* scripted
        const client = yield* makeClient({ url: server.url })
        const first = yield* server.awaitStreamRequests(1)
        let requests = 0
        yield* server.failSnapshots(
          Fault.own((exchange) => Fault.inflict(++requests <= 2 ? Fault.status(404) : Fault.pass, exchange))
        )
        first.destroy()
        for (const delay of [700, 1400, 2800]) {
          yield* awaitSleepOf(delay)
          expect(server.streams).toHaveLength(1)
          yield* TestClock.adjust(delay)
        }
        yield* server.awaitStreamRequests(2)
        expect(requests).toBe(3)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming" })
        const warnings = lines.filter((line) => line.level === "WARN").map((line) => line.message)
        expect(warnings).toEqual([expect.stringContaining("not up to date")])
      })
    )
  )

  it.scoped("by an HTML page loads nothing, and is requested again after a pause", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      yield* server.failStreams(
        Fault.status(200, { body: "<!doctype html>\n<p>Sign in\n", headers: { "content-type": "text/html" } })
      )
      const client = yield* makeClient({ url: server.url })
      for (const delay of [700, 1400, 2800]) {
        yield* awaitSleepOf(delay)
        expect(yield* isOn(client)).toBe(true)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
        yield* TestClock.adjust(delay)
      }
    })
  )
})

describe("a server without streams", () => {
  it.scoped("such as v1 is polled, with one warning", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ version: "v1", documents: { default: yes } })
        const client = yield* makeClient({ url: server.url, updateInterval: "10 minutes" })
        yield* awaitStatus(client, (status) => status.mode === "polling")
        expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: true })
        // the first fetch, the one before the stream, and one to verify that the server knows the namespace
        expect(yield* server.requests).toHaveLength(3)
        yield* server.setDocument(no)
        yield* awaitSleepOf(420_000)
        yield* TestClock.adjust(419_999)
        yield* awhile
        expect(yield* server.requests).toHaveLength(3)
        yield* TestClock.adjust(1)
        yield* awaitOn(client, false)
        expect(yield* server.requests).toHaveLength(4)
        const warnings = lines.filter((line) => line.level === "WARN").map((line) => line.message)
        expect(warnings).toEqual([expect.stringContaining("has no streams and is polled instead")])
      })
    )
  )

  for (const status of [404, 405, 501]) {
    it.scoped(`that answers ${status} is tried again after about an hour, without another warning`, () =>
      captured((lines) =>
        Effect.gen(function* () {
          const server = yield* scripted
          yield* server.failStreams(
            Fault.status(status, { body: "404 page not found\n", headers: { "content-type": "text/plain" } })
          )
          const client = yield* makeClient({ url: server.url, updateInterval: Number.POSITIVE_INFINITY })
          const warnings = () => lines.filter((line) => line.level === "WARN")
          // between half an hour and one and a half
          const hour = (0.5 + CHANCE) * 3_600_000
          for (let asked = 1; asked <= 2; asked++) {
            yield* awaitSleepOf(hour)
            expect(yield* client.status).toMatchObject({ mode: "polling", connected: true })
            expect(server.streams).toHaveLength(asked)
            yield* TestClock.adjust(hour - 1)
            yield* awhile
            expect(server.streams).toHaveLength(asked)
            yield* TestClock.adjust(1)
            yield* server.awaitStreamRequests(asked + 1)
          }
          expect(warnings()).toHaveLength(1)

          yield* server.failStreams(undefined)
          yield* awaitSleepOf(hour)
          yield* TestClock.adjust(hour)
          const stream = yield* server.awaitStreamRequests(4)
          expect(yield* client.status).toMatchObject({ mode: "streaming", connected: false })
          stream.write("\n")
          yield* awaitStatus(client, (it) => it.mode === "streaming" && it.connected)
          yield* server.setDocument(no)
          stream.push(no)
          yield* awaitOn(client, false)
          expect(warnings()).toHaveLength(1)

          yield* server.failStreams(Fault.status(status))
          yield* TestClock.adjust("1 minute")
          stream.end()
          yield* until(() => !stream.isOpen())
          yield* awaitStatus(client, (it) => !it.connected)
          yield* awaitSleepOf(4200)
          yield* TestClock.adjust(4200)
          yield* awaitStatus(client, (it) => it.mode === "polling")
          expect(warnings()).toHaveLength(2)
        })
      )
    )
  }
})
