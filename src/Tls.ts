/**
 * TLS and proxy settings for connections to the server, and the HttpClient that uses them.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { ValidationError } from "./FliptError.js"
import * as httpClient from "./internal/tls/httpClient.js"
import * as internal from "./internal/tls/make.js"
import { decodeTls } from "./internal/tls/options.js"
import { Tls } from "./internal/tls/tags.js"

/**
 * The TLS options of the official SDKs, and a few more.
 *
 * All files are read and checked when the layer is built. Anything unusable is a `ValidationError` that names the
 * option; no default is silently used instead. A certificate that has expired or is not valid yet logs a warning.
 *
 * Certificates and keys are PEM text. If you set both the data and the file of the same item, the data is used and the
 * file is not opened.
 *
 * In a browser, the browser controls TLS and proxies, and setting any of these options is a `ValidationError`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The path of a file with CA certificates to trust in addition to the platform's. Default: none. */
  readonly caCertFile?: string | undefined
  /** The CA certificates as text. */
  readonly caCertData?: string | undefined
  /**
   * Whether to trust only the CAs of `caCertFile` or `caCertData`. Default: false, which also trusts the CAs of Node and
   * of `NODE_EXTRA_CA_CERTS`.
   */
  readonly onlyCustomCa?: boolean | undefined
  /**
   * Whether to accept any server certificate, and thereby anyone who claims to be the server. A client certificate is
   * still sent. `true` logs a warning; `false` always verifies. Default: Node's behavior, which is to verify unless
   * `NODE_TLS_REJECT_UNAUTHORIZED` is `0`.
   */
  readonly insecureSkipVerify?: boolean | undefined
  /**
   * Whether to accept a certificate for another host name, as long as a trusted CA signed it. `true` logs a warning. In
   * most cases `serverName` is the better choice. Default: false.
   */
  readonly insecureSkipHostnameVerify?: boolean | undefined
  /** The path of a file with the client certificate, followed by any intermediate certificates. Default: none. */
  readonly clientCertFile?: string | undefined
  /** The path of a file with the private key of the client certificate. */
  readonly clientKeyFile?: string | undefined
  /** The client certificate as text, followed by any intermediate certificates. */
  readonly clientCertData?: string | undefined
  /** The private key as text. */
  readonly clientKeyData?: Redacted.Redacted | undefined
  /** The passphrase of an encrypted private key. Default: none. */
  readonly keyPassphrase?: Redacted.Redacted | undefined
  /** The host name to send as SNI and to expect in the server's certificate. Default: the host name of `url`. */
  readonly serverName?: string | undefined
  /** The minimum TLS version. Default: Node's, which is TLS 1.2. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined
  /**
   * The URL of an http or https proxy, optionally with a user and password. It is used for every connection, regardless
   * of `NO_PROXY`. Default: `HTTPS_PROXY` for an https URL and `HTTP_PROXY` for an http URL, unless `NO_PROXY` lists the
   * host. Lower-case forms of these variables take precedence. No other variables are read.
   */
  readonly proxy?: string | undefined
  /**
   * Whether to offer HTTP/2 when opening a TLS connection. The server may still choose HTTP/1.1. All requests and streams
   * to a server share one connection, or as few as its limit of concurrent streams allows. Flipt supports HTTP/2 over TLS
   * only, so this has no effect for an http URL. Default: false.
   */
  readonly http2?: boolean | undefined
  /**
   * How long files stay cached. The first connection opened after this interval reads them again. If they have changed
   * and are valid, this connection and all later ones use them; if they are invalid, one warning is logged and the old
   * contents stay in use. A plain number is in milliseconds; `Infinity` never reads the files again. Default: one minute.
   */
  readonly reloadInterval?: Duration.DurationInput | undefined
}

/**
 * Options for opening a TLS connection, named as in Node's `tls.connect`. Node's own type is not used, so that users of
 * this package do not need Node's type definitions.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionOptions {
  /** **All** trusted CA certificates. Default: those of the platform. */
  readonly ca?: ReadonlyArray<string>
  readonly cert?: string
  readonly key?: string | Redacted.Redacted
  readonly passphrase?: string | Redacted.Redacted
  readonly rejectUnauthorized?: boolean
  /** Replaces the check of the host name. It runs after the certificate chain has been verified. */
  readonly checkServerIdentity?: (hostname: string, certificate: object) => Error | undefined
  readonly servername?: string
  readonly minVersion?: "TLSv1.2" | "TLSv1.3"
  /** The URL of a proxy for every connection. Read once, when the HttpClient is built. Default: from the environment. */
  readonly proxy?: string | Redacted.Redacted
  /** Whether to offer HTTP/2. Read once, when the HttpClient is built. Default: false. */
  readonly allowH2?: boolean
}

/**
 * Supplies the options for each new connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The validated connection options. Runs for every new connection, because certificates may have been renewed. Returns
   * the same object until something changes.
   */
  readonly connectionOptions: Effect.Effect<ConnectionOptions>
}

export {
  /**
   * The tag of the service that configures the connections of an HttpClient.
   *
   * @since 0.1.0
   * @category tags
   */
  Tls
}

/**
 * Creates the service from options. Reads and checks all certificates and keys.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Service, ValidationError> =>
  Effect.flatMap(decodeTls(options), (settings) => internal.make(settings, "")).pipe(
    Effect.withSpan("Tls.make", { captureStackTrace: false })
  )

/**
 * Configures connections with these options.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Auth from "flipt-client-effect/Auth"
 * import * as Fetcher from "flipt-client-effect/Fetcher"
 * import * as Tls from "flipt-client-effect/Tls"
 *
 * const tls = Tls.layer({
 *   caCertFile: "/etc/flipt/ca.crt",
 *   clientCertFile: "/etc/flipt/client.crt",
 *   clientKeyFile: "/etc/flipt/client.key"
 * })
 *
 * const fetcher = Fetcher.layerPolling({ url: "https://flipt.example.com" }).pipe(
 *   Layer.provide([Auth.layerNone, Layer.provide(Tls.layerHttpClient, tls)])
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Tls, ValidationError> => Layer.effect(Tls, make(options))

/**
 * Configures connections with options read from configuration.
 *
 * @example
 * ```ts
 * import * as Config from "effect/Config"
 * import * as Tls from "flipt-client-effect/Tls"
 *
 * const tls = Tls.layerConfig({
 *   caCertFile: Config.string("CA_FILE"),
 *   clientCertFile: Config.string("CLIENT_CERTIFICATE"),
 *   clientKeyData: Config.redacted("CLIENT_KEY")
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Config.Wrap<Options>
): Layer.Layer<Tls, ValidationError | ConfigError.ConfigError> =>
  Layer.effect(Tls, Effect.flatMap(Config.unwrap(options), make))

/**
 * Uses the settings of the platform: its root certificates, those of `NODE_EXTRA_CA_CERTS`, and the proxy from the
 * environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSystem: Layer.Layer<Tls> = Layer.succeed(Tls, internal.system)

/**
 * The HttpClient to use with a Fetcher.
 *
 * On Node it has its own connection pool, which closes with the scope. It sets no timeouts and does not follow redirects:
 * the Fetcher applies `requestTimeout`, and follows redirects only within the same origin. In a browser it uses `fetch`
 * and rejects redirects.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient, never, Tls> = httpClient.layerHttpClient
