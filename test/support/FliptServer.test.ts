import * as Crypto from "node:crypto"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Zlib from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { ask, clientPath, error, open, parse, path } from "./ask.js"
import * as Fault from "./Fault.js"
import * as FliptServer from "./FliptServer.js"
import { awhile } from "./wait.js"

const document = { namespace: { key: "default" }, flags: [] }

describe("snapshots", () => {
  it.scopedLive("v2 puts the ETag, 40 hex digits without quotes, into the document as its digest", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const outcome = yield* ask(server, path())
      expect(outcome.status).toBe(200)
      expect(outcome.headers["content-type"]).toBe("application/json")
      expect(outcome.headers.etag).toMatch(/^[0-9a-f]{40}$/)
      expect(parse(outcome)).toEqual({ ...document, digest: outcome.headers.etag })

      const viaFetch = yield* Effect.promise(() => fetch(`${server.url}${path()}`).then((response) => response.json()))
      expect(viaFetch).toEqual(parse(outcome))
    })
  )

  it.scopedLive("v2 uses a document's digest as its ETag", () =>
    Effect.gen(function* () {
      const own = { ...document, digest: "0123456789abcdef0123456789abcdef" }
      const server = yield* FliptServer.make({ documents: { default: own } })
      const outcome = yield* ask(server, path())
      expect(outcome.headers.etag).toBe(own.digest)
      expect(parse(outcome)).toEqual(own)
    })
  )

  it.scopedLive("v1 does not add a digest to the document", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ version: "v1", documents: { default: document } })
      const outcome = yield* ask(server, path())
      expect(outcome.headers.etag).toMatch(/^[0-9a-f]{40}$/)
      expect(parse(outcome)).toEqual(document)
    })
  )

  it.scopedLive("the ETag depends on the namespace and on the content", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { a: document, b: document } })
      const a = yield* ask(server, path("a"))
      const b = yield* ask(server, path("b"))
      yield* server.setDocument({ ...document, flags: [{ key: "f" }] }, { namespace: "a" })
      const changed = yield* ask(server, path("a"))
      expect(new Set([a.headers.etag, b.headers.etag, changed.headers.etag]).size).toBe(3)
      yield* server.setDocument(document, { namespace: "a" })
      expect((yield* ask(server, path("a"))).headers.etag).toBe(a.headers.etag)
      yield* server.setDocument(document, { namespace: "a", etag: "mine" })
      const mine = yield* ask(server, path("a"))
      expect(mine.headers.etag).toBe("mine")
      expect(parse(mine)).toHaveProperty("digest", "mine")
    })
  )

  it.scopedLive("sends a 304 with the ETag and no body, but only for exactly that If-None-Match", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const etag = (yield* ask(server, path())).headers.etag!
      const same = yield* ask(server, path(), { headers: { "if-none-match": etag, "accept-encoding": "gzip" } })
      expect(same.status).toBe(304)
      expect(same.headers.etag).toBe(etag)
      expect(same.headers["content-encoding"]).toBeUndefined()
      expect(same.body.byteLength).toBe(0)
      for (const other of [`"${etag}"`, `W/"${etag}"`, etag.toUpperCase(), "*"]) {
        expect((yield* ask(server, path(), { headers: { "if-none-match": other } })).status).toBe(200)
      }
    })
  )

  it.scopedLive("is compressed for clients that accept gzip", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      for (const coding of ["gzip", "deflate, gzip;q=0.5", "br, GZIP"]) {
        const outcome = yield* ask(server, path(), { headers: { "accept-encoding": coding } })
        expect(outcome.headers["content-encoding"]).toBe("gzip")
        expect(outcome.headers["transfer-encoding"]).toBe("chunked")
        expect(JSON.parse(Zlib.gunzipSync(outcome.body).toString())).toMatchObject(document)
      }
      for (const coding of ["identity", "gzip;q=0", "gzip;q=0.000", "x-gzip"]) {
        const outcome = yield* ask(server, path(), { headers: { "accept-encoding": coding } })
        expect(outcome.headers["content-encoding"]).toBeUndefined()
        expect(Number(outcome.headers["content-length"])).toBe(outcome.body.byteLength)
      }
    })
  )

  it.scopedLive("the white space varies between responses, the content does not", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const first = yield* ask(server, path())
      const second = yield* ask(server, path())
      expect(second.body.toString()).not.toBe(first.body.toString())
      expect(parse(second)).toEqual(parse(first))
      expect(second.headers.etag).toBe(first.headers.etag)
    })
  )

  it.scopedLive("bytes, and text that is not a document, are served unchanged", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make()
      const bytes = new TextEncoder().encode('{"namespace":{"key":"default"}}')
      for (const content of [bytes, "[]", "no json", ""]) {
        yield* server.setDocument(content)
        for (let n = 0; n < 2; n++) {
          const outcome = yield* ask(server, path())
          expect(outcome.status).toBe(200)
          expect(outcome.body).toEqual(Buffer.from(content))
          expect(outcome.headers.etag).toMatch(/^[0-9a-f]{40}$/)
        }
      }
    })
  )

  it.scopedLive("the text of a document keeps its form, except for the digest", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make()
      yield* server.setDocument('{ "n": 1.0, "n": 2 }', { etag: "e" })
      expect((yield* ask(server, path())).body.toString()).toBe('{"digest":"e", "n": 1.0, "n": 2 }')
      yield* server.setDocument("{}", { etag: "e" })
      expect((yield* ask(server, path())).body.toString()).toBe('{"digest":"e"}')
    })
  )

  it.scopedLive("namespaces are percent-decoded, and logged as sent", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { "кома нда/+?": document } })
      const encoded = path(encodeURIComponent("кома нда/+?"))
      expect((yield* ask(server, `${encoded}?reference=a%20b&x=1`)).status).toBe(200)
      const [request] = yield* server.requests
      expect(request).toMatchObject({
        method: "GET",
        target: `${encoded}?reference=a%20b&x=1`,
        path: encoded,
        query: { reference: "a b", x: "1" }
      })
      expect((yield* ask(server, path("%E0%A4"))).status).toBe(400)
    })
  )
})

