/**
 * Failing requests, as seen by an application with a complete client.
 */
import * as Http from "node:http"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Auth from "../../src/Auth.js"
import * as Tls from "../../src/Tls.js"
import { booleanFlag, makeDocument, onDocument } from "../support/documents.js"
import * as Fault from "../support/Fault.js"
import * as FliptServer from "../support/FliptServer.js"
import { listen } from "../support/Listener.js"
import { until } from "../support/wait.js"
import {
  afterStart,
  atOnce,
  atStart,
  closed,
  engineScenario,
  failed,
  makeClient,
  makeClientOver,
  on,
  once,
  outage,
  ready,
  type Setting,
  scenario,
  seen,
  serve,
  stale,
  told,
  v1,
  v2
} from "./support.js"

/** A fault that affects every request until it ends. */
const lasting = (fault: Fault.Fault) => ({
  begin: (server: FliptServer.Server) => server.failAlways(fault),
  end: (server: FliptServer.Server) => server.failAlways(undefined)
})

const refused = {
  begin: (server: FliptServer.Server) => server.stop,
  end: (server: FliptServer.Server) => server.start,
  error: { _tag: "FetchError", reason: "Network", retryable: true },
  says: "ECONNREFUSED",
  requests: 0
} as const

scenario("connection refused at start", (setting, logs) => atStart(setting, logs, refused))

scenario("connection refused after start", (setting, logs) => afterStart(setting, logs, refused))

/** The library's HttpClient. While `names.lost` is true, it sends requests to a host that does not exist. */
const withNames = (names: { lost: boolean }) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(
      HttpClient.HttpClient,
      HttpClient.mapRequest((request) =>
        names.lost ? HttpClientRequest.setUrl(request, request.url.replace("127.0.0.1", "flipt.invalid")) : request
      )
    )
  ).pipe(Layer.provide(Tls.layerHttpClient), Layer.provide(Tls.layerSystem))

scenario("DNS failure", (setting, logs) => {
  const names = { lost: false }
  const lose = (lost: boolean) => () =>
    Effect.sync(() => {
      names.lost = lost
    })
  // one lookup per attempt, because some resolvers take seconds for each
  return outage(setting, logs, {
    begin: lose(true),
    end: lose(false),
    error: { _tag: "FetchError", reason: "Network", retryable: true },
    says: "flipt.invalid",
    requests: 0,
    make: ({ url }) =>
      makeClientOver(setting, withNames(names), { url, updateInterval: Number.POSITIVE_INFINITY }, once)
  })
})

/** Writes this part of an answer and then resets the connection. */
const resetAfter = (text: string) =>
  Fault.own(({ request: { socket } }) => {
    socket.write(text, () => socket.resetAndDestroy())
  })

scenario("reset in the headers", (setting, logs) =>
  outage(setting, logs, {
    ...lasting(resetAfter("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nEtag: v")),
    error: { _tag: "FetchError", reason: "Network", retryable: true },
    says: "no response",
    requests: 4
  })
)

scenario("reset in the body", (setting, logs) =>
  outage(setting, logs, {
    ...lasting(resetAfter('HTTP/1.1 200 OK\r\nEtag: v2\r\nContent-Length: 1000\r\n\r\n{"namespace":{"key":"default"}')),
    error: { _tag: "FetchError", reason: "Network", retryable: true },
    // timing decides whether the client sees the headers before the reset
    says: "/internal/v1/evaluation/snapshot/namespace/default: ",
    requests: 4
  })
)

engineScenario("truncated JSON with a new ETag, then the same ETag with a good body", (setting, logs) =>
  Effect.gen(function* () {
    const text = JSON.stringify(v2)
    for (const length of [1, 30, text.length - 1]) {
      yield* outage(setting, logs, {
        ...lasting(Fault.garbage(text.slice(0, length), { etag: "v2" })),
        error: { _tag: "EngineError", reason: "Document" },
        says: "cannot be loaded",
        // the answer is complete, so the request is not retried
        requests: 1
      })
    }
    const server = yield* serve()
    const client = yield* makeClient({ ...setting, errorStrategy: "fallback" }, { url: server.url })
    yield* server.fail(Fault.garbage(text.slice(0, -1), { etag: "v2" }), Fault.garbage(text, { etag: "v2" }))
    yield* Effect.flip(client.refresh)
    expect(yield* client.refresh).toBe(true)
    expect((yield* server.requests).map(({ headers }) => headers["if-none-match"])).toEqual([undefined, "v1", "v1"])
    expect(yield* seen(client)).toEqual(ready(false, "v2"))
  })
)

