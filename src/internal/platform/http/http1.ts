/**
 * Requests over HTTP/1.1, with one keep-alive Agent for the Scope.
 */
import type * as Http from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { hostOf } from "../../net/proxy.js"
import type { Connector, Target } from "./connector.js"
import { IDLE_MILLIS, type Incoming, type Outgoing, type Send } from "./exchange.js"
import { proxyAuthorization } from "./tunnel.js"

/** The options of a request, which Node hands on to the Agent. */
interface RequestOptions extends Http.RequestOptions {
  readonly target: Target
  readonly opening: Opening
}

/**
 * The connection that is being opened for a request. Node keeps a request's options for as long as its connection. They
 * must not reference the request's fiber, which would retain the response.
 */
interface Opening {
  /** Gives up the connection. */
  cancel: () => void
}

const nothingToCancel = () => {}

type OpenCallback = (error: Error | null, socket: Duplex) => void

/** Makes an Agent that opens its connections with `open`. */
const makeAgent = (open: (options: RequestOptions, callback: OpenCallback) => void): Http.Agent => {
  class Agent extends process.getBuiltinModule("node:http").Agent {
    override getName(options?: Http.RequestOptions): string {
      return (options as RequestOptions).target.key
    }

    override createConnection(options: Http.RequestOptions, callback: OpenCallback): undefined {
      open(options as RequestOptions, callback)
    }
  }
  return new Agent({ keepAlive: true, timeout: IDLE_MILLIS })
}

/** An http proxy receives http requests directly, because many refuse CONNECT to port 80. */
const isForwarded = ({ proxy, url }: Target): boolean => url.protocol === "http:" && proxy?.protocol === "http:"

const pathOf = ({ target, url }: Outgoing): string =>
  `${isForwarded(target) ? url.origin : ""}${url.pathname}${url.search}`

const headersOf = ({ headers, target, url }: Outgoing): Record<string, string> => {
  const authorization = isForwarded(target) && target.proxy !== undefined ? proxyAuthorization(target.proxy) : undefined
  return {
    host: url.host,
    ...headers,
    ...(authorization === undefined ? {} : { "proxy-authorization": authorization })
  }
}

/** Makes the function that sends requests over the connections that `connect` opens. */
export const makeHttp1 = (
  connect: (target: Target) => Effect.Effect<Net.Socket, Error>,
  markEarlyEnd: Connector["markEarlyEnd"]
): Effect.Effect<Send, never, Scope.Scope> =>
  Effect.gen(function* () {
    let isClosed = false
    const agent = yield* Effect.acquireRelease(
      Effect.sync(() =>
        makeAgent(({ opening, target }, callback) => {
          const fail = (error: Error) => callback(error, undefined as never)
          if (isClosed) {
            return fail(new Error("the HttpClient is closed"))
          }
          const fiber = run(
            Effect.matchCause(connect(target), {
              onSuccess: (socket) =>
                socket.destroyed
                  ? fail(socket.errored ?? new Error("the connection closed immediately"))
                  : callback(null, socket),
              onFailure: (cause) => fail(Cause.squash(cause) as Error)
            }).pipe(
              Effect.onInterrupt(() => Effect.sync(() => fail(new Error("the connection was given up")))),
              Effect.ensuring(
                Effect.sync(() => {
                  opening.cancel = nothingToCancel
                })
              )
            )
          )
          opening.cancel = () => fiber.unsafeInterruptAsFork(fiber.id())
        })
      ),
      (agent) => Effect.sync(() => agent.destroy())
    )
    // Interrupted before the Agent is destroyed, which only knows the connections that are open.
    const run = yield* FiberSet.makeRuntime<never, void, never>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isClosed = true
      })
    )

    return (outgoing) =>
      Effect.async<Incoming, Error>((resume) => {
        const opening: Opening = { cancel: nothingToCancel }
        let message: Http.IncomingMessage | undefined
        const options: RequestOptions = {
          agent,
          target: outgoing.target,
          opening,
          method: outgoing.method,
          host: hostOf(outgoing.url),
          path: pathOf(outgoing),
          headers: headersOf(outgoing),
          setHost: false
        }
        let request: Http.ClientRequest
        try {
          request = process.getBuiltinModule("node:http").request(options)
        } catch (error) {
          // A header with a character that HTTP does not allow.
          return resume(Effect.fail(error as Error))
        }
        const abandon = () => {
          if (message?.complete === true) {
            // Reads what is left, so that the connection becomes free.
            message.removeAllListeners("data").resume()
          } else {
            opening.cancel()
            request.destroy()
          }
        }
        outgoing.signal.addEventListener("abort", abandon, { once: true })
        request.on("error", (error) => {
          if (message !== undefined) {
            message.destroy(error)
            return
          }
          if (request.socket !== null && !request.reusedSocket) {
            markEarlyEnd(request.socket, error)
          }
          resume(Effect.fail(error))
        })
        request.once("response", (response) => {
          message = response
          response.on("error", () => {})
          const incoming = { status: response.statusCode ?? 0, headers: response.headers, body: response }
          // Node emits this event before it looks for the end of a response without a body. If the exchange ended here,
          // it would count as incomplete, and its connection would close.
          process.nextTick(() => resume(Effect.succeed(incoming)))
        })
        if (outgoing.body === undefined || outgoing.body instanceof Uint8Array) {
          request.end(outgoing.body)
        } else {
          outgoing.body.once("error", (error) => request.destroy(error)).pipe(request)
        }
        return Effect.sync(abandon)
      })
  })