describe("missing resources", () => {
  it.scopedLive("an unknown namespace is a 404 on v2, and has no flags on v1", () =>
    Effect.gen(function* () {
      const v2 = yield* FliptServer.make()
      const missing = yield* ask(v2, path("x"))
      expect(missing.status).toBe(404)
      expect(parse(missing)).toEqual(error(5, 'evaluation snapshot for namespace "x" not found'))
      expect((yield* ask(v2, clientPath("default", "x"))).status).toBe(404)

      const v1 = yield* FliptServer.make({ version: "v1" })
      const empty = yield* ask(v1, path("x"))
      expect(empty.status).toBe(200)
      expect(parse(empty)).toEqual({ namespace: { key: "x" }, flags: [] })
    })
  )

  it.scopedLive("a removed namespace is unknown again", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      yield* server.removeNamespace()
      expect((yield* ask(server, path())).status).toBe(404)
      yield* server.setDocument(document, { environment: "prod", namespace: "n" })
      yield* server.removeNamespace({ environment: "prod", namespace: "n" })
      const gone = yield* ask(server, path("n"), { headers: { "x-flipt-environment": "prod" } })
      expect(parse(gone)).toHaveProperty("message", 'evaluation snapshot for namespace "n" not found')
    })
  )

  it.scopedLive("an unknown path gets Flipt's 404", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ token: { kind: "client", value: "t" } })
      for (const wrong of ["/", "/nowhere", `/${path()}`, `${path()}/`, path(""), "/internal/v1", "*"]) {
        const outcome = yield* ask(server, wrong)
        expect(outcome.status).toBe(404)
        expect(parse(outcome)).toEqual(error(5, "Not Found"))
      }
    })
  )

  it.scopedLive("methods other than GET are not implemented", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const outcome = yield* ask(server, path(), { method: "POST" })
      expect(outcome.status).toBe(501)
      expect(parse(outcome)).toEqual(error(12, "Method Not Allowed"))
    })
  )

  it.scopedLive("v1 has no client API: 404 in plain text", () =>
    Effect.gen(function* () {
      const v1 = yield* FliptServer.make({ version: "v1", documents: { default: document } })
      for (const what of ["snapshot", "stream"]) {
        const outcome = yield* ask(v1, clientPath("default", "default", what))
        expect(outcome.status).toBe(404)
        expect(outcome.headers["content-type"]).toContain("text/plain")
      }
    })
  )
})

describe("environments", () => {
  const at = (environment: string) => ({ headers: { "x-flipt-environment": environment } })
  const named = (name: string) => ({ namespace: { key: "default", name }, flags: [] })

  it.scopedLive("the header selects the environment, and an unknown one is not found", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: named("default") } })
      yield* server.setDocument(named("prod"), { environment: "prod" })
      expect(parse(yield* ask(server, path()))).toMatchObject(named("default"))
      expect(parse(yield* ask(server, path(), at("prod")))).toMatchObject(named("prod"))
      const unknown = yield* ask(server, path(), at("x"))
      expect(unknown.status).toBe(404)
      expect(parse(unknown)).toEqual(error(5, 'failed to get environment "x" from context: environment: "x" not found'))
    })
  )

  it.scopedLive("an unknown environment in the path means the default one, unless there is a header", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: named("default") } })
      yield* server.setDocument(named("prod"), { environment: "prod" })
      expect(parse(yield* ask(server, clientPath("prod", "default")))).toMatchObject(named("prod"))
      expect(parse(yield* ask(server, clientPath("x", "default")))).toMatchObject(named("default"))
      expect((yield* ask(server, clientPath("x", "default"), at("x"))).status).toBe(404)
    })
  )

  it.scopedLive("v1 has no environments", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ version: "v1", documents: { default: named("default") } })
      expect(parse(yield* ask(server, path(), at("x")))).toEqual(named("default"))
    })
  )
})

