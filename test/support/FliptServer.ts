/**
 * The stand-in for a Flipt server: a real HTTP server on the loopback interface that behaves like Flipt v1 or v2.
 * It records its requests, produces faults on demand, and lets a test write its streams byte for byte.
 */
import * as Http from "node:http"
import * as Http2 from "node:http2"
import * as Https from "node:https"
import type * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Answer from "./Answer.js"
import * as Cors from "./Cors.js"
import * as Fault from "./Fault.js"
import * as Route from "./Route.js"
import * as Stored from "./Stored.js"

export interface Token {
  readonly kind: "client" | "jwt"
  readonly value: string
}

/** The options of a server over TLS. With `ca` and `requestCert` it requests a client certificate. */
export interface TlsOptions {
  readonly cert: string
  readonly key: string
  readonly ca?: string
  readonly requestCert?: boolean
  /** Whether to refuse clients without a certificate, or with a certificate of another authority. Default: true. */
  readonly rejectUnauthorized?: boolean
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3"
  /** Whether to offer HTTP/2. */
  readonly http2?: boolean
}

export interface Options {
  /** Serves over TLS. */
  readonly tls?: TlsOptions
  /** The version to imitate: v1.61, v2.11, or one of v2.0 to v2.10. Default: `"v2"`. */
  readonly version?: Stored.Version
  /** If set, every request with a known path must have this credential. */
  readonly token?: Token
  /** The path prefix of a reverse proxy: `"/flipt"`. */
  readonly prefix?: string
  /** Documents by namespace, in the default environment. */
  readonly documents?: Readonly<Record<string, Stored.Document>>
  /** v2: the name of the default environment. The name `default` also selects it. Default: `"default"`. */
  readonly defaultEnvironment?: string
  /** v2: environments that are branches. Their streams never send anything, not even response headers. */
  readonly branches?: ReadonlyArray<string>
  /** `scripted`: streams send only what the test writes. Default: `served`, like Flipt. */
  readonly streams?: "served" | "scripted"
  /** Enables CORS with the defaults of the version. Default: no CORS headers, and no responses to preflight requests. */
  readonly cors?: Cors.Options
}

export interface Target {
  /** Default: the default environment. v1 has no environments and serves only the default one. */
  readonly environment?: string
  /** Default: `"default"`. */
  readonly namespace?: string
}

interface DocumentTarget extends Target {
  /** v1 only: v2 has no references. */
  readonly reference?: string
  /** Default: the document's own digest (v2), or else 40 hex digits computed from the namespace and the content. */
  readonly etag?: string
}

export type { Request } from "./Route.js"

/** A stream that a client has requested, whatever its state. */
export interface Stream {
  readonly request: Route.Request
  /** The digest that the client sent. */
  readonly digest: string | undefined
  /** Sends bytes, preceded by the headers of a successful response. */
  readonly write: (bytes: string | Uint8Array) => void
  /** Sends a frame with this document on this stream only. */
  readonly push: (document: Stored.Document) => void
  /** Ends the response normally. */
  readonly end: () => void
  /** Destroys the connection. */
  readonly destroy: () => void
  readonly response: Http.ServerResponse
  readonly isOpen: () => boolean
  /** How many of the written bytes are still buffered in the process. */
  readonly unsent: () => number
}

