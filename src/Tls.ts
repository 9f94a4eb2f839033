/**
 * The connection to the server: what it is secured with, and the HttpClient that uses it.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Platform from "#platform"

/**
 * The TLS options of the official SDKs, and a few more. Data takes precedence over files.
 *
 * This release has no TLS options yet: setting any of them in `FliptClient.layer` is a `ValidationError`. Node's own
 * settings, such as `NODE_EXTRA_CA_CERTS`, apply.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly caCertFile?: string | undefined
  readonly caCertData?: string | undefined
  readonly onlyCustomCa?: boolean | undefined
  readonly insecureSkipVerify?: boolean | undefined
  readonly insecureSkipHostnameVerify?: boolean | undefined
  readonly clientCertFile?: string | undefined
  readonly clientKeyFile?: string | undefined
  readonly clientCertData?: string | undefined
  readonly clientKeyData?: Redacted.Redacted | undefined
  readonly keyPassphrase?: Redacted.Redacted | undefined
  readonly serverName?: string | undefined
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined
  readonly proxy?: string | undefined
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
  readonly ca?: ReadonlyArray<string>
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  readonly rejectUnauthorized?: boolean
  readonly servername?: string
  readonly minVersion?: "TLSv1.2" | "TLSv1.3"
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The checked material; an Effect, since certificates may be renewed. */
  readonly connectionOptions: Effect.Effect<ConnectionOptions>
}

/**
 * @since 0.1.0
 * @category tags
 */
export class Tls extends Context.Tag("flipt-client-effect/Tls")<Tls, Service>() {}

/**
 * The platform's own settings: its root certificates, and those of `NODE_EXTRA_CA_CERTS`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSystem: Layer.Layer<Tls> = Layer.succeed(Tls, { connectionOptions: Effect.succeed({}) })

/**
 * The HttpClient that a Fetcher wants. On Node it has a connection pool of its own, which is destroyed with the scope,
 * and no timeouts of its own, since time is the Fetcher's; it hands redirects to the Fetcher, which follows them within
 * the same origin. In a browser it is `fetch`, which refuses redirects.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient, never, Tls> = Layer.unwrapEffect(
  Effect.map(Tls, (tls) => Platform.layerHttpClient(tls.connectionOptions))
)