it.scopedLive("a reference counts on v1, but not on v2", () =>
  Effect.gen(function* () {
    for (const version of ["v1", "v2"] as const) {
      const server = yield* FliptServer.make({ version, documents: { default: { on: "main" } } })
      yield* server.setDocument({ on: "branch" }, { reference: "a/b" })
      const outcome = yield* ask(server, `${path()}?reference=a%2Fb`)
      expect(parse(outcome)).toMatchObject({ on: version === "v1" ? "branch" : "main" })
      expect(parse(yield* ask(server, path()))).toMatchObject({ on: "main" })
    }
  })
)

it.scopedLive("v1 sends a rule with several segments once for each segment, but v2 once", () =>
  Effect.gen(function* () {
    const distributions = [
      { variantKey: "a", rollout: 50 },
      { variantKey: "b", rollout: 50 }
    ]
    const rule = { id: "1", segments: [{ key: "first" }, { key: "second" }], distributions }
    const full = { flags: [{ key: "f", rules: [rule, { id: "2", segments: [{ key: "first" }], distributions }] }] }
    const headers = { "x-flipt-accept-server-version": "2.0.0" }
    const rulesOf = (version: "v1" | "v2") =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ version, documents: { default: full } })
        const document = parse(yield* ask(server, path(), { headers })) as unknown as typeof full
        return document.flags[0]?.rules.map(({ id, segments }) => [id, ...segments.map(({ key }) => key)])
      })
    expect(yield* rulesOf("v1")).toEqual([
      ["1", "first"],
      ["1", "second"],
      ["2", "first"]
    ])
    expect(yield* rulesOf("v2")).toEqual([
      ["1", "first", "second"],
      ["2", "first"]
    ])
  })
)

it.scopedLive("v1 omits features that older clients do not support", () =>
  Effect.gen(function* () {
    const type = "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE"
    const full = { flags: [{ key: "f", defaultVariant: { key: "v" }, rules: [{ type }] }] }
    const unknown = { type: "UNKNOWN_CONSTRAINT_COMPARISON_TYPE" }
    const as = (version: string) => ({ headers: { "x-flipt-accept-server-version": version } })
    const v1 = yield* FliptServer.make({ version: "v1", documents: { default: full } })
    expect(parse(yield* ask(v1, path()))).toEqual({ flags: [{ key: "f", rules: [unknown] }] })
    expect(parse(yield* ask(v1, path(), as("1.37.9")))).toEqual({ flags: [{ key: "f", rules: [unknown] }] })
    expect(parse(yield* ask(v1, path(), as("1.38.0")))).toEqual({ flags: [{ key: "f", rules: [{ type }] }] })
    expect(parse(yield* ask(v1, path(), as("1.47.0")))).toEqual(full)
    expect(parse(yield* ask(v1, path(), as("2.0.0")))).toEqual(full)

    const v2 = yield* FliptServer.make({ documents: { default: full } })
    expect(parse(yield* ask(v2, path()))).toMatchObject(full)
  })
)