export interface Server {
  /** The base URL, with the prefix and without a trailing slash. A restart does not change it. */
  readonly url: string
  readonly port: number
  readonly setDocument: (document: Stored.Document, target?: DocumentTarget) => Effect.Effect<void>
  /** Sets the document of a namespace that consists of several files. */
  readonly setFiles: (
    files: readonly [Stored.File, ...ReadonlyArray<Stored.File>],
    target?: Target
  ) => Effect.Effect<void>
  /** Removes a namespace's documents under every reference. Its environment remains. */
  readonly removeNamespace: (target?: Target) => Effect.Effect<void>
  /** Changes the required credential. */
  readonly setToken: (token: Token | undefined) => Effect.Effect<void>
  /** All requests so far, the oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<Route.Request>>
  /** Waits until there are this many requests, and returns them. */
  readonly awaitRequests: (count: number) => Effect.Effect<ReadonlyArray<Route.Request>>
  /** The requests for streams and all other requests, the oldest first. New requests are appended to both lists. */
  readonly streams: ReadonlyArray<Stream>
  readonly snapshots: ReadonlyArray<Route.Request>
  /** The kinds of all requests so far, in order. */
  readonly order: Effect.Effect<ReadonlyArray<"snapshot" | "stream">>
  /** Waits until this many streams have been requested. Returns the last one. */
  readonly awaitStreamRequests: (count: number) => Effect.Effect<Stream>
  /** Waits until this many other requests have arrived. */
  readonly awaitSnapshotRequests: (count: number) => Effect.Effect<void>
  /** Adds faults to the queue. Each affects one request. */
  readonly fail: (...faults: ReadonlyArray<Fault.Fault>) => Effect.Effect<void>
  /** Applies to every request for which the queue has no fault; `undefined` ends it. */
  readonly failAlways: (fault: Fault.Fault | undefined) => Effect.Effect<void>
  /** Like `failAlways`, only for streams or only for other requests. */
  readonly failStreams: (fault: Fault.Fault | undefined) => Effect.Effect<void>
  readonly failSnapshots: (fault: Fault.Fault | undefined) => Effect.Effect<void>
  /** The number of connections so far, with or without requests. */
  readonly accepted: Effect.Effect<number>
  /** How many connections are open. */
  readonly connections: Effect.Effect<number>
  /** Waits until exactly this many connections are open. */
  readonly awaitConnections: (count: number) => Effect.Effect<void>
  /** Waits until exactly this many streams are open. */
  readonly awaitStreams: (count: number) => Effect.Effect<void>
  /** Sends GOAWAY to HTTP/2 clients, and completes the requests in progress. */
  readonly goAway: Effect.Effect<void>
  /** Uses another certificate for new connections. */
  readonly setCertificate: (certificate: Pick<TlsOptions, "cert" | "key">) => Effect.Effect<void>
  /**
   * Closes the listener and idle connections, but leaves streams open until `stop`. Flipt does this if it gets a SIGTERM
   * in the first 30 seconds after its start, until those 30 seconds are over.
   */
  readonly drain: Effect.Effect<void>
  /** Closes the listener and every connection. */
  readonly stop: Effect.Effect<void>
  /** Listens again, on the same port. */
  readonly start: Effect.Effect<void>
  readonly restart: Effect.Effect<void>
}

const host = "127.0.0.1"

const streamHeaders = { "content-type": "application/json" }

/** Longer than any test. With the default, clients would close idle connections after a few seconds. */
const keepAliveTimeout = 600_000

/** How long to retry if another process holds the port. */
const bindAttempts = 1500
const bindRetryMillis = 20

/** The target of a stream, and the digest of the client's state. */
interface Subscription {
  /** Absent for a stream on which Flipt never sends anything. */
  readonly key: string | undefined
  digest: string | undefined
}

interface Reply {
  /** For a successful stream: its first frame, if there is already one. */
  readonly answer: Answer.Answer
  readonly subscription?: Subscription
}

const digestLength = 40

/** The digest in a document, given as an object or as JSON text. */
export const digestOf = (document: object | string, namespace = "default"): string =>
  Stored.make(document, { version: "v2", namespace, etag: undefined, changes: 0 }).etag

/** The line of a stream with this document, as v2 sends it. */
export const frame = (document: Stored.Document, namespace = "default"): Uint8Array =>
  Answer.frame(Stored.make(document, { version: "v2", namespace, etag: undefined, changes: 0 }).body(undefined))

