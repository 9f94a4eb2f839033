/**
 * The connection to the server: what it is secured with, and the HttpClient that uses it.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Platform from "#platform"
import type { ValidationError } from "./FliptError.js"
import * as internal from "./internal/tls/make.js"
import { decodeTls } from "./internal/tls/options.js"

/**
 * The TLS options of the official SDKs, and a few more. All is read and checked when the layer is built: what cannot be
 * used is a `ValidationError` that names the option, never a default in its place. A certificate that has expired, or is
 * not valid yet, is no error but a logged warning.
 *
 * Data goes before the file of the same thing, which is then not even opened. All text is PEM.
 *
 * In a browser TLS is the browser's, and setting any of these is a `ValidationError`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** A file of certificates of authorities to trust, beside those of the platform. Default: none. */
  readonly caCertFile?: string | undefined
  /** The same as text. */
  readonly caCertData?: string | undefined
  /**
   * Whether to trust the authorities of `caCertFile` or `caCertData` alone. Default: false, so that Node's own and those
   * of `NODE_EXTRA_CA_CERTS` are trusted too.
   */
  readonly onlyCustomCa?: boolean | undefined
  /**
   * Takes any certificate of the server, and so anyone for the server. A client certificate is sent all the same. Logs a
   * warning. Default: what Node does, which is to check, unless the variable `NODE_TLS_REJECT_UNAUTHORIZED` is `0`;
   * `false` checks in any case.
   */
  readonly insecureSkipVerify?: boolean | undefined
  /**
   * Takes a certificate for any host, if a trusted authority has signed it. Logs a warning. Mostly `serverName` is what
   * is wanted. Default: false.
   */
  readonly insecureSkipHostnameVerify?: boolean | undefined
  /** A file with the client's certificate, and after it those between it and the authority. Default: none is sent. */
  readonly clientCertFile?: string | undefined
  /** A file with the private key of the client's certificate. */
  readonly clientKeyFile?: string | undefined
  /** The client's certificate as text. */
  readonly clientCertData?: string | undefined
  /** The private key as text. */
  readonly clientKeyData?: Redacted.Redacted | undefined
  /** What the private key is encrypted with. Default: it is not. */
  readonly keyPassphrase?: Redacted.Redacted | undefined
  /** The name that the server's certificate must be for, and that the server is asked for (SNI). Default: that of `url`. */
  readonly serverName?: string | undefined
  /** The oldest version of TLS that will do. Default: Node's, which is TLS 1.2. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined
  /**
   * The URL of an http or https proxy for every connection, whatever `NO_PROXY` says; a user and a password can stand in
   * it. Default: the proxy of `HTTPS_PROXY` for an https URL and of `HTTP_PROXY` for an http URL, unless `NO_PROXY` names
   * the host. The variables' lower-case forms go first, and no others are read.
   */
  readonly proxy?: string | undefined
  /**
   * Offers HTTP/2 to the server when a TLS connection is opened, which may choose HTTP/1.1 all the same. Flipt speaks
   * HTTP/2 over TLS only, so this does nothing for an http URL. Default: false.
   */
  readonly http2?: boolean | undefined
  /**
   * How long files are held to be as they were read. The first connection that is opened after that reads them again. If
   * they have changed, and are good, it and all later ones have what is new; if they are not good, a warning says so
   * once and the old stay. `Infinity` never reads them again. Default: one minute.
   */
  readonly reloadInterval?: Duration.DurationInput | undefined
}

/**
 * What a TLS connection is opened with, in the names of Node's `tls.connect`. Node's own type would make every user
 * of this package need Node's types.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionOptions {
  /** **All** authorities that are trusted. Default: those of the platform. */
  readonly ca?: ReadonlyArray<string>
  readonly cert?: string
  readonly key?: string | Redacted.Redacted
  readonly passphrase?: string | Redacted.Redacted
  readonly rejectUnauthorized?: boolean
  /** In place of the check of the host's name, after that of the chain. */
  readonly checkServerIdentity?: (hostname: string, certificate: object) => Error | undefined
  readonly servername?: string
  readonly minVersion?: "TLSv1.2" | "TLSv1.3"
  /** The URL of a proxy for every connection; read once, when the HttpClient is built. Default: by the environment. */
  readonly proxy?: string | Redacted.Redacted
  /** Whether HTTP/2 is offered. */
  readonly allowH2?: boolean
}

/**
 * What connections are opened with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The checked material. Run for every new connection, since certificates may be renewed; as long as nothing has
   * changed it gives the same object.
   */
  readonly connectionOptions: Effect.Effect<ConnectionOptions>
}

/**
 * What the connections of an HttpClient are secured with.
 *
 * @since 0.1.0
 * @category tags
 */
export class Tls extends Context.Tag("flipt-client-effect/Tls")<Tls, Service>() {}

/**
 * Reads and checks what the options name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Service, ValidationError> =>
  Effect.flatMap(decodeTls(options), (settings) => internal.make(settings, ""))

/**
 * Connections by these options. Both insecure ones log a warning when the layer is built.
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
 * Connections by options of the configuration.
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
 * The platform's own settings: its root certificates, and those of `NODE_EXTRA_CA_CERTS`; the proxy of the environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSystem: Layer.Layer<Tls> = Layer.succeed(Tls, internal.system)

/**
 * The HttpClient that a Fetcher wants. On Node it has a connection pool of its own, which is destroyed with the scope,
 * and no timeouts for requests, since time is the Fetcher's; it hands redirects to the Fetcher, which follows them within
 * the same origin. In a browser it is `fetch`, which refuses redirects.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient, never, Tls> = Layer.unwrapEffect(
  Effect.map(Tls, (tls) => Platform.layerHttpClient(tls.connectionOptions))
)
