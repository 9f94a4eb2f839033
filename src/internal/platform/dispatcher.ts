/**
 * undici's connections, opened here: with the certificates of the moment, through a proxy where there is one, and in
 * fibers of a scope.
 */
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import * as NodeTls from "node:tls"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { Agent, type buildConnector, type Dispatcher, fetch } from "undici"
import type { ConnectionOptions } from "../../Tls.js"
import { hostOf, parseProxy, placeOf, portOf, proxyFromVariables, proxyProblem } from "../net/proxy.js"
import type { ClientCertificate } from "../net/transportError.js"
import { reveal } from "../util/reveal.js"

export { fetch }

/**
 * How long a socket that is being opened may be silent. It is the socket's own time, and there only for those that
 * nobody waits for any more: how long a request waits is the Fetcher's to say, by the Clock.
 */
const CONNECT_TIMEOUT_MILLIS = 120_000

/** How long a connection may be silent before the system looks whether the other side is still there. */
const KEEP_ALIVE_MILLIS = 60_000

const isInNetwork = (host: string, network: string): boolean => {
  const [, address = "", prefix = ""] = /^([0-9a-f.:]+)\/(\d+)$/.exec(network) ?? []
  const family = Net.isIP(address)
  if (family === 0 || Net.isIP(host) !== family || Number(prefix) > (family === 4 ? 32 : 128)) {
    return false
  }
  const type = family === 4 ? "ipv4" : "ipv6"
  const list = new Net.BlockList()
  list.addSubnet(address, Number(prefix), type)
  return list.check(host, type)
}

/** The proxy for a URL: that of the options for every one, or else that of the environment. Throws as that does. */
const makeProxyFor = (proxy: ConnectionOptions["proxy"]): ((url: URL) => URL | undefined) => {
  if (proxy === undefined) {
    return (url) => proxyFromVariables(process.env, url, isInNetwork)
  }
  const parsed = parseProxy(reveal(proxy))
  return () => {
    if (parsed === undefined) {
      throw new Error(`the proxy of the connection options ${proxyProblem}`)
    }
    return parsed
  }
}

const authorizationOf = ({ password, username }: URL): string | undefined =>
  username === "" && password === ""
    ? undefined
    : `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}`

/** An error of the proxy's, not of the server's: the code stays, so that its kind can still be told. */
const viaProxy = (proxy: URL, error: Error & { readonly code?: unknown }): Error =>
  Object.assign(new Error(`the proxy ${placeOf(proxy)}: ${error.message || error.name}`), { code: error.code })

/** fetch hands headers over as pairs in one list, or as an object. */
const withHeader = (headers: Dispatcher.DispatchOptions["headers"], name: string, value: string) =>
  Array.isArray(headers) ? [...headers, name, value] : { ...(headers as Record<string, string>), [name]: value }

const refusals: { readonly [status: number]: string } = {
  403: "; it may not allow this host or port",
  407: "; it asks for a user and a password, which the URL of the proxy can have in it"
}

const silence = (): Error => new Error(`no sign of the other side within ${CONNECT_TIMEOUT_MILLIS / 1000} s`)

/** A connection to the server through a proxy, which sees its name and port alone. */
const openTunnel = (proxy: URL, target: URL, secure: SecureOptions): Effect.Effect<Net.Socket, Error> =>
  Effect.async<Net.Socket, Error>((resume) => {
    const authorization = authorizationOf(proxy)
    const place = `${target.hostname}:${portOf(target)}`
    const isSecure = proxy.protocol === "https:"
    const request = (isSecure ? Https : Http).request({
      host: hostOf(proxy),
      port: portOf(proxy),
      method: "CONNECT",
      path: place,
      agent: false,
      timeout: CONNECT_TIMEOUT_MILLIS,
      headers: { host: place, ...(authorization === undefined ? {} : { "proxy-authorization": authorization }) },
      // a proxy is verified as the server is, but is not shown the client's certificate
      ...(isSecure ? { ca: secure.ca, rejectUnauthorized: secure.rejectUnauthorized } : {})
    })
    request.once("connect", ({ statusCode = 0 }, socket: Net.Socket, head: Buffer) => {
      // it may fail before there is a connection over it that says so
      socket.on("error", () => {})
      if (statusCode >= 200 && statusCode < 300 && head.length === 0) {
        resume(Effect.succeed(socket.setTimeout(0)))
      } else {
        socket.destroy()
        const problem =
          head.length > 0 && statusCode < 300
            ? "it sent something before the server did"
            : `it answered status ${statusCode} to CONNECT ${place}${refusals[statusCode] ?? ""}`
        resume(Effect.fail(viaProxy(proxy, new Error(problem))))
      }
    })
    request.once("response", (response) => {
      response.destroy()
      resume(Effect.fail(viaProxy(proxy, new Error(`it answered status ${response.statusCode} to CONNECT ${place}`))))
    })
    request.once("timeout", () => request.destroy(silence()))
    request.on("error", (error) => resume(Effect.fail(viaProxy(proxy, error))))
    request.end()
    return Effect.sync(() => request.destroy())
  })

/** A socket, once it is open. It is destroyed when nobody waits for it any more. */
const opened = <S extends Net.Socket>(socket: S, event: "connect" | "secureConnect"): Effect.Effect<S, Error> =>
  Effect.async<S, Error>((resume) => {
    socket.setTimeout(CONNECT_TIMEOUT_MILLIS, () => socket.destroy(silence()))
    socket.once(event, () => resume(Effect.succeed(socket.setTimeout(0))))
    // For good: it may fail before undici listens. A TLS socket also tells of an alert without ending there and then,
    // and undici would forget that over the end.
    socket.on("error", (error) => {
      resume(Effect.fail(error))
      socket.destroy(error)
    })
    return Effect.sync(() => socket.destroy())
  })