const bodies = {
  "200 with {}": "{}",
  "200 with HTML": "<!DOCTYPE html><html><body>Sign in to the Wi-Fi</body></html>",
  "200 with an empty body": ""
} as const

for (const [name, body] of Object.entries(bodies)) {
  engineScenario(name, (setting, logs) =>
    outage(setting, logs, {
      ...lasting(Fault.garbage(body, { etag: "v2" })),
      error: { _tag: "EngineError", reason: "Document" },
      says: "cannot be loaded",
      requests: 1
    })
  )
}

scenario("invalid gzip", (setting, logs) =>
  outage(setting, logs, {
    ...lasting(Fault.invalidGzip),
    error: { _tag: "FetchError", reason: "Body", retryable: false },
    says: "check whether a proxy changes responses",
    requests: 1
  })
)

scenario("gzip bomb beyond the limit", (setting, logs) =>
  Effect.gen(function* () {
    const decoded = 256 * 1024 * 1024
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
    yield* outage(setting, logs, {
      ...lasting(Fault.gzipBomb(decoded)),
      error: { _tag: "FetchError", reason: "TooLarge", retryable: false },
      says: "raise maxBodySize",
      requests: 1,
      options: { maxBodySize: 1024 * 1024 }
    })
    expect(peak - before).toBeLessThan(decoded / 4)
  })
)

scenario("304 to a request without If-None-Match", (setting, logs) =>
  Effect.gen(function* () {
    yield* atStart(setting, logs, {
      ...lasting(Fault.notModified({ etag: "v1" })),
      error: { _tag: "FetchError", reason: "Status", status: 304, retryable: false },
      says: "the request was not conditional",
      requests: 1
    })
    // The version of a loaded state may not be valid in a header, and then the request is not conditional either.
    const from = logs.length
    const answers: Array<() => readonly [status: number, body: string]> = [
      () => [200, JSON.stringify({ ...v1, digest: "v\u20ac1" })],
      () => [304, ""],
      () => [200, JSON.stringify({ ...v2, digest: "v2" })]
    ]
    const asked: Array<string | undefined> = []
    const port = yield* listen(
      Http.createServer((request, response) => {
        asked.push(request.headers["if-none-match"])
        const [status, body] = answers.shift()?.() ?? [500, ""]
        response.writeHead(status).end(body)
      })
    )
    const client = yield* makeClient(setting, { url: `http://127.0.0.1:${port}` })
    expect(yield* Effect.flip(client.refresh)).toMatchObject({ reason: "Status", status: 304 })
    expect(yield* seen(client)).toEqual({ ...stale(setting, "Status"), version: "v\u20ac1" })
    expect(yield* client.refresh).toBe(true)
    expect(asked).toEqual([undefined, undefined, undefined])
    expect(yield* seen(client)).toEqual(ready(false, "v2"))
    expect(told(logs.slice(from))).toEqual(["WARN", "INFO"])
  })
)

engineScenario("ETag flapping", (setting, logs) =>
  Effect.gen(function* () {
    const server = yield* serve()
    const scope = yield* Scope.make()
    const client = yield* Scope.extend(makeClient(setting, { url: server.url }), scope)
    const first = yield* Effect.scoped(client.snapshot)
    // two servers behind one address, one of which is out of date
    for (let turn = 1; turn <= 60; turn++) {
      const old = turn % 2 === 0
      yield* server.setDocument(old ? v1 : v2, { etag: old ? "v1" : "v2" })
      expect(yield* client.refresh).toBe(true)
      expect(yield* seen(client)).toEqual(ready(old, old ? "v1" : "v2"))
    }
    // two servers with the same content but different ETags
    for (const etag of ["a", "b", "a", "b"]) {
      yield* server.setDocument(v1, { etag })
      expect(yield* client.refresh).toBe(true)
      expect(yield* seen(client)).toEqual(ready(true, etag))
    }
    expect(yield* client.refresh).toBe(false)
    expect((yield* server.requests).length).toBe(66)
    // replaced states are not kept
    expect(first.boolean(on)).toMatchObject({ left: { reason: "Closed" } })
    expect(told(logs)).toEqual([])
    expect(yield* server.connections).toBeLessThanOrEqual(2)
    yield* closed(server, scope)
  })
)

