import * as Crypto from "node:crypto"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Zlib from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Fault from "./Fault.js"
import * as FliptServer from "./FliptServer.js"

interface Outcome {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly rawHeaders: ReadonlyArray<string>
  readonly body: Buffer
  /** The code of the error that ended the body too early. */
  readonly broken: string | undefined
}

interface Ask {
  readonly headers?: Http.OutgoingHttpHeaders
  readonly method?: string
  readonly agent?: Http.Agent
}

/** Fails with the error's code when there is no answer at all. An interruption closes the connection. */
const ask = (server: FliptServer.Server, path: string, options: Ask = {}): Effect.Effect<Outcome, string> =>
  Effect.async<Outcome, string>((resume) => {
    const request = Http.request({
      host: "127.0.0.1",
      port: server.port,
      path,
      method: options.method ?? "GET",
      headers: options.headers ?? {},
      agent: options.agent ?? false
    })
    request.on("error", (error: NodeJS.ErrnoException) => resume(Effect.fail(error.code ?? error.message)))
    request.on("response", (response) => {
      const chunks: Array<Buffer> = []
      const end = (broken: string | undefined) =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: Buffer.concat(chunks),
            broken
          })
        )
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => end(undefined))
      response.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
    })
    request.end()
    return Effect.sync(() => request.destroy())
  })

const parse = (outcome: Outcome): unknown => JSON.parse(outcome.body.toString())

const path = (namespace = "default") => `/internal/v1/evaluation/snapshot/namespace/${namespace}`

const clientPath = (environment: string, namespace: string, what = "snapshot") =>
  `/client/v2/environments/${environment}/namespaces/${namespace}/${what}`

const document = { namespace: { key: "default" }, flags: [] }

const error = (code: number, message: string) => ({ code, message, details: [] })

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

  it.scopedLive("v2 takes the digest that a document brings for its ETag", () =>
    Effect.gen(function* () {
      const own = { ...document, digest: "0123456789abcdef0123456789abcdef" }
      const server = yield* FliptServer.make({ documents: { default: own } })
      const outcome = yield* ask(server, path())
      expect(outcome.headers.etag).toBe(own.digest)
      expect(parse(outcome)).toEqual(own)
    })
  )

  it.scopedLive("v1 leaves the document without a digest", () =>
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

  it.scopedLive("a 304 has the ETag and no body, and only for the very same If-None-Match", () =>
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

  it.scopedLive("is compressed for whoever takes gzip", () =>
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

  it.scopedLive("the white space varies from answer to answer, the content does not", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const first = yield* ask(server, path())
      const second = yield* ask(server, path())
      expect(second.body.toString()).not.toBe(first.body.toString())
      expect(parse(second)).toEqual(parse(first))
      expect(second.headers.etag).toBe(first.headers.etag)
    })
  )

  it.scopedLive("bytes, and text that is no document, are served as they are", () =>
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

  it.scopedLive("the text of a document keeps its form, the digest aside", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make()
      yield* server.setDocument('{ "n": 1.0, "n": 2 }', { etag: "e" })
      expect((yield* ask(server, path())).body.toString()).toBe('{"digest":"e", "n": 1.0, "n": 2 }')
      yield* server.setDocument("{}", { etag: "e" })
      expect((yield* ask(server, path())).body.toString()).toBe('{"digest":"e"}')
    })
  )

  it.scopedLive("namespaces are percent-decoded, and logged as they were sent", () =>
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

describe("what is not there", () => {
  it.scopedLive("an unknown namespace: v2 says so, v1 has no flags", () =>
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

  it.scopedLive("an unroutable path is Flipt's 404", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ token: { kind: "client", value: "t" } })
      for (const wrong of ["/", "/nowhere", `/${path()}`, `${path()}/`, path(""), "/internal/v1", "*"]) {
        const outcome = yield* ask(server, wrong)
        expect(outcome.status).toBe(404)
        expect(parse(outcome)).toEqual(error(5, "Not Found"))
      }
    })
  )

  it.scopedLive("another method than GET is not implemented", () =>
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

  it.scopedLive("the header picks the environment; an unknown one is not found", () =>
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

  it.scopedLive("an unknown environment in the path is silently the default one, unless the header is there too", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: named("default") } })
      yield* server.setDocument(named("prod"), { environment: "prod" })
      expect(parse(yield* ask(server, clientPath("prod", "default")))).toMatchObject(named("prod"))
      expect(parse(yield* ask(server, clientPath("x", "default")))).toMatchObject(named("default"))
      expect((yield* ask(server, clientPath("x", "default"), at("x"))).status).toBe(404)
    })
  )

  it.scopedLive("v1 knows no environments", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ version: "v1", documents: { default: named("default") } })
      expect(parse(yield* ask(server, path(), at("x")))).toEqual(named("default"))
    })
  )
})

