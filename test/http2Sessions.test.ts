/**
 * HTTP/2 with servers that reset streams, send GOAWAY, or limit their streams.
 */
import * as Http2 from "node:http2"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as FliptClients from "../src/FliptClients.js"
import { classify } from "../src/internal/net/transportError.js"
import * as Tls from "../src/Tls.js"
import { onDocument } from "./support/documents.js"
import * as FliptServer from "./support/FliptServer.js"
import { listen } from "./support/Listener.js"
import { makeFetcher, pki } from "./support/secure.js"
import { errorOf } from "./support/updates.js"
import { until } from "./support/wait.js"

interface Exchange {
  readonly stream: Http2.ServerHttp2Stream
  readonly session: Http2.Http2Session
  readonly path: string
  /** Counts requests from 1. */
  readonly request: number
  /** Counts connections from 1. */
  readonly connection: number
}

interface Server {
  readonly url: string
  /** The requests so far, as `connection:path`. */
  readonly requests: ReadonlyArray<string>
  readonly connections: () => number
}

/** Serves HTTP/2 over TLS until the Scope ends. */
const serve = (
  answer: (exchange: Exchange) => void,
  options: Http2.SecureServerOptions = {}
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { server: certificate } = yield* pki
    const server = Http2.createSecureServer({ ...certificate, ...options })
    const requests: Array<string> = []
    const numbers = new Map<Http2.Http2Session, number>()
    server.on("session", (session) => {
      numbers.set(session, numbers.size + 1)
      session.on("error", () => {})
    })
    server.on("sessionError", () => {})
    server.on("stream", (stream, headers) => {
      const { session } = stream
      if (session === undefined) {
        return
      }
      const connection = numbers.get(session) ?? 0
      const path = String(headers[":path"])
      stream.on("error", () => {})
      requests.push(`${connection}:${path}`)
      answer({ stream: stream as Http2.ServerHttp2Stream, session, path, request: requests.length, connection })
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const session of numbers.keys()) {
          session.destroy()
        }
      })
    )
    const url = `https://127.0.0.1:${yield* listen(server)}`
    return { url, requests, connections: () => numbers.size }
  })

const makeClient = Effect.flatMap(pki, ({ ours }) =>
  Layer.build(Layer.provide(Tls.layerHttpClient, Tls.layer({ caCertData: ours.cert, http2: true })))
).pipe(Effect.flatMap((context) => Effect.provide(HttpClient.HttpClient, context)))

const textOf = (client: HttpClient.HttpClient, url: string): Effect.Effect<string, HttpClientError.HttpClientError> =>
  Effect.scoped(Effect.flatMap(HttpClient.withScope(client).get(url), ({ text }) => text))

const document = JSON.stringify(onDocument(true))

describe("a stream that the server resets in the body", () => {
  for (const [name, reason] of [
    ["NO_ERROR", undefined],
    ["INTERNAL_ERROR", new Error("internal")],
    ["CANCEL", new DOMException("cancelled", "AbortError")]
  ] as const) {
    for (const length of [undefined, document.length]) {
      it.scopedLive(
        `with ${name}${length === undefined ? "" : ", where the length is known"} is a broken connection`,
        () =>
          Effect.gen(function* () {
            const { ours } = yield* pki
            const server = yield* serve(({ request, stream }) => {
              stream.respond({ ":status": 200, ...(length === undefined ? {} : { "content-length": length }) })
              if (request > 1) {
                stream.end(document)
              } else {
                // `close` would end the body first
                stream.write(document.slice(0, -1), () => setImmediate(() => stream.destroy(reason)))
              }
            })
            const fetcher = yield* makeFetcher(Tls.layer({ caCertData: ours.cert, http2: true }), { url: server.url })
            const error = yield* errorOf(fetcher.fetch(Option.none()))
            expect(error).toMatchObject({ reason: "Network", retryable: true })
            expect((yield* fetcher.fetch(Option.none()))._tag).toBe("Document")
            expect(server.connections()).toBe(1)
          })
      )
    }
  }

  it.scopedLive("after the end of the body is complete", () =>
    Effect.gen(function* () {
      const server = yield* serve(({ stream }) => {
        stream.respond({ ":status": 200 })
        stream.end(document, () => stream.close(0))
      })
      expect(yield* textOf(yield* makeClient, server.url)).toBe(document)
    })
  )
})