/**
 * On TLS 1.3 a server looks at the client's certificate when the client thinks that all is done. If it then cuts the
 * connection, that is all that is seen here, so the error has to say what the server was shown.
 */
const markEarlyEnd = (socket: NodeTls.TLSSocket, clientCertificate: ClientCertificate): void => {
  socket.once("secureConnect", () => {
    if (socket.getProtocol() === "TLSv1.3") {
      socket.once("error", (error) => {
        if (socket.bytesRead === 0) {
          Object.assign(error, { clientCertificate })
        }
      })
    }
  })
}

interface SecureOptions extends NodeTls.ConnectionOptions {
  readonly rejectUnauthorized?: boolean
}

/** In Node's form, with the certificates parsed once for all connections. No session outlives its connection. */
const secureOptions = (options: ConnectionOptions): SecureOptions => {
  const { allowH2, ca, cert, checkServerIdentity, key, minVersion, passphrase, rejectUnauthorized } = options
  const material = {
    ...(ca === undefined ? {} : { ca: [...ca] }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key: reveal(key) }),
    ...(passphrase === undefined ? {} : { passphrase: reveal(passphrase) }),
    ...(minVersion === undefined ? {} : { minVersion })
  }
  return {
    ...(ca === undefined ? {} : { ca: [...ca] }),
    secureContext: NodeTls.createSecureContext(material),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    ...(checkServerIdentity === undefined ? {} : { checkServerIdentity }),
    ALPNProtocols: allowH2 === true ? ["h2", "http/1.1"] : ["http/1.1"]
  }
}

export const makeDispatcher = (
  connectionOptions: Effect.Effect<ConnectionOptions>
): Effect.Effect<Dispatcher, never, Scope.Scope> =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, void, never>()
    const proxyFor = makeProxyFor((yield* connectionOptions).proxy)
    const prepared = new WeakMap<ConnectionOptions, SecureOptions>()

    const prepare = (options: ConnectionOptions): Effect.Effect<SecureOptions, Error> =>
      Effect.try({
        try: () => {
          const secure = prepared.get(options) ?? secureOptions(options)
          prepared.set(options, secure)
          return secure
        },
        catch: (error) => error as Error
      })

    const open = (target: buildConnector.Options): Effect.Effect<Net.Socket, Error> =>
      Effect.gen(function* () {
        const url = new URL(`${target.protocol}//${target.host}`)
        const proxy = yield* Effect.try({ try: () => proxyFor(url), catch: (error) => error as Error })
        if (target.protocol !== "https:") {
          if (proxy?.protocol === "https:") {
            return yield* openTunnel(proxy, url, yield* Effect.flatMap(connectionOptions, prepare))
          }
          const socket = Net.connect({ host: hostOf(proxy ?? url), port: portOf(proxy ?? url) })
          return yield* opened(socket, "connect").pipe(
            Effect.mapError((error) => (proxy === undefined ? error : viaProxy(proxy, error)))
          )
        }
        const options = yield* connectionOptions
        const secure = yield* prepare(options)
        const servername = options.servername ?? (Net.isIP(hostOf(url)) === 0 ? hostOf(url) : undefined)
        const tunnel = proxy === undefined ? undefined : yield* openTunnel(proxy, url, secure)
        const socket = NodeTls.connect({
          ...secure,
          host: hostOf(url),
          port: portOf(url),
          ...(servername === undefined ? {} : { servername }),
          ...(tunnel === undefined ? {} : { socket: tunnel })
        })
        markEarlyEnd(socket, options.cert === undefined ? "none" : "sent")
        return yield* Effect.tapErrorCause(opened(socket, "secureConnect"), () => Effect.sync(() => tunnel?.destroy()))
      }).pipe(Effect.tap((socket) => Effect.sync(() => socket.setKeepAlive(true, KEEP_ALIVE_MILLIS).setNoDelay(true))))

    const agent = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new Agent({
            // Time is Effect's: the Fetcher decides how long to wait, and what for.
            headersTimeout: 0,
            bodyTimeout: 0,
            connect: (target, callback) => {
              run(
                Effect.matchCause(open(target), {
                  onSuccess: (socket) =>
                    socket.destroyed
                      ? callback(socket.errored ?? new Error("the connection closed at once"), null)
                      : callback(null, socket),
                  onFailure: (cause) =>
                    Cause.isInterruptedOnly(cause) ? undefined : callback(Cause.squash(cause) as Error, null)
                })
              )
            }
          })
      ),
      (agent) => Effect.promise(() => agent.destroy())
    )

    // A proxy without TLS is handed requests for a server without TLS: many refuse CONNECT to such a port.
    return agent.compose((dispatch) => (options, handler) => {
      const url = new URL(String(options.origin))
      const proxy = url.protocol === "http:" ? proxyFor(url) : undefined
      if (proxy?.protocol !== "http:") {
        return dispatch(options, handler)
      }
      const authorization = authorizationOf(proxy)
      const path = `${url.origin}${options.path}`
      return dispatch(
        authorization === undefined
          ? { ...options, path }
          : { ...options, path, headers: withHeader(options.headers, "proxy-authorization", authorization) },
        handler
      )
    })
  })