describe("the stream", () => {
  const streamPath = clientPath("default", "default", "stream")
  const named = (name: string) => ({ namespace: { key: "default", name }, flags: [] })

  const digestOf = (server: FliptServer.Server) =>
    Effect.map(ask(server, path()), (outcome) => String(outcome.headers.etag))

  it.scopedLive("sends a frame immediately, and one for every change of the document", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: named("1") } })
      const stream = yield* open(server)
      const { headers, statusCode } = yield* stream.head
      expect(statusCode).toBe(200)
      expect(headers).toMatchObject({ "content-type": "application/json", "transfer-encoding": "chunked" })
      expect(yield* stream.frame).toEqual({ result: { ...named("1"), digest: yield* digestOf(server) } })
      // Line breaks in the document become spaces in the stream.
      yield* server.setDocument(JSON.stringify(named("2"), null, 2))
      expect(yield* stream.frame).toEqual({ result: { ...named("2"), digest: yield* digestOf(server) } })
      yield* server.setDocument(JSON.stringify(named("2"), null, 2))
      yield* server.setDocument(named("elsewhere"), { namespace: "other" })
      yield* server.setDocument(named("elsewhere"), { environment: "prod" })
      yield* server.removeNamespace()
      expect(yield* stream.silent).toBe(true)
      yield* server.setDocument(named("3"))
      expect(yield* stream.frame).toMatchObject({ result: named("3") })
    })
  )

  it.scopedLive(
    "sends not even headers for the current digest or an unknown namespace, until there is a document",
    () =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: named("1") } })
        const digest = yield* digestOf(server)
        const current = yield* open(server, `${streamPath}?digest=${digest}`)
        const unknown = yield* open(server, clientPath("default", "x", "stream"))
        const old = yield* open(server, `${streamPath}?digest=${"0".repeat(40)}`)
        expect(yield* old.frame).toMatchObject({ result: named("1") })
        expect(yield* Effect.all([current.silent, unknown.silent])).toEqual([true, true])
        yield* server.setDocument(named("2"))
        yield* server.setDocument(named("x"), { namespace: "x" })
        expect((yield* current.head).statusCode).toBe(200)
        expect(yield* current.frame).toMatchObject({ result: named("2") })
        expect(yield* unknown.frame).toMatchObject({ result: named("x") })
      })
  )

  it.scopedLive("sends errors as frames: the digest's length, the credential, the environment", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const bad = yield* ask(server, `${streamPath}?digest=${"0".repeat(32)}`)
      expect(bad.status).toBe(400)
      expect(parse(bad)).toEqual({ error: error(3, "invalid field digest: must be a 40-character string") })
      const lost = yield* ask(server, clientPath("x", "default", "stream"), { headers: { "x-flipt-environment": "x" } })
      expect(lost.status).toBe(404)
      expect(parse(lost)).toHaveProperty("error.code", 5)
      yield* server.setToken({ kind: "client", value: "t" })
      const refused = yield* ask(server, streamPath)
      expect(refused.status).toBe(401)
      expect(parse(refused)).toEqual({ error: error(16, "request was not authenticated") })
      const stream = yield* open(server, streamPath, { authorization: "Bearer t" })
      expect(yield* stream.frame).toMatchObject({ result: document })
    })
  )

  it.scopedLive("ends on stop, even if silent, and leaves nothing behind when a client disconnects", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      yield* Effect.scoped(Effect.flatMap(open(server), (stream) => stream.frame))
      yield* server.awaitConnections(0)
      yield* server.setDocument(named("1"))
      const stream = yield* open(server)
      const silent = yield* open(server, clientPath("default", "x", "stream"))
      yield* stream.frame
      yield* server.awaitRequests(3)
      yield* server.stop
      expect(yield* Effect.all([stream.frame, silent.frame])).toEqual(["end", "end"])
      yield* server.start
      yield* server.setDocument(named("2"))
      expect(yield* Effect.flatMap(open(server), (again) => again.frame)).toMatchObject({ result: named("2") })
    })
  )

  it.scopedLive("can have faults like any response", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      yield* server.fail(Fault.cutBody(20, { framing: "chunked" }), Fault.status(503))
      expect(yield* ask(server, streamPath)).toMatchObject({ status: 200, broken: "ECONNRESET" })
      expect((yield* ask(server, streamPath)).status).toBe(503)
    })
  )
})

describe("authentication", () => {
  const as = (authorization: string) => ({ headers: { authorization } })

  it.scopedLive("accepts only the credential, in the exact form", () =>
    Effect.gen(function* () {
      for (const [kind, scheme, other] of [
        ["client", "Bearer", "JWT"],
        ["jwt", "JWT", "Bearer"]
      ] as const) {
        const server = yield* FliptServer.make({ token: { kind, value: "secret" }, documents: { default: document } })
        expect((yield* ask(server, path(), as(`${scheme} secret`))).status).toBe(200)
        for (const wrong of [`${other} secret`, `${scheme}  secret`, `${scheme.toLowerCase()} secret`, scheme, "x"]) {
          const outcome = yield* ask(server, path(), as(wrong))
          expect(outcome.status).toBe(401)
          expect(parse(outcome)).toEqual(error(16, "request was not authenticated"))
        }
        expect((yield* ask(server, path())).status).toBe(401)
        expect((yield* ask(server, path("unknown"))).status).toBe(401)
      }
    })
  )

  it.scopedLive("the credential can change", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      yield* server.setToken({ kind: "client", value: "b" })
      expect((yield* ask(server, path(), as("Bearer a"))).status).toBe(401)
      expect((yield* ask(server, path(), as("Bearer b"))).status).toBe(200)
      yield* server.setToken(undefined)
      expect((yield* ask(server, path())).status).toBe(200)
    })
  )
})