describe("a server that sends GOAWAY", () => {
  it.scopedLive("still answers the requests that it covers", () =>
    Effect.gen(function* () {
      const client = yield* makeClient
      const gone = yield* Deferred.make<Http2.ServerHttp2Stream>()
      const server = yield* serve(({ connection, session, stream }) => {
        stream.respond({ ":status": 200 })
        if (connection > 1) {
          stream.end("second")
          return
        }
        stream.write("fi")
        session.goaway(0, stream.id)
        Deferred.unsafeDone(gone, Effect.succeed(stream))
      })
      const first = yield* Effect.fork(textOf(client, `${server.url}/first`))
      const stream = yield* Deferred.await(gone)
      yield* until(() => stream.session !== undefined)
      expect(yield* textOf(client, `${server.url}/second`)).toMatch(/second|fi/)
      stream.end("rst")
      expect(yield* Fiber.join(first)).toBe("first")
    })
  )

  it.scopedLive("and does not cover a request receives it over another connection", () =>
    Effect.gen(function* () {
      const client = yield* makeClient
      const server = yield* serve(({ connection, request, session, stream }) => {
        if (connection === 1 && request > 1) {
          session.goaway(0, 1)
          return
        }
        stream.respond({ ":status": 200 })
        stream.end("done")
      })
      expect(yield* textOf(client, `${server.url}/a`)).toBe("done")
      expect(yield* textOf(client, `${server.url}/b`)).toBe("done")
      expect(server.requests).toEqual(["1:/a", "1:/b", "2:/b"])
    })
  )

  it.scopedLive("with an error and without an answer receives the request over another connection", () =>
    Effect.gen(function* () {
      const client = yield* makeClient
      const server = yield* serve(({ connection, session, stream }) => {
        if (connection <= 3) {
          session.goaway(Http2.constants.NGHTTP2_ENHANCE_YOUR_CALM)
          return
        }
        stream.respond({ ":status": 200 })
        stream.end("done")
      })
      expect(yield* textOf(client, `${server.url}/a`)).toBe("done")
      expect(server.requests).toEqual(["1:/a", "2:/a", "3:/a", "4:/a"])
    })
  )

  it.scopedLive("for every connection is eventually an error", () =>
    Effect.gen(function* () {
      const client = yield* makeClient
      const server = yield* serve(({ session }) => session.goaway(Http2.constants.NGHTTP2_ENHANCE_YOUR_CALM))
      const error = yield* Effect.flip(textOf(client, `${server.url}/a`))
      expect(classify(error.cause)).toMatchObject({ reason: "Network" })
      expect(server.requests).toHaveLength(6)
    })
  )

  it.scopedLive("after each answer still serves every fetch", () =>
    Effect.gen(function* () {
      const client = yield* makeClient
      const server = yield* serve(({ session, stream }) => {
        stream.respond({ ":status": 200 })
        stream.end("done")
        session.close()
      })
      for (let round = 0; round < 10; round++) {
        expect(yield* textOf(client, `${server.url}/a`)).toBe("done")
      }
      const together = Array.from({ length: 5 }, () => textOf(client, `${server.url}/b`))
      expect(new Set(yield* Effect.all(together, { concurrency: "unbounded" }))).toEqual(new Set(["done"]))
    })
  )
})

describe("a server that refuses a stream", () => {
  it.scopedLive("receives the request again", () =>
    Effect.gen(function* () {
      const client = yield* makeClient
      const server = yield* serve(({ request, stream }) => {
        if (request === 1) {
          stream.close(Http2.constants.NGHTTP2_REFUSED_STREAM)
          return
        }
        stream.respond({ ":status": 200 })
        stream.end("done")
      })
      expect(yield* textOf(client, `${server.url}/a`)).toBe("done")
      expect(server.requests).toEqual(["1:/a", "1:/a"])
    })
  )
})

describe("a server that limits its streams", () => {
  it.scopedLive("receives at most that many streams per connection, over as few connections as possible", () =>
    Effect.gen(function* () {
      const client = yield* makeClient
      const open = new Map<number, number>()
      const waiting: Array<Http2.ServerHttp2Stream> = []
      const server = yield* serve(
        ({ connection, stream }) => {
          open.set(connection, (open.get(connection) ?? 0) + 1)
          stream.respond({ ":status": 200 })
          waiting.push(stream)
        },
        { settings: { maxConcurrentStreams: 4 } }
      )
      const all = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 10 }, (_, index) => textOf(client, `${server.url}/${index}`)),
          { concurrency: "unbounded" }
        )
      )
      yield* until(() => waiting.length === 10)
      expect([...open.values()]).toEqual([4, 4, 2])
      for (const stream of waiting) {
        stream.end("done")
      }
      expect(yield* Fiber.join(all)).toHaveLength(10)
    })
  )

  it.scopedLive("to none is an error", () =>
    Effect.gen(function* () {
      const client = yield* makeClient
      const server = yield* serve(() => {}, { settings: { maxConcurrentStreams: 0 } })
      const error = yield* Effect.flip(textOf(client, server.url))
      expect(String(error.cause)).toContain("the server allows no streams over HTTP/2")
    })
  )
})

describe("many clients on one HttpClient", () => {
  it.scopedLive("share one connection, streams included", () =>
    Effect.gen(function* () {
      const { ours, server: certificate } = yield* pki
      const namespaces = Array.from({ length: 30 }, (_, index) => `n${index}`)
      const server = yield* FliptServer.make({
        tls: { ...certificate, http2: true },
        documents: Object.fromEntries(namespaces.map((namespace) => [namespace, onDocument(true, namespace)]))
      })
      const context = yield* Layer.build(
        FliptClients.layer({
          url: server.url,
          fetchMode: "streaming",
          tlsConfig: { caCertData: ours.cert, http2: true }
        })
      )
      const { get } = yield* Effect.provide(FliptClients.FliptClients, context)
      yield* Effect.forEach(namespaces, (namespace) => get({ namespace }), { concurrency: "unbounded", discard: true })
      yield* server.awaitStreams(namespaces.length)
      expect(yield* server.accepted).toBe(1)
    })
  )
})
