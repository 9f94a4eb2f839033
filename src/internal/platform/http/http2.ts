/**
 * Requests over HTTP/2. All requests to an origin share its sessions: as few as the server's limit of concurrent streams
 * allows, which is one for most servers. A server that does not choose HTTP/2 gets HTTP/1.1.
 */
import * as Http2 from "node:http2"
import type * as Net from "node:net"
import type * as NodeTls from "node:tls"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Connector, Target } from "./connector.js"
import { IDLE_MILLIS, type Incoming, type Outgoing, type Send } from "./exchange.js"
import { makeHttp1 } from "./http1.js"
import { CONNECT_TIMEOUT_MILLIS, silenceError } from "./opening.js"

const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = Http2.constants

/** How much of a body the server may send ahead. HTTP's default of 64 KiB would make large bodies slow. */
const WINDOW_BYTES = 1024 * 1024

/** How often a request that the server did not process is sent again, each time over another session. */
const MAX_RESENDS = 5

/** A request that the server certainly did not process, so that it can be sent again. */
class NotProcessed extends Error {}

interface Session {
  readonly session: Http2.ClientHttp2Session
  streams: number
  /** The ping that the server has not answered. It is sent when a request is given up unanswered. */
  probe: symbol | undefined
  /** Whether the connection is probably dead: a request that was sent after such a ping was given up unanswered, too. */
  isDoubtful: boolean
  isGoingAway: boolean
}

interface Opening {
  readonly fiber: Fiber.RuntimeFiber<Exit.Exit<void, Error>>
  waiting: number
}

interface Origin {
  readonly sessions: Set<Session>
  opening: Opening | undefined
  /** Whether the server chose HTTP/1.1 when a connection was last opened. */
  isHttp1: boolean
  /** The connection on which the server chose HTTP/1.1, until a request takes it. */
  spare: Net.Socket | undefined
}

const isUsable = ({ isDoubtful, session, streams }: Session): boolean =>
  !session.closed &&
  !session.destroyed &&
  !isDoubtful &&
  streams < (session.remoteSettings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY)

/** These belong to one connection of HTTP/1.1, and `host` is sent as `:authority`. */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "host",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade"
])

const headersOf = ({ headers, method, url }: Outgoing): Http2.OutgoingHttpHeaders => ({
  ":method": method,
  ":authority": headers.host ?? url.host,
  ":path": `${url.pathname}${url.search}`,
  ...Object.fromEntries(Object.entries(headers).filter(([name]) => !CONNECTION_HEADERS.has(name)))
})

/**
 * Makes a stream fail if the server resets it in the middle of the body. Node reports a reset without an error code like
 * the end of the body. The end itself arrives while the stream is open.
 */
const failIncomplete = (stream: Http2.ClientHttp2Stream): void => {
  const push = stream.push.bind(stream)
  let isComplete = false
  stream.push = (chunk, encoding) => {
    if (chunk === null && !isComplete) {
      if (stream.closed) {
        // Node still reads from the stream after this call.
        process.nextTick(() => stream.destroy(new Error("the server reset the stream before the end of the body")))
        return false
      }
      isComplete = true
    }
    return push(chunk, encoding)
  }
}

/** Asks the server for a sign of life, because a dead connection would fail all later requests one by one. */
const startProbe = (pooled: Session): void => {
  if (pooled.probe === undefined && !pooled.session.closed) {
    pooled.probe = Symbol()
    pooled.session.ping((error) => {
      if (error === null) {
        pooled.probe = undefined
        pooled.isDoubtful = false
      }
    })
  }
}

const sendOver = (pooled: Session, outgoing: Outgoing): Effect.Effect<Incoming, Error> =>
  Effect.async<Incoming, Error>((resume) => {
    const { probe, session } = pooled
    const { body } = outgoing
    let isAnswered = false
    let stream: Http2.ClientHttp2Stream
    try {
      stream = session.request(headersOf(outgoing), { endStream: body === undefined })
    } catch (error) {
      return resume(Effect.fail(error as Error))
    }
    const fail = (error: Error) => {
      const isRepeatable = body === undefined || body instanceof Uint8Array
      // A GET that a session leaves unanswered when it ends can be sent again, processed or not.
      const isUnprocessed =
        stream.rstCode === NGHTTP2_REFUSED_STREAM || (pooled.isGoingAway && outgoing.method === "GET")
      resume(Effect.fail(isUnprocessed && isRepeatable ? new NotProcessed(error.message, { cause: error }) : error))
    }
    const abandon = () => {
      if (!stream.destroyed) {
        if (!isAnswered) {
          pooled.isDoubtful ||= probe !== undefined && probe === pooled.probe
          startProbe(pooled)
        }
        stream.close(NGHTTP2_CANCEL)
        stream.destroy()
      }
    }
    pooled.streams++
    session.setTimeout(0)
    session.ref()
    failIncomplete(stream)
    outgoing.signal.addEventListener("abort", abandon, { once: true })
    stream.on("error", fail)
    stream.once("close", () => {
      if (--pooled.streams === 0 && !session.destroyed) {
        session.unref()
        session.setTimeout(IDLE_MILLIS)
      }
      fail(Object.assign(new Error("the connection closed before the response"), { code: "ECONNRESET" }))
    })
    stream.once("response", (headers) => {
      isAnswered = true
      const fields = Object.entries(headers).filter(([name]) => !name.startsWith(":"))
      resume(Effect.succeed({ status: headers[":status"] ?? 0, headers: Object.fromEntries(fields), body: stream }))
    })
    if (body instanceof Uint8Array) {
      stream.end(body)
    } else {
      body?.once("error", (error) => stream.destroy(error)).pipe(stream)
    }
    return Effect.sync(abandon)
  })