it.scopedLive("a reference counts with v1 and not with v2", () =>
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

it.scopedLive("v1 keeps from older clients what they do not know", () =>
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

  /** The head as soon as it is there, and then one line after the other. */
  const open = (server: FliptServer.Server, target = streamPath, headers: Http.OutgoingHttpHeaders = {}) =>
    Effect.gen(function* () {
      const heads = yield* Queue.unbounded<Http.IncomingMessage>()
      const frames = yield* Queue.unbounded<string>()
      const request = yield* Effect.acquireRelease(
        Effect.sync(() => Http.get({ host: "127.0.0.1", port: server.port, path: target, headers, agent: false })),
        (request) => Effect.sync(() => request.destroy())
      )
      request.on("error", () => frames.unsafeOffer("end"))
      request.on("response", (response) => {
        heads.unsafeOffer(response)
        let rest = ""
        response.setEncoding("utf8").on("data", (chunk: string) => {
          const lines = (rest + chunk).split("\n")
          rest = lines.pop()!
          for (const line of lines) frames.unsafeOffer(line)
        })
        response.on("error", () => {}).on("close", () => frames.unsafeOffer("end"))
      })
      return {
        head: Queue.take(heads),
        frame: Effect.map(Queue.take(frames), (line): unknown => (line === "end" ? line : JSON.parse(line))),
        silent: Effect.sleep(40).pipe(
          Effect.zipRight(Effect.all([Queue.size(heads), Queue.size(frames)])),
          Effect.map(([head, frame]) => head === 0 && frame === 0)
        )
      }
    })

  const digestOf = (server: FliptServer.Server) =>
    Effect.map(ask(server, path()), (outcome) => String(outcome.headers.etag))

  it.scopedLive("a frame at once, and one for every change of the document", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: named("1") } })
      const stream = yield* open(server)
      const { headers, statusCode } = yield* stream.head
      expect(statusCode).toBe(200)
      expect(headers).toMatchObject({ "content-type": "application/json", "transfer-encoding": "chunked" })
      expect(yield* stream.frame).toEqual({ result: { ...named("1"), digest: yield* digestOf(server) } })
      // Line breaks in the document are none in the stream.
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

  it.scopedLive("not even a head for the digest of now or for an unknown namespace, until there is a document", () =>
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

  it.scopedLive("its errors are frames: the digest's length, the credential, the environment", () =>
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

  it.scopedLive("ends on stop, silent or not; a client that goes leaves nothing", () =>
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

  it.scopedLive("can go wrong like any answer", () =>
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

  it.scopedLive("takes the one credential, in the exact form", () =>
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

it.scopedLive("with a prefix all lies under it", () =>
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
  it.scopedLive("has every request in order, with its headers and its time", () =>
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

describe("faults", () => {
  const acceptIdentity = { "accept-encoding": "identity" }
  const make = FliptServer.make({ documents: { default: document } })

  it.scopedLive("each spoils one request, in order; a lasting one spoils the rest", () =>
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

  it.scopedLive("status: Flipt's error body, or one's own, with headers", () =>
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

  it.scopedLive("delay: the normal answer, later", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.fail(Fault.delay(50))
      const before = performance.now()
      expect(parse(yield* ask(server, path()))).toMatchObject(document)
      // A timer may fire a millisecond early.
      expect(performance.now() - before).toBeGreaterThanOrEqual(49)
    })
  )

  it.scopedLive("hangBeforeHeaders: nothing comes, and the connection stays", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.fail(Fault.hangBeforeHeaders)
      const fiber = yield* Effect.fork(ask(server, path()))
      yield* server.awaitRequests(1)
      yield* Effect.sleep(30)
      expect(yield* Fiber.poll(fiber)).toMatchObject({ _tag: "None" })
      expect(yield* server.connections).toBe(1)
      yield* Fiber.interrupt(fiber)
      yield* server.awaitConnections(0)
    })
  )

  for (const framing of ["length", "chunked"] as const) {
    it.scopedLive(`hangInBody (${framing}): so many bytes, and no end`, () =>
      Effect.gen(function* () {
        const server = yield* make
        yield* server.fail(Fault.hangInBody(5, { framing }))
        const response = yield* Effect.promise(() => fetch(`${server.url}${path()}`, { headers: acceptIdentity }))
        expect(response.headers.has("content-length")).toBe(framing === "length")
        const reader = response.body!.getReader()
        const { value } = yield* Effect.promise(() => reader.read())
        expect(Buffer.from(value!).toString()).toBe('{"dig')
        const rest = yield* Effect.fork(Effect.promise(() => reader.read()))
        yield* Effect.sleep(30)
        expect(yield* Fiber.poll(rest)).toMatchObject({ _tag: "None" })
        yield* Effect.promise(() => reader.cancel())
        yield* server.awaitConnections(0)
      })
    )

    it.scopedLive(`cutBody (${framing}): so many bytes, and then the connection closes, wherever the cut`, () =>
      Effect.gen(function* () {
        const server = yield* make
        const { headers, body } = yield* ask(server, path())
        for (const afterBytes of [0, 1, 7, body.byteLength, body.byteLength + 100]) {
          // Set anew, a document begins again with the same white space.
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

  it.scopedLive("garbage: a 200 with a new ETag", () =>
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

  it.scopedLive("reset: no answer, the connection is reset", () =>
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

  it.scopedLive("drip: all of it, slowly; a client that goes stops it", () =>
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

  it.scopedLive("notModified: a 304 that nobody asked for", () =>
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

  it.scopedLive("invalidGzip: it says gzip, and is none", () =>
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

  it.scopedLive("gzipBomb: a small body that decodes to a large one", () =>
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

  it.scopedLive("rawHeaders: the head as written, then the body and the end", () =>
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

  it.live("the end of the scope closes the port and every connection, idle or in the middle of an answer", () =>
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

  it.scopedLive("stop refuses and start serves again, on the same port, with the same documents", () =>
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

  it.scopedLive("start waits for a port that is taken for a moment", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      yield* server.stop
      const other = Net.createServer()
      yield* Effect.async<void>((resume) => {
        other.listen(server.port, "127.0.0.1", () => resume(Effect.void))
      })
      const starting = yield* Effect.fork(server.start)
      yield* Effect.sleep(30)
      other.close()
      yield* Fiber.join(starting)
      expect((yield* ask(server, path())).status).toBe(200)
    })
  )
})

it.effect("works while the test's clock stands still", () =>
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
