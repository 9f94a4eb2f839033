/**
 * Opens connections with the current certificates, through a proxy if one is configured.
 */
import type * as Net from "node:net"
import type * as NodeTls from "node:tls"
import * as Effect from "effect/Effect"
import type { ConnectionOptions } from "../../../Tls.js"
import { hostOf, parseProxy, portOf, proxyFromEnvironment, proxyProblem } from "../../net/proxy.js"
import type { ClientCertificate } from "../../net/tlsError.js"
import { reveal } from "../../util/reveal.js"
import { awaitOpen } from "./opening.js"
import { openTunnel, proxyError } from "./tunnel.js"

/** How long a connection is idle before the system probes it. */
const KEEP_ALIVE_MILLIS = 60_000

/** Where a request goes: the origin of its URL, and the proxy in between. */
export interface Target {
  readonly url: URL
  readonly proxy: URL | undefined
  /** Equal for targets that can share connections. */
  readonly key: string
}

type Protocol = "h2" | "http/1.1"

export interface Connector {
  /** Finds the target of a URL. Fails if the configured proxy is invalid. */
  readonly targetOf: (url: URL) => Effect.Effect<Target, Error>
  /** Opens a connection. TLS connections offer the protocols; a connection without TLS has no choice. */
  readonly connect: (
    target: Target,
    protocols: ReadonlyArray<Protocol>
  ) => Effect.Effect<Net.Socket | NodeTls.TLSSocket, Error>
  /**
   * Marks the error of a connection that ended before the server sent anything. With TLS 1.3, a server checks the client
   * certificate after the handshake has succeeded for the client. If it closes the connection without an alert, this
   * mark is the only hint at the cause.
   */
  readonly markEarlyEnd: (socket: Net.Socket, error: Error) => void
}

const isInNetwork = (host: string, network: string): boolean => {
  const [, address = "", prefix = ""] = /^([0-9a-f.:]+)\/(\d+)$/.exec(network) ?? []
  const { BlockList, isIP } = process.getBuiltinModule("node:net")
  const family = isIP(address)
  if (family === 0 || isIP(host) !== family || Number(prefix) > (family === 4 ? 32 : 128)) {
    return false
  }
  const type = family === 4 ? "ipv4" : "ipv6"
  const list = new BlockList()
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

interface SecureOptions extends NodeTls.ConnectionOptions {
  readonly rejectUnauthorized?: boolean
}

/**
 * Converts the options for Node. The certificates are parsed once for all connections. TLS sessions are never resumed.
 */
const toSecureOptions = (options: ConnectionOptions): SecureOptions => {
  const { ca, cert, checkServerIdentity, key, minVersion, passphrase, rejectUnauthorized } = options
  const material = {
    ...(ca === undefined ? {} : { ca: [...ca] }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key: reveal(key) }),
    ...(passphrase === undefined ? {} : { passphrase: reveal(passphrase) }),
    ...(minVersion === undefined ? {} : { minVersion })
  }
  return {
    ...(ca === undefined ? {} : { ca: [...ca] }),
    secureContext: process.getBuiltinModule("node:tls").createSecureContext(material),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    ...(checkServerIdentity === undefined ? {} : { checkServerIdentity })
  }
}

const attempt = <A>(f: () => A): Effect.Effect<A, Error> => Effect.try({ try: f, catch: (error) => error as Error })

export const makeConnector = (connectionOptions: Effect.Effect<ConnectionOptions>): Effect.Effect<Connector> =>
  Effect.map(connectionOptions, ({ proxy: configured }) => {
    const { connect, isIP } = process.getBuiltinModule("node:net")
    const proxyFor = makeProxyLookup(configured)
    const prepared = new WeakMap<ConnectionOptions, SecureOptions>()
    /** For the connections over TLS 1.3 that are open, whether the client certificate was sent. */
    const certificates = new WeakMap<Net.Socket, ClientCertificate>()

    const prepare = (options: ConnectionOptions): Effect.Effect<SecureOptions, Error> =>
      attempt(() => {
        const secure = prepared.get(options) ?? toSecureOptions(options)
        prepared.set(options, secure)
        return secure
      })
    const verificationOf = ({ ca, rejectUnauthorized }: SecureOptions) => ({
      ...(ca === undefined ? {} : { ca }),
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized })
    })

    const connectPlain = ({ proxy, url }: Target): Effect.Effect<Net.Socket, Error> =>
      Effect.gen(function* () {
        if (proxy?.protocol === "https:") {
          const secure = yield* Effect.flatMap(connectionOptions, prepare)
          return yield* openTunnel(proxy, url, verificationOf(secure))
        }
        const socket = connect({ host: hostOf(proxy ?? url), port: portOf(proxy ?? url) })
        return yield* awaitOpen(socket, "connect").pipe(
          Effect.mapError((error) => (proxy === undefined ? error : proxyError(proxy, error)))
        )
      })

    const connectSecure = (
      { proxy, url }: Target,
      protocols: ReadonlyArray<Protocol>
    ): Effect.Effect<NodeTls.TLSSocket, Error> =>
      Effect.gen(function* () {
        const options = yield* connectionOptions
        const secure = yield* prepare(options)
        const servername = options.servername ?? (isIP(hostOf(url)) === 0 ? hostOf(url) : undefined)
        const tunnel = proxy === undefined ? undefined : yield* openTunnel(proxy, url, verificationOf(secure))
        const socket = process.getBuiltinModule("node:tls").connect({
          ...secure,
          ALPNProtocols: [...protocols],
          host: hostOf(url),
          port: portOf(url),
          ...(servername === undefined ? {} : { servername }),
          ...(tunnel === undefined ? {} : { socket: tunnel })
        })
        yield* Effect.tapErrorCause(awaitOpen(socket, "secureConnect"), () => Effect.sync(() => tunnel?.destroy()))
        if (socket.getProtocol() === "TLSv1.3") {
          certificates.set(socket, options.cert === undefined ? "none" : "sent")
        }
        return socket
      })

    return {
      targetOf: (url) =>
        attempt(() => {
          const proxy = proxyFor(url)
          return { url, proxy, key: `${url.origin} ${proxy?.href ?? ""}` }
        }),
      connect: (target, protocols) =>
        Effect.tap(
          target.url.protocol === "https:" ? connectSecure(target, protocols) : connectPlain(target),
          (socket) => Effect.sync(() => socket.setKeepAlive(true, KEEP_ALIVE_MILLIS).setNoDelay(true))
        ),
      markEarlyEnd: (socket, error) => {
        const clientCertificate = certificates.get(socket)
        if (clientCertificate !== undefined && socket.bytesRead === 0) {
          Object.assign(error, { clientCertificate })
        }
      }
    }
  })
