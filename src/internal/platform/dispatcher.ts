/**
 * An undici dispatcher that opens its own connections: with the current certificates, through a proxy if one is
 * configured, and in fibers of a Scope.
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
import { authorityOf, hostOf, parseProxy, portOf, proxyFromEnvironment, proxyProblem } from "../net/proxy.js"
import type { ClientCertificate } from "../net/tlsError.js"
import { reveal } from "../util/reveal.js"

export { fetch }

/**
 * How long a socket may stay silent while it is being opened. This is a socket timeout that cleans up abandoned
 * attempts. The timeout of a request belongs to the Fetcher and uses the Clock.
 */
const CONNECT_TIMEOUT_MILLIS = 120_000

/** How long a connection is idle before the system probes it. */
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

/**
 * Selects the proxy for a URL: the proxy of the options, or else the one of the environment. Throws if it is invalid.
 */
const makeProxyLookup = (proxy: ConnectionOptions["proxy"]): ((url: URL) => URL | undefined) => {
  if (proxy === undefined) {
    return (url) => proxyFromEnvironment(process.env, url, isInNetwork)
  }
  const parsed = parseProxy(reveal(proxy))
  return () => {
    if (parsed === undefined) {
      throw new Error(`the proxy of the connection options ${proxyProblem}`)
    }
    return parsed
  }
}

const proxyAuthorization = ({ password, username }: URL): string | undefined =>
  username === "" && password === ""
    ? undefined
    : `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}`

/** Attributes an error to the proxy. Keeps the code, which classifies the error. */
const proxyError = (proxy: URL, error: Error & { readonly code?: unknown }): Error =>
  Object.assign(new Error(`the proxy ${authorityOf(proxy)}: ${error.message || error.name}`), { code: error.code })

/** `fetch` passes headers either as a flat list of names and values or as an object. */
const withHeader = (headers: Dispatcher.DispatchOptions["headers"], name: string, value: string) =>
  Array.isArray(headers) ? [...headers, name, value] : { ...(headers as Record<string, string>), [name]: value }

const connectHints: { readonly [status: number]: string } = {
  403: "; check that it allows this host and port",
  407: "; add a user and a password to the URL of the proxy"
}

const silenceError = (): Error => new Error(`no answer from the other side within ${CONNECT_TIMEOUT_MILLIS / 1000} s`)

/** Opens a tunnel to the server with CONNECT. The proxy sees only the name and port of the server. */
const openTunnel = (proxy: URL, target: URL, secure: SecureOptions): Effect.Effect<Net.Socket, Error> =>
  Effect.async<Net.Socket, Error>((resume) => {
    const authorization = proxyAuthorization(proxy)
    const authority = `${target.hostname}:${portOf(target)}`
    const isSecure = proxy.protocol === "https:"
    const request = (isSecure ? Https : Http).request({
      host: hostOf(proxy),
      port: portOf(proxy),
      method: "CONNECT",
      path: authority,
      agent: false,
      timeout: CONNECT_TIMEOUT_MILLIS,
      headers: { host: authority, ...(authorization === undefined ? {} : { "proxy-authorization": authorization }) },
      // The proxy is verified like the server, but never receives the client certificate.
      ...(isSecure ? { ca: secure.ca, rejectUnauthorized: secure.rejectUnauthorized } : {})
    })
    request.once("connect", ({ statusCode = 0 }, socket: Net.Socket, head: Buffer) => {
      // The socket can fail before a connection over it handles its errors.
      socket.on("error", () => {})
      if (statusCode >= 200 && statusCode < 300 && head.length === 0) {
        resume(Effect.succeed(socket.setTimeout(0)))
      } else {
        socket.destroy()
        const problem =
          head.length > 0 && statusCode < 300
            ? "it sent data before the server did"
            : `it answered status ${statusCode} to CONNECT ${authority}${connectHints[statusCode] ?? ""}`
        resume(Effect.fail(proxyError(proxy, new Error(problem))))
      }
    })
    request.once("response", (response) => {
      response.destroy()
      resume(
        Effect.fail(proxyError(proxy, new Error(`it answered status ${response.statusCode} to CONNECT ${authority}`)))
      )
    })
    request.once("timeout", () => request.destroy(silenceError()))
    request.on("error", (error) => resume(Effect.fail(proxyError(proxy, error))))
    request.end()
    return Effect.sync(() => request.destroy())
  })