const token = (value: string) => ({ kind: "client", value }) as const

scenario("401, then a good token", (setting, logs) =>
  Effect.gen(function* () {
    yield* outage(setting, logs, {
      begin: (server) => server.setToken(token("another")),
      end: (server) => server.setToken(token("right")),
      error: { _tag: "FetchError", reason: "Unauthorized", status: 401, retryable: false },
      says: "the credential was refused",
      requests: 1,
      options: { authentication: { clientToken: Redacted.make("right") } },
      server: { token: token("right") }
    })
    expect(logs.filter((line) => line.message.includes("right"))).toEqual([])

    // If Auth has a new credential, the application does not notice.
    const from = logs.length
    const credential = { value: "old" }
    const auth = Layer.succeed(Auth.Auth, {
      authorize: Effect.sync(() => Headers.fromInput({ authorization: `Bearer ${credential.value}` })),
      invalidate: () =>
        Effect.sync(() => {
          credential.value = "new"
        })
    })
    const server = yield* serve({ token: token("old") })
    const http = Layer.provide(Tls.layerHttpClient, Tls.layerSystem)
    const options = { url: server.url, updateInterval: Number.POSITIVE_INFINITY }
    const client = yield* makeClientOver(setting, http, options, once, auth)
    yield* server.setToken(token("new"))
    expect(yield* client.refresh).toBe(false)
    expect(yield* seen(client)).toEqual(ready(true, "v1"))
    expect((yield* server.requests).map(({ headers }) => headers.authorization)).toEqual([
      "Bearer old",
      "Bearer old",
      "Bearer new"
    ])
    expect(logs.slice(from)).toEqual([])
  })
)

scenario("404 namespace, then created", (setting, logs) =>
  Effect.gen(function* () {
    const server = yield* FliptServer.make()
    const notFound = { _tag: "FetchError", reason: "NotFound", status: 404, retryable: false }
    if (setting.errorStrategy === "fail") {
      const error = yield* Effect.flip(makeClient(setting, { url: server.url, namespace: "shop" }))
      expect(error).toMatchObject(notFound)
      expect(error.message).toContain('namespace "shop" not found')
      expect(told(logs)).toEqual([])
    } else {
      const client = yield* makeClient(setting, { url: server.url, namespace: "shop" })
      expect(yield* Effect.flip(client.refresh)).toMatchObject(notFound)
      expect(yield* seen(client)).toEqual(failed("NotFound"))
      yield* server.setDocument(onDocument(true, "shop"), { namespace: "shop", etag: "v1" })
      expect(yield* client.refresh).toBe(true)
      expect(yield* seen(client)).toEqual(ready(true, "v1"))
      expect(told(logs)).toEqual(["WARN", "INFO"])
    }
    yield* server.setDocument(onDocument(true, "shop"), { namespace: "shop", etag: "v1" })
    const from = logs.length
    const { length } = yield* server.requests
    const client = yield* makeClient(setting, { url: server.url, namespace: "shop" })
    yield* server.removeNamespace({ namespace: "shop" })
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(yield* Effect.flip(client.refresh)).toMatchObject(notFound)
      expect(yield* seen(client)).toEqual(stale(setting, "NotFound"))
    }
    yield* server.setDocument(onDocument(false, "shop"), { namespace: "shop", etag: "v2" })
    expect(yield* client.refresh).toBe(true)
    expect(yield* seen(client)).toEqual(ready(false, "v2"))
    expect((yield* server.requests).length - length).toBe(5)
    expect(told(logs.slice(from))).toEqual(["WARN", "INFO"])
  })
)