/** Makes the function that sends requests over HTTP/2 where the server chooses it, and else over HTTP/1.1. */
export const makeHttp2 = (connector: Connector): Effect.Effect<Send, never, Scope.Scope> =>
  Effect.gen(function* () {
    const origins = new Map<string, Origin>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const { sessions, spare } of origins.values()) {
          spare?.destroy()
          for (const { session } of sessions) {
            session.destroy()
          }
        }
      })
    )
    const run = yield* FiberSet.makeRuntime<never, Exit.Exit<void, Error>, never>()

    const originOf = ({ key }: Target): Origin => {
      const origin = origins.get(key) ?? { sessions: new Set(), opening: undefined, isHttp1: false, spare: undefined }
      origins.set(key, origin)
      return origin
    }

    const sendHttp1 = yield* makeHttp1((target) => {
      const origin = originOf(target)
      const { spare } = origin
      origin.spare = undefined
      return spare === undefined || spare.destroyed
        ? connector.connect(target, ["http/1.1"])
        : Effect.succeed(spare.setTimeout(0))
    }, connector.markEarlyEnd)

    /** Starts a session, and waits until the server has said how many streams it allows. */
    const startSession = ({ url }: Target, origin: Origin, socket: NodeTls.TLSSocket): Effect.Effect<void, Error> =>
      Effect.async<void, Error>((resume) => {
        const session = Http2.connect(url.origin, {
          createConnection: () => socket,
          settings: { enablePush: false, initialWindowSize: WINDOW_BYTES }
        })
        const pooled: Session = { session, streams: 0, probe: undefined, isDoubtful: false, isGoingAway: false }
        let isReady = false
        const end = (error: Error) => {
          if (!isReady) {
            connector.markEarlyEnd(socket, error)
          }
          resume(Effect.fail(error))
          // Destroys the socket too, but later: Node may be reading from it.
          session.destroy()
        }
        session.on("timeout", () => {
          if (pooled.streams === 0) {
            end(silenceError())
          }
        })
        session.on("error", end)
        session.on("goaway", () => {
          pooled.isGoingAway = true
        })
        session.once("close", () => {
          origin.sessions.delete(pooled)
          end(Object.assign(new Error("the connection closed before the server sent anything"), { code: "ECONNRESET" }))
        })
        session.setTimeout(CONNECT_TIMEOUT_MILLIS)
        session.once("remoteSettings", ({ maxConcurrentStreams }) => {
          if (maxConcurrentStreams === 0) {
            end(new Error("the server allows no streams over HTTP/2; do not set http2"))
            return
          }
          isReady = true
          session.setLocalWindowSize(4 * WINDOW_BYTES)
          session.setTimeout(IDLE_MILLIS)
          session.unref()
          origin.sessions.add(pooled)
          resume(Effect.void)
        })
        return Effect.sync(() => session.destroy())
      })

    const open = (target: Target, origin: Origin): Effect.Effect<void, Error> =>
      Effect.gen(function* () {
        // Leaves the caller time to store the fiber.
        yield* Effect.yieldNow()
        const socket = yield* connector.connect(target, ["h2", "http/1.1"])
        if ("alpnProtocol" in socket && socket.alpnProtocol === "h2") {
          return yield* startSession(target, origin, socket)
        }
        origin.isHttp1 = true
        origin.spare = socket.setTimeout(IDLE_MILLIS, () => {
          if (origin.spare === socket) {
            socket.destroy()
          }
        })
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            origin.opening = undefined
          })
        )
      )

    /** Waits for the connection that is being opened. The last request that gives up waiting ends it. */
    const awaitOpening = (target: Target, origin: Origin): Effect.Effect<void, Error> =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          origin.opening ??= { fiber: run(Effect.exit(open(target, origin))), waiting: 0 }
          origin.opening.waiting++
          return origin.opening
        }),
        ({ fiber }) =>
          Fiber.await(fiber).pipe(
            Effect.flatten,
            Effect.flatten,
            Effect.catchAllCause((cause) =>
              Cause.isInterrupted(cause) ? Effect.fail(new Error("the HttpClient is closed")) : Effect.failCause(cause)
            )
          ),
        (opening) => (--opening.waiting === 0 ? Fiber.interrupt(opening.fiber) : Effect.void)
      )

    const send: Send = (outgoing) =>
      Effect.suspend(() => {
        const origin = originOf(outgoing.target)
        const usable = [...origin.sessions].find(isUsable)
        if (usable !== undefined) {
          return sendOver(usable, outgoing)
        }
        if (!origin.isHttp1) {
          return Effect.zipRight(awaitOpening(outgoing.target, origin), send(outgoing))
        }
        return Effect.tapError(sendHttp1(outgoing), () =>
          Effect.sync(() => {
            // The server may have changed, so that the next request offers both versions again.
            origin.isHttp1 = false
          })
        )
      })

    return (outgoing) =>
      outgoing.url.protocol === "https:"
        ? Effect.retry(send(outgoing), {
            while: (error) => error instanceof NotProcessed,
            schedule: Schedule.recurs(MAX_RESENDS)
          })
        : sendHttp1(outgoing)
  })