/** Waits until a socket is open. Interruption destroys it. */
const awaitOpen = <S extends Net.Socket>(socket: S, event: "connect" | "secureConnect"): Effect.Effect<S, Error> =>
  Effect.async<S, Error>((resume) => {
    socket.setTimeout(CONNECT_TIMEOUT_MILLIS, () => socket.destroy(silenceError()))
    socket.once(event, () => resume(Effect.succeed(socket.setTimeout(0))))
    // The listener stays: the socket can fail before undici listens. A TLS socket reports an alert without closing, and
    // undici would replace the alert by the end of the connection that follows.
    socket.on("error", (error) => {
      resume(Effect.fail(error))
      socket.destroy(error)
    })
    return Effect.sync(() => socket.destroy())
  })

/**
 * With TLS 1.3, a server checks the client certificate after the handshake has succeeded for the client. If it then
 * closes the connection without an alert, this note on the error is the only hint at the cause.
 */
const noteClientCertificate = (socket: NodeTls.TLSSocket, clientCertificate: ClientCertificate): void => {
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

/**
 * Converts the options for Node. The certificates are parsed once for all connections. TLS sessions are never resumed.
 */
const toSecureOptions = (options: ConnectionOptions): SecureOptions => {
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
    const proxyFor = makeProxyLookup((yield* connectionOptions).proxy)
    const prepared = new WeakMap<ConnectionOptions, SecureOptions>()

    const prepare = (options: ConnectionOptions): Effect.Effect<SecureOptions, Error> =>
      Effect.try({
        try: () => {
          const secure = prepared.get(options) ?? toSecureOptions(options)
          prepared.set(options, secure)
          return secure
        },
        catch: (error) => error as Error
      })

    const connect = (target: buildConnector.Options): Effect.Effect<Net.Socket, Error> =>
      Effect.gen(function* () {
        const url = new URL(`${target.protocol}//${target.host}`)
        const proxy = yield* Effect.try({ try: () => proxyFor(url), catch: (error) => error as Error })
        if (target.protocol !== "https:") {
          if (proxy?.protocol === "https:") {
            return yield* openTunnel(proxy, url, yield* Effect.flatMap(connectionOptions, prepare))
          }
          const socket = Net.connect({ host: hostOf(proxy ?? url), port: portOf(proxy ?? url) })
          return yield* awaitOpen(socket, "connect").pipe(
            Effect.mapError((error) => (proxy === undefined ? error : proxyError(proxy, error)))
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
        noteClientCertificate(socket, options.cert === undefined ? "none" : "sent")
        return yield* Effect.tapErrorCause(awaitOpen(socket, "secureConnect"), () =>
          Effect.sync(() => tunnel?.destroy())
        )
      }).pipe(Effect.tap((socket) => Effect.sync(() => socket.setKeepAlive(true, KEEP_ALIVE_MILLIS).setNoDelay(true))))

    const agent = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new Agent({
            // The Fetcher sets all timeouts, with Effect's Clock.
            headersTimeout: 0,
            bodyTimeout: 0,
            connect: (target, callback) => {
              run(
                Effect.matchCause(connect(target), {
                  onSuccess: (socket) =>
                    socket.destroyed
                      ? callback(socket.errored ?? new Error("the connection closed immediately"), null)
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

    // An http proxy receives http requests directly, because many refuse CONNECT to port 80.
    return agent.compose((dispatch) => (options, handler) => {
      const url = new URL(String(options.origin))
      const proxy = url.protocol === "http:" ? proxyFor(url) : undefined
      if (proxy?.protocol !== "http:") {
        return dispatch(options, handler)
      }
      const authorization = proxyAuthorization(proxy)
      const path = `${url.origin}${options.path}`
      return dispatch(
        authorization === undefined
          ? { ...options, path }
          : { ...options, path, headers: withHeader(options.headers, "proxy-authorization", authorization) },
        handler
      )
    })
  })
