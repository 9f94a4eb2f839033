/**
 * A stand-in for a Flipt server: a real HTTP server on the loopback interface that answers as Flipt v1 or v2 does, keeps
 * a log of what it was asked, and goes wrong on demand. Its streams end where a connection ends: the client's doing, or
 * `stop`, or the end of the scope.
 */
import * as Http from "node:http"
import * as Http2 from "node:http2"
import * as Https from "node:https"
import type * as Net from "node:net"
import type * as NodeTls from "node:tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Answer from "./Answer.js"
import * as Fault from "./Fault.js"
import * as Stored from "./Stored.js"

export interface Token {
  readonly kind: "client" | "jwt"
  readonly value: string
}

/** What a server over TLS has. With `ca` and `requestCert` it asks for a client certificate. */
export interface TlsOptions {
  readonly cert: string
  readonly key: string
  readonly ca?: string
  readonly requestCert?: boolean
  /** Whether a client without a certificate, or with one of another authority, is refused. Default: true. */
  readonly rejectUnauthorized?: boolean
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3"
  /** Whether HTTP/2 is spoken with who wants it. */
  readonly http2?: boolean
}

export interface Options {
  /** Makes it a server over TLS. */
  readonly tls?: TlsOptions
  /** Which server to be. Default: `"v2"`. */
  readonly version?: "v1" | "v2"
  /** Asked of every request that has a route, once it is set. */
  readonly token?: Token
  /** The path prefix of a reverse proxy: `"/flipt"`. */
  readonly prefix?: string
  /** Documents by namespace, in the environment `default`. */
  readonly documents?: Readonly<Record<string, Stored.Document>>
}

export interface Target {
  /** Default: `"default"`. v1 has no environments: what is put elsewhere is not to be seen there. */
  readonly environment?: string
  /** Default: `"default"`. */
  readonly namespace?: string
}

export interface DocumentTarget extends Target {
  /** v2 knows none: what is put under one is not to be seen there. */
  readonly reference?: string
  /** Default: the document's own digest (v2), or else 40 hex digits made of the namespace and the content. */
  readonly etag?: string
}

export interface Request {
  readonly method: string
  /** The request's target as it was sent. */
  readonly target: string
  /** The target up to the `?`, as it was sent. */
  readonly path: string
  /** The query's fields, decoded. */
  readonly query: Readonly<Record<string, string>>
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** When the head of the request was in: milliseconds of `performance.now()`. */
  readonly at: number
  /** Over TLS: the version of HTTP, the name that was asked for, and the common name of the client's certificate. */
  readonly tls?: {
    readonly httpVersion: string
    readonly serverName: string | undefined
    readonly client: string | undefined
  }
}

export interface Server {
  /** The base URL, with the prefix and without a slash at its end. It stays the same through a restart. */
  readonly url: string
  readonly port: number
  readonly setDocument: (document: Stored.Document, target?: DocumentTarget) => Effect.Effect<void>
  /** Forgets a namespace's documents, under every reference. Its environment stays known. */
  readonly removeNamespace: (target?: Target) => Effect.Effect<void>
  /** What requests must bring from now on. */
  readonly setToken: (token: Token | undefined) => Effect.Effect<void>
  /** All that came in until now, the oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<Request>>
  /** The same, as soon as there are this many. */
  readonly awaitRequests: (count: number) => Effect.Effect<ReadonlyArray<Request>>
  /** Adds to the queue of faults: each spoils one request, and then all is normal again. */
  readonly fail: (...faults: ReadonlyArray<Fault.Fault>) => Effect.Effect<void>
  /** Spoils every request that the queue has no fault for; `undefined` ends it. */
  readonly failAlways: (fault: Fault.Fault | undefined) => Effect.Effect<void>
  /** How many connections were made until now, with or without a request over them. */
  readonly accepted: Effect.Effect<number>
  /** How many connections are open. */
  readonly connections: Effect.Effect<number>
  /** Comes back as soon as exactly this many connections are open. */
  readonly awaitConnections: (count: number) => Effect.Effect<void>
  /** Comes back as soon as exactly this many streams are open. */
  readonly awaitStreams: (count: number) => Effect.Effect<void>
  /** Tells those who speak HTTP/2 that it goes, and serves what they have asked for to its end. */
  readonly goAway: Effect.Effect<void>
  /** Has another certificate for new connections from now on. */
  readonly setCertificate: (certificate: Pick<TlsOptions, "cert" | "key">) => Effect.Effect<void>
  /** Closes the listener and every connection. */
  readonly stop: Effect.Effect<void>
  /** Listens again, on the same port. */
  readonly start: Effect.Effect<void>
  readonly restart: Effect.Effect<void>
}

const host = "127.0.0.1"

const streamHeaders = { "content-type": "application/json" }

/** Longer than any test takes; a client that is told none closes an idle connection by itself after some seconds. */
const keepAliveTimeout = 600_000