scenario("redirect to another origin", (setting, logs) =>
  Effect.gen(function* () {
    const other = yield* serve()
    yield* outage(setting, logs, {
      ...lasting(Fault.redirect(`${other.url}/internal/v1/evaluation/snapshot/namespace/default`)),
      error: { _tag: "FetchError", reason: "Status", status: 302, retryable: false },
      says: `another origin, ${other.url}`,
      requests: 1,
      options: { authentication: { clientToken: Redacted.make("t0ken") } }
    })
    expect(yield* other.requests).toEqual([])
    expect(yield* other.connections).toBe(0)
  })
)

/** More than 16 MB of flags. The evaluated one is the last. */
const large = Buffer.from(
  JSON.stringify({
    ...makeDocument([
      ...Array.from({ length: 2_000 }, (_, n) => ({
        ...booleanFlag(`flag-${n}`, n % 2 === 0),
        description: "lorem ipsum ".repeat(700)
      })),
      booleanFlag("on", false)
    ]),
    digest: "b".repeat(40)
  })
)

const largeScenario = (setting: Setting, fetchMode: "polling" | "streaming") =>
  Effect.gen(function* () {
    expect(large.length).toBeGreaterThan(16_000_000)
    const server = yield* serve()
    const scope = yield* Scope.make()
    // without compression, which would take most of the test's time
    const options = { url: server.url, fetchMode, headers: { "Accept-Encoding": "identity" } }
    const client = yield* Scope.extend(makeClient(setting, options), scope)
    if (fetchMode === "streaming") yield* server.awaitRequests(2)
    const before = yield* server.requests
    yield* server.setDocument(large, { etag: "b".repeat(40) })
    const refreshing = yield* Effect.fork(fetchMode === "polling" ? client.refresh : Effect.void)
    // while the document arrives, the client serves the previous state
    let answered = 0
    yield* until(
      Effect.map(seen(client), ({ on, status }) => {
        expect(status).toBe("Ready")
        answered++
        return on === false
      })
    )
    yield* Fiber.join(refreshing)
    expect(answered).toBeGreaterThan(10)
    expect(yield* seen(client)).toEqual(ready(false, "b".repeat(40)))
    expect((yield* client.listFlags).length).toBe(2_001)
    expect((yield* server.requests).length - before.length).toBe(fetchMode === "polling" ? 1 : 0)
    expect(yield* client.refresh).toBe(false)
    yield* closed(server, scope)
  })

engineScenario("a document of 16 MB", (setting, logs) =>
  Effect.gen(function* () {
    yield* largeScenario(setting, "polling")
    yield* largeScenario(setting, "streaming")
    expect(told(logs)).toEqual([])
  })
)

scenario("1,000 refreshes at once (one request)", (setting, logs) =>
  Effect.gen(function* () {
    const server = yield* serve()
    const client = yield* makeClient(setting, { url: server.url }, atOnce)
    const crowd = Effect.all(
      Array.from({ length: 1000 }, () => Effect.either(client.refresh)),
      { concurrency: "unbounded" }
    )
    yield* server.setDocument(v2, { etag: "v2" })
    const loaded = yield* crowd
    expect(loaded.every((result) => result._tag === "Right" && result.right)).toBe(true)
    expect((yield* server.requests).length).toBe(2)
    expect(told(logs)).toEqual([])

    yield* server.fail(Fault.status(400))
    const errors = (yield* crowd).map((result) => (result._tag === "Left" ? result.left : undefined))
    expect(errors[0]).toMatchObject({ reason: "Status", status: 400 })
    expect(new Set(errors).size).toBe(1)
    expect((yield* server.requests).length).toBe(3)
    expect(told(logs)).toEqual(["WARN"])
    expect(yield* server.connections).toBeLessThanOrEqual(2)

    expect((yield* crowd).every((result) => result._tag === "Right" && !result.right)).toBe(true)
    expect((yield* server.requests).length).toBe(4)
    expect(told(logs)).toEqual(["WARN", "INFO"])
  })
)