export const make = (options: Options = {}): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const version = options.version ?? "v2"
    const prefix = options.prefix ?? ""
    const defaultEnvironment = options.defaultEnvironment ?? "default"
    const environments = new Set([defaultEnvironment])
    const branches = new Set(options.branches)
    const references = new Set([""])
    const documents = new Map<string, Map<string, Stored.Stored>>()
    const sockets = new Set<Net.Socket>()
    const subscriptions = new Map<Http.ServerResponse, Subscription>()
    const streams: Array<Stream> = []
    const snapshots: Array<Route.Request> = []
    const sessions = new Set<Http2.Http2Session>()
    const log: Array<Route.Request> = []
    const faults: Array<Fault.Fault> = []
    const watchers = new Set<() => void>()
    let token = options.token
    let constantFault: Fault.Fault | undefined
    let streamFault: Fault.Fault | undefined
    let snapshotFault: Fault.Fault | undefined
    let changes = 0
    let isClosed = true
    let port = 0
    let accepted = 0

    const notify = () => {
      for (const watcher of [...watchers]) watcher()
    }

    const waitUntil = (holds: () => boolean): Effect.Effect<void> =>
      Effect.async<void>((resume) => {
        const check = () => {
          if (!holds()) return
          watchers.delete(check)
          resume(Effect.void)
        }
        watchers.add(check)
        check()
        return Effect.sync(() => watchers.delete(check))
      })

    const keyOf = (environment: string, namespace: string) => JSON.stringify([environment, namespace])

    const put = (target: DocumentTarget, make: (options: Omit<Stored.Options, "etag">) => Stored.Stored) => {
      const { environment = defaultEnvironment, namespace = "default", reference = "" } = target
      environments.add(environment)
      references.add(reference)
      const key = keyOf(environment, namespace)
      const byReference = documents.get(key) ?? new Map<string, Stored.Stored>()
      documents.set(key, byReference)
      byReference.set(reference, make({ version, namespace, changes: ++changes }))
      for (const [response, subscription] of subscriptions) {
        if (subscription.key === key) sendFrame(response, subscription)
      }
    }

    const putDocument = (document: Stored.Document, target: DocumentTarget) =>
      put(target, (options) => Stored.make(document, { ...options, etag: target.etag }))

    /** Sends the current document, unless the client has it. Unknown and deleted namespaces send nothing. */
    const sendFrame = (response: Http.ServerResponse, subscription: Subscription) => {
      const stored = subscription.key === undefined ? undefined : documents.get(subscription.key)?.get("")
      if (stored === undefined || stored.etag === subscription.digest) return
      subscription.digest = stored.etag
      // Flipt sends the status line together with the first frame.
      if (!response.headersSent) response.writeHead(200, streamHeaders)
      response.write(Answer.frame(stored.body(undefined)))
    }

    const authenticated = (request: Route.Request): boolean =>
      token === undefined ||
      request.headers.authorization === `${token.kind === "client" ? "Bearer" : "JWT"} ${token.value}`

    const found = (stored: Stored.Stored, request: Route.Request, etag: string | undefined): Answer.Answer =>
      Answer.json(stored.body(request.headers["x-flipt-accept-server-version"]), etag === undefined ? {} : { etag })

    const snapshotV1 = (request: Route.Request, namespace: string): Answer.Answer => {
      const reference = request.query.reference ?? ""
      if (!references.has(reference)) return Answer.error(500, `reference ${JSON.stringify(reference)} not found`)
      const byReference = documents.get(keyOf("default", namespace))
      const stored = byReference?.get(reference)
      // The ETag does not depend on the reference, so clients of other references get a wrong 304.
      return stored === undefined
        ? Answer.json(Buffer.from(JSON.stringify({ namespace: { key: namespace }, flags: [] })))
        : found(stored, request, byReference?.get("")?.etag)
    }

    const environmentOf = (request: Route.Request, pathEnvironment: string | undefined): string => {
      // The header only counts if the path has no known environment.
      const wanted = pathEnvironment !== undefined && environments.has(pathEnvironment) ? pathEnvironment : undefined
      const named = wanted ?? (request.headers["x-flipt-environment"] || defaultEnvironment)
      return named === "default" && !environments.has(named) ? defaultEnvironment : named
    }

    const unknownEnvironment = (environment: string): string => {
      const quoted = JSON.stringify(environment)
      return `failed to get environment ${quoted} from context: environment: ${quoted} not found`
    }

    const snapshotV2 = (
      request: Route.Request,
      pathEnvironment: string | undefined,
      namespace: string
    ): Answer.Answer => {
      const environment = environmentOf(request, pathEnvironment)
      if (!environments.has(environment)) return Answer.error(404, unknownEnvironment(environment))
      const stored = documents.get(keyOf(environment, namespace))?.get("")
      return stored === undefined
        ? Answer.error(404, `evaluation snapshot for namespace ${JSON.stringify(namespace)} not found`)
        : found(stored, request, stored.etag)
    }

    const stream = (request: Route.Request, pathEnvironment: string, namespace: string): Reply => {
      const environment = environmentOf(request, pathEnvironment)
      if (!environments.has(environment)) return { answer: Answer.streamError(404, unknownEnvironment(environment)) }
      const digest = request.query.digest || undefined
      if (digest !== undefined && [...digest].length !== digestLength) {
        return { answer: Answer.streamError(400, "invalid field digest: must be a 40-character string") }
      }
      if (options.streams === "scripted" || branches.has(environment)) {
        return { answer: Answer.json(new Uint8Array(0), streamHeaders), subscription: { key: undefined, digest } }
      }
      const key = keyOf(environment, namespace)
      const stored = documents.get(key)?.get("")
      const first =
        stored === undefined || stored.etag === digest ? new Uint8Array(0) : Answer.frame(stored.body(undefined))
      return { answer: Answer.json(first, streamHeaders), subscription: { key, digest } }
    }

    const replyTo = (request: Route.Request): Reply => {
      const routed = Route.route(request.path, prefix, version === "v1")
      switch (routed._tag) {
        case "None":
          return { answer: Answer.error(404, "Not Found") }
        case "Malformed":
          return { answer: Answer.plain(400, "400 Bad Request") }
        case "NoClientApi":
          return { answer: Answer.plain(404, "404 page not found\n") }
        case "Snapshot":
        case "Stream": {
          const isStream = routed._tag === "Stream"
          // The gateway checks the route before the server checks the credential.
          if (request.method !== "GET") return { answer: Answer.error(501, "Method Not Allowed") }
          if (!authenticated(request)) {
            return { answer: (isStream ? Answer.streamError : Answer.error)(401, "request was not authenticated") }
          }
          if (isStream) return stream(request, routed.environment, routed.namespace)
          return {
            answer:
              version === "v1"
                ? snapshotV1(request, routed.namespace)
                : snapshotV2(request, routed.environment, routed.namespace)
          }
        }
      }
    }

    const open = (request: Route.Request, response: Http.ServerResponse): Stream => {
      const write = (bytes: string | Uint8Array) => {
        if (!response.headersSent) response.writeHead(200, streamHeaders)
        response.write(bytes)
      }
      return {
        request,
        digest: request.query.digest,
        write,
        push: (document) => write(frame(document)),
        end: () => void response.end(),
        destroy: () => void response.destroy(),
        response,
        isOpen: () => !response.closed && !response.destroyed,
        unsent: () => response.writableLength
      }
    }

    const serve = (message: Http.IncomingMessage, response: Http.ServerResponse) => {
      const request = Route.describe(message, options.tls !== undefined)
      const isStream = Route.isStream(request)
      log.push(request)
      if (isStream) streams.push(open(request, response))
      else snapshots.push(request)
      message.resume()
      const isAnswered =
        options.cors !== undefined &&
        Cors.handle(options.cors, version === "v1" ? "v1" : "v2", message, response) === "answered"
      if (isAnswered) return notify()
      const { answer, subscription } = replyTo(request)
      const proceed = () => {
        if (subscription !== undefined) {
          subscriptions.set(response, subscription)
          response.once("close", () => {
            subscriptions.delete(response)
            notify()
          })
          sendFrame(response, subscription)
          return
        }
        const etag = answer.headers.etag
        const unchanged = etag !== undefined && request.headers["if-none-match"] === etag
        Answer.send(unchanged ? Answer.notModified({ etag }) : Answer.encode(answer, message), response)
      }
      const fault = faults.shift() ?? (isStream ? streamFault : snapshotFault) ?? constantFault ?? Fault.pass
      Fault.inflict(fault, { request: message, response, answer, proceed })
      notify()
    }

    // Idle connections stay open, so that tests can count the ones that a client fails to close.
    const noTimeouts = { keepAliveTimeout, requestTimeout: 0, headersTimeout: 0 }
    const server =
      options.tls === undefined
        ? Http.createServer(noTimeouts, serve)
        : options.tls.http2 === true
          ? // its compatibility API has everything that `serve` uses
            Http2.createSecureServer({ ...options.tls, allowHTTP1: true }, serve as never)
          : Https.createServer({ ...noTimeouts, ...options.tls }, serve)
    server.on("connection", (socket: Net.Socket) => {
      sockets.add(socket)
      accepted++
      socket.once("close", () => {
        sockets.delete(socket)
        notify()
      })
      notify()
    })

    server.on("session", (session: Http2.Http2Session) => {
      sessions.add(session)
      session.once("close", () => sessions.delete(session))
    })

    const start = Effect.async<void>((resume) => {
      if (server.listening) return resume(Effect.void)
      let attempts = 0
      let timer: NodeJS.Timeout | undefined
      const listen = () => server.listen(port, host)
      const done = (result: Effect.Effect<void>) => {
        server.off("error", onError).off("listening", onListening)
        resume(result)
      }
      const onListening = () => done(Effect.void)
      const onError = (error: NodeJS.ErrnoException) => {
        // In real time, because the caller's clock may be a TestClock.
        if (error.code === "EADDRINUSE" && ++attempts < bindAttempts) timer = setTimeout(listen, bindRetryMillis)
        else done(Effect.die(error))
      }
      server.on("error", onError).on("listening", onListening)
      listen()
      return Effect.sync(() => {
        clearTimeout(timer)
        server.off("error", onError).off("listening", onListening)
      })
    })

    server
      .on("listening", () => {
        isClosed = false
      })
      .on("close", () => {
        isClosed = true
        notify()
      })

    const drain = Effect.sync(() => {
      if (server.listening) server.close()
    })

    const stop = drain.pipe(
      Effect.zipRight(
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
        })
      ),
      Effect.zipRight(waitUntil(() => isClosed && sockets.size === 0))
    )

    for (const [namespace, document] of Object.entries(options.documents ?? {})) putDocument(document, { namespace })
    yield* Effect.acquireRelease(start, () => stop)
    const address = server.address()
    if (address === null || typeof address === "string") return yield* Effect.dieMessage("the server has no port")
    port = address.port

    return {
      url: `${options.tls === undefined ? "http" : "https"}://${host}:${port}${prefix}`,
      port,
      setDocument: (document, target = {}) => Effect.sync(() => putDocument(document, target)),
      setFiles: (files, target = {}) => Effect.sync(() => put(target, (options) => Stored.ofFiles(files, options))),
      removeNamespace: ({ environment = defaultEnvironment, namespace = "default" } = {}) =>
        Effect.sync(() => documents.delete(keyOf(environment, namespace))),
      setToken: (next) =>
        Effect.sync(() => {
          token = next
        }),
      requests: Effect.sync(() => [...log]),
      awaitRequests: (count) =>
        Effect.map(
          waitUntil(() => log.length >= count),
          () => [...log]
        ),
      streams,
      snapshots,
      order: Effect.sync(() => log.map((request) => (Route.isStream(request) ? "stream" : "snapshot"))),
      awaitStreamRequests: (count) =>
        Effect.map(
          waitUntil(() => streams.length >= count),
          () => streams.at(-1)!
        ),
      awaitSnapshotRequests: (count) => waitUntil(() => snapshots.length >= count),
      fail: (...more) => Effect.sync(() => faults.push(...more)),
      failAlways: (fault) =>
        Effect.sync(() => {
          constantFault = fault
        }),
      failStreams: (fault) =>
        Effect.sync(() => {
          streamFault = fault
        }),
      failSnapshots: (fault) =>
        Effect.sync(() => {
          snapshotFault = fault
        }),
      accepted: Effect.sync(() => accepted),
      connections: Effect.sync(() => sockets.size),
      awaitConnections: (count) => waitUntil(() => sockets.size === count),
      awaitStreams: (count) => waitUntil(() => subscriptions.size === count),
      goAway: Effect.sync(() => {
        for (const session of sessions) session.close()
      }),
      setCertificate: (certificate) =>
        Effect.sync(() => {
          if ("setSecureContext" in server) server.setSecureContext({ ...options.tls, ...certificate })
        }),
      drain,
      stop,
      start,
      restart: Effect.zipRight(stop, start)
    }
  })