/** How long the port may be in other hands when the server wants it back. */
const bindAttempts = 100
const bindRetryMillis = 20

const describeTls = (message: Http.IncomingMessage): Pick<Request, "tls"> => {
  const socket = message.socket as NodeTls.TLSSocket & { readonly servername?: string | false }
  const client: unknown = socket.getPeerCertificate()?.subject?.CN
  return {
    tls: {
      httpVersion: message.httpVersion,
      serverName: socket.servername || undefined,
      client: client === undefined ? undefined : String(client)
    }
  }
}

const describe = (message: Http.IncomingMessage, isSecure: boolean): Request => {
  const target = message.url ?? ""
  const mark = target.indexOf("?")
  return {
    method: message.method ?? "",
    target,
    path: mark < 0 ? target : target.slice(0, mark),
    query: Object.fromEntries(new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1))),
    headers: Object.fromEntries(
      Object.entries(message.headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(", ") : `${value}`
      ])
    ),
    at: performance.now(),
    ...(isSecure ? describeTls(message) : {})
  }
}

type Route =
  | { readonly _tag: "Snapshot"; readonly environment: string | undefined; readonly namespace: string }
  | { readonly _tag: "Stream"; readonly environment: string; readonly namespace: string }
  | { readonly _tag: "NoClientApi" }
  | { readonly _tag: "Malformed" }
  | { readonly _tag: "None" }

const route = (path: string, prefix: string, version: "v1" | "v2"): Route => {
  const none: Route = { _tag: "None" }
  if (!path.startsWith(`${prefix}/`)) return none
  const relative = path.slice(prefix.length)
  try {
    const internal = /^\/internal\/v1\/evaluation\/snapshot\/namespace\/([^/]+)$/.exec(relative)
    if (internal !== null) {
      return { _tag: "Snapshot", environment: undefined, namespace: decodeURIComponent(internal[1]!) }
    }
    if (version === "v1") return relative.startsWith("/client/v2/") ? { _tag: "NoClientApi" } : none
    const client = /^\/client\/v2\/environments\/([^/]+)\/namespaces\/([^/]+)\/(snapshot|stream)$/.exec(relative)
    if (client === null) return none
    return {
      _tag: client[3] === "snapshot" ? "Snapshot" : "Stream",
      environment: decodeURIComponent(client[1]!),
      namespace: decodeURIComponent(client[2]!)
    }
  } catch {
    return { _tag: "Malformed" }
  }
}

/** What a stream is about, and the digest that its client has. */
interface Subscription {
  readonly key: string
  digest: string | undefined
}

interface Reply {
  /** Of a stream that goes well: its first frame, or nothing as long as there is none. */
  readonly answer: Answer.Answer
  readonly subscription?: Subscription
}

const digestLength = 40