it.scopedLive("serves everything below a prefix", () =>
  Effect.gen(function* () {
    const server = yield* FliptServer.make({ prefix: "/flipt", documents: { default: document } })
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/flipt`)
    expect((yield* ask(server, `/flipt${path()}`)).status).toBe(200)
    expect((yield* ask(server, `/flipt${clientPath("default", "default")}`)).status).toBe(200)
    expect((yield* ask(server, path())).status).toBe(404)
    expect((yield* ask(server, `/flipt2${path()}`)).status).toBe(404)
  })
)

describe("the log", () => {
  it.scopedLive("contains every request in order, with its headers and time", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const before = performance.now()
      yield* ask(server, path(), { headers: { "User-Agent": "me", "X-Twice": ["a", "b"] } })
      yield* ask(server, "/nowhere")
      const requests = yield* server.requests
      expect(requests.map((request) => request.target)).toEqual([path(), "/nowhere"])
      expect(requests[0]!.headers).toMatchObject({ "user-agent": "me", "x-twice": "a, b" })
      expect(requests[0]!.at).toBeGreaterThan(before)
      expect(requests[1]!.at).toBeGreaterThan(requests[0]!.at)
    })
  )

  it.scopedLive("can be waited for", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make()
      const waiting = yield* Effect.fork(server.awaitRequests(2))
      yield* ask(server, "/1")
      expect(yield* Fiber.poll(waiting)).toMatchObject({ _tag: "None" })
      yield* ask(server, "/2")
      expect(yield* Fiber.join(waiting)).toHaveLength(2)
      expect(yield* server.awaitRequests(1)).toHaveLength(2)
    })
  )
})

describe("connections", () => {
  it.scopedLive("are counted, and stay open until the client closes them", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const agent = new Http.Agent({ keepAlive: true })
      yield* Effect.all([ask(server, path(), { agent }), ask(server, path(), { agent })], { concurrency: 2 })
      yield* ask(server, path(), { agent })
      expect(yield* server.connections).toBe(2)
      agent.destroy()
      yield* server.awaitConnections(0)
    })
  )

  it.live("closing the scope closes the port and every connection, even in the middle of a response", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const server = yield* Scope.extend(FliptServer.make({ documents: { default: document } }), scope)
      const agent = new Http.Agent({ keepAlive: true })
      yield* ask(server, path(), { agent })
      yield* server.fail(Fault.hangBeforeHeaders, Fault.hangInBody(1), Fault.drip(1, 1000), Fault.delay(60_000))
      const fibers = yield* Effect.forEach([0, 1, 2, 3], () => Effect.fork(Effect.exit(ask(server, path()))))
      yield* server.awaitRequests(5)
      yield* Scope.close(scope, Exit.void)
      for (const exit of yield* Fiber.join(Fiber.all(fibers))) {
        expect(Exit.isFailure(exit) || exit.value.broken === "ECONNRESET").toBe(true)
      }
      expect(yield* server.connections).toBe(0)
      expect(yield* Effect.flip(ask(server, path()))).toBe("ECONNREFUSED")
    })
  )

  it.scopedLive("stop refuses connections, and start serves the same documents again on the same port", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const agent = new Http.Agent({ keepAlive: true })
      const before = yield* ask(server, path(), { agent })
      yield* server.stop
      yield* server.stop
      expect(yield* server.connections).toBe(0)
      expect(yield* Effect.flip(ask(server, path()))).toBe("ECONNREFUSED")
      yield* server.start
      yield* server.start
      expect((yield* ask(server, path())).headers.etag).toBe(before.headers.etag)
      for (let n = 0; n < 20; n++) yield* server.restart
      expect((yield* ask(server, path())).status).toBe(200)
    })
  )

  it.scopedLive("start waits for a port that is briefly in use", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      yield* server.stop
      const other = Net.createServer()
      yield* Effect.async<void>((resume) => {
        other.listen(server.port, "127.0.0.1", () => resume(Effect.void))
      })
      const starting = yield* Effect.fork(server.start)
      yield* awhile
      other.close()
      yield* Fiber.join(starting)
      expect((yield* ask(server, path())).status).toBe(200)
    })
  )
})

describe("a stream that the test writes", () => {
  const streamPath = clientPath("default", "default", "stream")

  it.scopedLive("sends exactly the written bytes", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ streams: "scripted", documents: { default: document } })
      const digest = FliptServer.digestOf(document)
      expect((yield* ask(server, path())).headers.etag).toBe(digest)
      const client = yield* open(server, `${streamPath}?digest=${digest}`)
      const stream = yield* server.awaitStreamRequests(1)
      expect(stream.digest).toBe(digest)
      yield* server.setDocument({ ...document, flags: [{ key: "f" }] })
      expect(yield* client.silent).toBe(true)
      stream.write('{"a":')
      expect((yield* client.head).statusCode).toBe(200)
      stream.write("1}\n")
      expect(yield* client.frame).toEqual({ a: 1 })
      stream.push(document)
      expect(yield* client.frame).toEqual({ result: { ...document, digest } })
      expect(stream.isOpen()).toBe(true)
      stream.end()
      expect(yield* client.frame).toBe("end")
      expect(stream.isOpen()).toBe(false)
      expect(yield* server.order).toEqual(["snapshot", "stream"])
      expect(server.snapshots).toHaveLength(1)
      expect(server.streams).toEqual([stream])
    })
  )

  it.scopedLive("is still refused if Flipt refuses it", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ streams: "scripted", token: { kind: "jwt", value: "t" } })
      expect((yield* ask(server, streamPath)).status).toBe(401)
    })
  )

  it.scopedLive("can be aborted", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ streams: "scripted" })
      const client = yield* open(server)
      const stream = yield* server.awaitStreamRequests(1)
      stream.destroy()
      expect(yield* client.frame).toBe("end")
      yield* server.awaitConnections(0)
    })
  )
})

describe("like a real server", () => {
  const streamPath = clientPath("default", "default", "stream")
  const flag = (key: string, more: object = {}) => ({ key, name: `The ${key}`, description: "long", ...more })
  const namespace = { key: "default" }

  it.scopedLive("a fresh v2 has no default namespace until its first flag", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make()
      const missing = yield* ask(server, path())
      expect(missing.status).toBe(404)
      expect(parse(missing)).toEqual(error(5, 'evaluation snapshot for namespace "default" not found'))
      yield* server.setDocument({ namespace, flags: [flag("first")] })
      expect((yield* ask(server, path())).status).toBe(200)
    })
  )

  it.scopedLive("a fresh v1 has an empty default namespace and sends no ETag for it", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ version: "v1" })
      const empty = yield* ask(server, path())
      expect(parse(empty)).toEqual({ namespace, flags: [] })
      expect(empty.headers.etag).toBeUndefined()
      expect((yield* ask(server, path(), { headers: { "if-none-match": "x" } })).status).toBe(200)
    })
  )

  it.scopedLive("v2 sends no names and descriptions, and updates all timestamps with each change", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: { namespace, flags: [flag("a"), flag("b")] } } })
      const flagsOf = Effect.map(
        ask(server, path()),
        (outcome) => (parse(outcome) as { flags: ReadonlyArray<Readonly<Record<string, string>>> }).flags
      )
      const before = yield* flagsOf
      expect(before.map(({ key, name, description }) => ({ key, name, description }))).toEqual([
        { key: "a", name: "", description: "" },
        { key: "b", name: "", description: "" }
      ])
      expect(yield* flagsOf).toEqual(before)
      yield* server.setDocument({ namespace, flags: [flag("a"), flag("b"), flag("c")] })
      const after = yield* flagsOf
      const times = [...before, ...after].flatMap(({ createdAt, updatedAt }) => [createdAt, updatedAt])
      expect(times.every((time) => !Number.isNaN(Date.parse(String(time))))).toBe(true)
      expect(new Set(times).size).toBe(2)
      expect(after[0]!.updatedAt).not.toBe(before[0]!.updatedAt)
    })
  )

  it.scopedLive("v1 sends names, descriptions and timestamps unchanged", () =>
    Effect.gen(function* () {
      const full = { namespace, flags: [flag("a", { updatedAt: "2020-01-01T00:00:00Z" })] }
      const server = yield* FliptServer.make({ version: "v1", documents: { default: full } })
      expect(parse(yield* ask(server, path()))).toEqual(full)
    })
  )

  it.scopedLive("v2.11 escapes &, < and > in lists like Go's JSON encoder, but v2.10 and v1 do not", () =>
    Effect.gen(function* () {
      const list = { operator: "isoneof", value: '["R&D","<b>"]' }
      const text = { operator: "eq", value: "R&D" }
      const given = {
        namespace,
        flags: [
          flag("f", {
            rules: [{ segments: [{ constraints: [list, text] }] }],
            rollouts: [{ segment: { segments: [{ constraints: [{ ...list, operator: "isnotoneof" }] }] } }]
          })
        ]
      }
      const constraintsOf = (outcome: Parameters<typeof parse>[0]) =>
        [...JSON.stringify(parse(outcome)).matchAll(/"operator":"(\w+)","value":("(?:\\.|[^"])*")/g)].map(
          ([, operator, value]) => [operator, JSON.parse(value!)]
        )
      for (const version of ["v1", "v2.10", "v2"] as const) {
        const server = yield* FliptServer.make({ version, documents: { default: given } })
        const expected = version === "v2" ? '["R\\u0026D","\\u003cb\\u003e"]' : '["R&D","<b>"]'
        expect(constraintsOf(yield* ask(server, path())), version).toEqual([
          ["isoneof", expected],
          ["eq", "R&D"],
          ["isnotoneof", expected]
        ])
      }
    })
  )

  it.scopedLive("v2 escapes < in the attachment of a default variant", () =>
    Effect.gen(function* () {
      const attachment = '{"html":"<b>"}'
      const given = { namespace, flags: [flag("f", { defaultVariant: { id: "1", key: "v", attachment } })] }
      const server = yield* FliptServer.make({ documents: { default: given } })
      expect(parse(yield* ask(server, path()))).toMatchObject({
        flags: [{ defaultVariant: { attachment: '{"html":"\\u003cb\\u003e"}' } }]
      })
    })
  )

  it.scopedLive("a namespace of several files has a digest of 32 hex digits that covers all of them", () =>
    Effect.gen(function* () {
      for (const version of ["v1", "v2"] as const) {
        const server = yield* FliptServer.make({ version })
        const last = { namespace, flags: [flag("b")] }
        yield* server.setFiles([{ namespace, flags: [flag("a")] }, last])
        const outcome = yield* ask(server, path())
        expect(outcome.headers.etag).toMatch(/^[0-9a-f]{32}$/)
        expect(parse(outcome)).toMatchObject({ flags: [{ key: "a" }, { key: "b" }] })
        if (version === "v2") expect(parse(outcome)).toHaveProperty("digest", outcome.headers.etag)
        yield* server.setFiles([{ namespace, flags: [flag("changed")] }, last])
        const changed = yield* ask(server, path(), { headers: { "if-none-match": outcome.headers.etag } })
        expect(changed.status).toBe(200)
        expect(parse(changed)).toMatchObject({ flags: [{ key: "changed" }, { key: "b" }] })
      }
    })
  )

  it.scopedLive("v2.10 uses the last file's digest for the whole namespace, which causes a wrong 304", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ version: "v2.10" })
      const last = { namespace, flags: [flag("b")] }
      yield* server.setFiles([{ namespace, flags: [flag("a")] }, last])
      const { etag } = (yield* ask(server, path())).headers
      expect(etag).toMatch(/^[0-9a-f]{40}$/)
      const stream = yield* open(server, `${streamPath}?digest=${etag}`)
      yield* server.setFiles([{ namespace, flags: [flag("changed")] }, last])
      expect((yield* ask(server, path(), { headers: { "if-none-match": etag } })).status).toBe(304)
      expect(parse(yield* ask(server, path()))).toMatchObject({ flags: [{ key: "changed" }, { key: "b" }] })
      expect(yield* stream.silent).toBe(true)
      yield* server.setFiles([last, { namespace, flags: [flag("changed")] }])
      expect((yield* ask(server, path(), { headers: { "if-none-match": etag } })).status).toBe(200)
    })
  )

  it.scopedLive("a stream refuses the digest of a namespace of several files", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make()
      yield* server.setFiles([
        { namespace, flags: [flag("a")] },
        { namespace, flags: [flag("b")] }
      ])
      const { etag } = (yield* ask(server, path())).headers
      const refused = yield* ask(server, `${streamPath}?digest=${etag}`)
      expect(refused.status).toBe(400)
      expect(parse(refused)).toHaveProperty("error.code", 3)
    })
  )

  it.scopedLive("the environment `default` is the server's default environment, whatever its name", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ defaultEnvironment: "production", documents: { default: document } })
      const at = (environment: string) => ({ headers: { "x-flipt-environment": environment } })
      const { etag } = (yield* ask(server, path())).headers
      expect((yield* ask(server, path(), at("default"))).headers.etag).toBe(etag)
      expect((yield* ask(server, path(), at("production"))).headers.etag).toBe(etag)
      expect((yield* ask(server, path(), at("staging"))).status).toBe(404)
      const stream = yield* open(server, streamPath, { "x-flipt-environment": "default" })
      expect(yield* stream.frame).toMatchObject({ result: document })
      yield* server.setDocument({ ...document, flags: [flag("own")] }, { environment: "default" })
      expect((yield* ask(server, path(), at("default"))).headers.etag).not.toBe(etag)
    })
  )

  it.scopedLive("v1 answers an unknown reference with 500", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ version: "v1", documents: { default: document } })
      const unknown = yield* ask(server, `${path()}?reference=nowhere`)
      expect(unknown.status).toBe(500)
      expect(parse(unknown)).toMatchObject({ code: 13 })
      const v2 = yield* FliptServer.make({ documents: { default: document } })
      expect((yield* ask(v2, `${path()}?reference=nowhere`)).status).toBe(200)
    })
  )

  it.scopedLive("v1 sends the ETag of the default reference for every reference, which causes a wrong 304", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ version: "v1", documents: { default: document } })
      const { etag } = (yield* ask(server, path())).headers
      const target = `${path()}?reference=branch`
      yield* server.setDocument({ namespace, flags: [flag("one")] }, { reference: "branch" })
      expect((yield* ask(server, target)).headers.etag).toBe(etag)
      yield* server.setDocument({ namespace, flags: [flag("two")] }, { reference: "branch" })
      expect((yield* ask(server, target, { headers: { "if-none-match": etag } })).status).toBe(304)
      expect(parse(yield* ask(server, target))).toMatchObject({ flags: [{ key: "two" }] })
    })
  )

  it.scopedLive(
    "the stream of a branch environment sends nothing, not even headers, although requests are answered",
    () =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ branches: ["feature"], documents: { default: document } })
        yield* server.setDocument(document, { environment: "feature" })
        const branch = clientPath("feature", "default", "stream")
        const stream = yield* open(server, branch, { "x-flipt-environment": "feature" })
        yield* server.awaitStreams(1)
        yield* server.setDocument({ ...document, flags: [flag("new")] }, { environment: "feature" })
        expect(parse(yield* ask(server, clientPath("feature", "default")))).toMatchObject({ flags: [{ key: "new" }] })
        expect(yield* stream.silent).toBe(true)
        expect(server.streams[0]!.isOpen()).toBe(true)
      })
  )

  it.scopedLive("the stream of a deleted namespace stays open and silent", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const stream = yield* open(server)
      yield* stream.frame
      yield* stream.head
      yield* server.removeNamespace()
      expect((yield* ask(server, path())).status).toBe(404)
      expect(yield* stream.silent).toBe(true)
      expect(server.streams[0]!.isOpen()).toBe(true)
    })
  )

  it.scopedLive("accepts no connections while it drains, and keeps its streams open until it stops", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const agent = new Http.Agent({ keepAlive: true })
      yield* ask(server, path(), { agent })
      const stream = yield* open(server)
      yield* stream.frame
      yield* server.drain
      yield* server.awaitConnections(1)
      expect(yield* Effect.flip(ask(server, path()))).toBe("ECONNREFUSED")
      yield* server.setDocument({ ...document, flags: [flag("late")] })
      expect(yield* stream.frame).toMatchObject({ result: { flags: [{ key: "late" }] } })
      yield* server.stop
      expect(yield* stream.frame).toBe("end")
      yield* server.start
      expect((yield* ask(server, path())).status).toBe(200)
    })
  )
})

describe("CORS", () => {
  const origin = "https://shop.example"
  const preflight = (...names: ReadonlyArray<string>): Parameters<typeof ask>[2] => ({
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "GET",
      ...(names.length === 0 ? {} : { "access-control-request-headers": names.join(",") })
    }
  })
  const ours = ["authorization", "x-flipt-accept-server-version"]

  it.scopedLive("is off by default", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      expect((yield* ask(server, path(), preflight())).status).toBe(501)
      const outcome = yield* ask(server, path(), { headers: { origin } })
      expect(outcome.headers["access-control-allow-origin"]).toBeUndefined()
    })
  )

  for (const [version, allowed, refused, exposed] of [
    ["v1", ["x-flipt-namespace"], ["x-flipt-environment", "if-none-match", "user-agent"], "Link"],
    ["v2", ["x-flipt-environment", "if-none-match"], ["user-agent", "x-fern-language"], "Link, Etag"]
  ] as const) {
    it.scopedLive(`${version} allows its default headers, and exposes ${exposed}`, () =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({
          version,
          cors: {},
          documents: { default: document },
          token: { kind: "jwt", value: "t" }
        })
        const passed = yield* ask(server, path(), preflight(...ours, ...allowed))
        expect(passed).toMatchObject({
          status: 200,
          headers: {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "GET",
            "access-control-allow-headers": [...ours, ...allowed].join(", ")
          }
        })
        for (const name of refused) {
          const outcome = yield* ask(server, path(), preflight(...ours, name))
          expect(outcome.status).toBe(200)
          expect(outcome.headers, name).not.toHaveProperty("access-control-allow-origin")
          expect(outcome.headers, name).not.toHaveProperty("access-control-allow-headers")
        }
        const answer = yield* ask(server, path(), { headers: { origin, authorization: "JWT t" } })
        expect(answer).toMatchObject({
          status: 200,
          headers: { "access-control-allow-origin": "*", "access-control-expose-headers": exposed }
        })
      })
    )
  }

  it.scopedLive("accepts other lists of headers and origins", () =>
    Effect.gen(function* () {
      const cors = { origins: [origin], headers: ["User-Agent"] }
      const server = yield* FliptServer.make({ cors, documents: { default: document } })
      expect(yield* ask(server, path(), preflight("user-agent"))).toMatchObject({
        headers: { "access-control-allow-origin": origin }
      })
      expect((yield* ask(server, path(), preflight("accept"))).headers).not.toHaveProperty(
        "access-control-allow-origin"
      )
      const other = yield* ask(server, path(), { headers: { origin: "https://other.example" } })
      expect(other.status).toBe(200)
      expect(other.headers).not.toHaveProperty("access-control-allow-origin")
    })
  )
})

it.effect("works while the test clock is paused", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      yield* server.restart
      const outcome = yield* ask(server, path())
      expect(outcome.headers.etag).toBe(
        Crypto.createHash("sha1").update("default").update(JSON.stringify(document)).digest("hex")
      )
    })
  )
)