export const make = (options: Options = {}): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const version = options.version ?? "v2"
    const prefix = options.prefix ?? ""
    const environments = new Set(["default"])
    const documents = new Map<string, Map<string, Stored.Stored>>()
    const sockets = new Set<Net.Socket>()
    const streams = new Map<Http.ServerResponse, Subscription>()
    const sessions = new Set<Http2.Http2Session>()
    const log: Array<Request> = []
    const faults: Array<Fault.Fault> = []
    const watchers = new Set<() => void>()
    let token = options.token
    let constantFault: Fault.Fault | undefined
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

    const put = (document: Stored.Document, target: DocumentTarget) => {
      const { environment = "default", namespace = "default", reference = "" } = target
      environments.add(environment)
      const key = keyOf(environment, namespace)
      const references = documents.get(key) ?? new Map<string, Stored.Stored>()
      documents.set(key, references)
      references.set(reference, Stored.make(document, { version, namespace, etag: target.etag }))
      for (const [response, subscription] of streams) {
        if (subscription.key === key) sendFrame(response, subscription)
      }
    }

    /** The document as it is now, unless the client has it: neither an unknown namespace nor a deletion is news. */
    const sendFrame = (response: Http.ServerResponse, subscription: Subscription) => {
      const stored = documents.get(subscription.key)?.get("")
      if (stored === undefined || stored.etag === subscription.digest) return
      subscription.digest = stored.etag
      // Not before: as long as there is no frame, there is no status line either.
      if (!response.headersSent) response.writeHead(200, streamHeaders)
      response.write(Answer.frame(stored.body(undefined)))
    }

    const authenticated = (request: Request): boolean =>
      token === undefined ||
      request.headers.authorization === `${token.kind === "client" ? "Bearer" : "JWT"} ${token.value}`

    const found = (stored: Stored.Stored, request: Request): Answer.Answer =>
      Answer.json(stored.body(request.headers["x-flipt-accept-server-version"]), { etag: stored.etag })

    const snapshotV1 = (request: Request, namespace: string): Answer.Answer => {
      const stored = documents.get(keyOf("default", namespace))?.get(request.query.reference ?? "")
      return stored === undefined
        ? Answer.json(Buffer.from(JSON.stringify({ namespace: { key: namespace }, flags: [] })))
        : found(stored, request)
    }

    const environmentOf = (request: Request, pathEnvironment: string | undefined): string => {
      // An unknown environment in the path counts as none, and only then the header counts.
      const wanted = pathEnvironment !== undefined && environments.has(pathEnvironment) ? pathEnvironment : undefined
      return wanted ?? (request.headers["x-flipt-environment"] || "default")
    }

    const unknownEnvironment = (environment: string): string => {
      const quoted = JSON.stringify(environment)
      return `failed to get environment ${quoted} from context: environment: ${quoted} not found`
    }

    const snapshotV2 = (request: Request, pathEnvironment: string | undefined, namespace: string): Answer.Answer => {
      const environment = environmentOf(request, pathEnvironment)
      if (!environments.has(environment)) return Answer.error(404, unknownEnvironment(environment))
      const stored = documents.get(keyOf(environment, namespace))?.get("")
      return stored === undefined
        ? Answer.error(404, `evaluation snapshot for namespace ${JSON.stringify(namespace)} not found`)
        : found(stored, request)
    }

    const stream = (request: Request, pathEnvironment: string, namespace: string): Reply => {
      const environment = environmentOf(request, pathEnvironment)
      if (!environments.has(environment)) return { answer: Answer.streamError(404, unknownEnvironment(environment)) }
      const digest = request.query.digest || undefined
      if (digest !== undefined && [...digest].length !== digestLength) {
        return { answer: Answer.streamError(400, "invalid field digest: must be a 40-character string") }
      }
      const key = keyOf(environment, namespace)
      const stored = documents.get(key)?.get("")
      const first =
        stored === undefined || stored.etag === digest ? new Uint8Array(0) : Answer.frame(stored.body(undefined))
      return { answer: Answer.json(first, streamHeaders), subscription: { key, digest } }
    }

    const replyTo = (request: Request): Reply => {
      const routed = route(request.path, prefix, version)
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
          // The gateway finds the route before the server behind it sees the credential.
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

    const serve = (message: Http.IncomingMessage, response: Http.ServerResponse) => {
      const request = describe(message, options.tls !== undefined)
      log.push(request)
      message.resume()
      const { answer, subscription } = replyTo(request)
      const proceed = () => {
        if (subscription !== undefined) {
          streams.set(response, subscription)
          response.once("close", () => {
            streams.delete(response)
            notify()
          })
          sendFrame(response, subscription)
          return
        }
        const etag = answer.headers.etag
        const unchanged = etag !== undefined && request.headers["if-none-match"] === etag
        Answer.send(unchanged ? Answer.notModified({ etag }) : Answer.encode(answer, message), response)
      }
      const fault = faults.shift() ?? constantFault ?? Fault.pass
      Fault.inflict(fault, { request: message, response, answer, proceed })
      notify()
    }

    // A connection that a client forgets is to stay, and be counted. The client is told that it may keep one for long.
    const noTimeouts = { keepAliveTimeout, requestTimeout: 0, headersTimeout: 0 }
    const server =
      options.tls === undefined
        ? Http.createServer(noTimeouts, serve)
        : options.tls.http2 === true
          ? // its compatible form of requests and responses has all that is used of the other
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
        // In real time, for the caller's clock may stand still.
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

    const close = Effect.async<void>((resume) => {
      if (!server.listening) return resume(Effect.void)
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })

    // The server counts as closed a moment before its sockets are.
    const stop = Effect.zipRight(
      close,
      waitUntil(() => sockets.size === 0)
    )

    for (const [namespace, document] of Object.entries(options.documents ?? {})) put(document, { namespace })
    yield* Effect.acquireRelease(start, () => stop)
    const address = server.address()
    if (address === null || typeof address === "string") return yield* Effect.dieMessage("the server has no port")
    port = address.port

    return {
      url: `${options.tls === undefined ? "http" : "https"}://${host}:${port}${prefix}`,
      port,
      setDocument: (document, target = {}) => Effect.sync(() => put(document, target)),
      removeNamespace: ({ environment = "default", namespace = "default" } = {}) =>
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
      fail: (...more) => Effect.sync(() => faults.push(...more)),
      failAlways: (fault) =>
        Effect.sync(() => {
          constantFault = fault
        }),
      accepted: Effect.sync(() => accepted),
      connections: Effect.sync(() => sockets.size),
      awaitConnections: (count) => waitUntil(() => sockets.size === count),
      awaitStreams: (count) => waitUntil(() => streams.size === count),
      goAway: Effect.sync(() => {
        for (const session of sessions) session.close()
      }),
      setCertificate: (certificate) =>
        Effect.sync(() => {
          if ("setSecureContext" in server) server.setSecureContext({ ...options.tls, ...certificate })
        }),
      stop,
      start,
      restart: Effect.zipRight(stop, start)
    }
  })
