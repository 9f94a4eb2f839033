/**
 * How requests to Flipt are authenticated.
 *
 * A credential never appears in a log, a span, an error or a printed value: it is unwrapped when a request is made.
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { AuthError, ValidationError } from "./FliptError.js"
import * as provider from "./internal/auth/provider.js"
import * as internal from "./internal/auth/static.js"
import * as tokenFile from "./internal/auth/tokenFile.js"

/**
 * What gives requests their credential.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The headers that authenticate a request. Asked before every attempt. */
  readonly authorize: Effect.Effect<Headers.Headers, AuthError>
  /** Told after the server has refused these headers; does nothing when the credential has changed since. */
  readonly invalidate: (rejected: Headers.Headers) => Effect.Effect<void>
}

/**
 * What authenticates the requests of a Fetcher.
 *
 * @since 0.1.0
 * @category tags
 */
export class Auth extends Context.Tag("flipt-client-effect/Auth")<Auth, Service>() {}

/**
 * A credential: a client token of Flipt, sent as `Bearer`, or a JWT, sent as `JWT`.
 *
 * @since 0.1.0
 * @category models
 */
export type Authentication = { readonly clientToken: Redacted.Redacted } | { readonly jwtToken: Redacted.Redacted }

/**
 * A credential that runs out: after `expiresIn`, which is counted from when it was acquired. Without it a JWT's own
 * claim `exp` counts; a JWT that has none, or none that can be read, and a client token are good for ever, or until the
 * server refuses them.
 *
 * @since 0.1.0
 * @category models
 */
export type Credential = Authentication & { readonly expiresIn?: Duration.DurationInput | undefined }

/**
 * No credential.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerNone: Layer.Layer<Auth> = Layer.succeed(Auth, internal.none)

/**
 * A client token, sent as `Authorization: Bearer <token>`. Fails when the token is empty or cannot stand in a header.
 *
 * @example
 * ```ts
 * import * as Redacted from "effect/Redacted"
 * import * as Auth from "flipt-client-effect/Auth"
 *
 * const auth = Auth.layerClientToken(Redacted.make("my-token"))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClientToken = (token: Redacted.Redacted): Layer.Layer<Auth, ValidationError> =>
  Layer.effect(Auth, internal.make({ clientToken: token }))

/**
 * A JWT, sent as `Authorization: JWT <token>`. Fails when the token is empty or cannot stand in a header.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerJwt = (token: Redacted.Redacted): Layer.Layer<Auth, ValidationError> =>
  Layer.effect(Auth, internal.make({ jwtToken: token }))

/**
 * A credential from the configuration: by default `FLIPT_CLIENT_TOKEN` or `FLIPT_JWT_TOKEN`, and no credential when
 * neither is set. Setting both is an error.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config<Authentication | undefined> = internal.config
): Layer.Layer<Auth, ConfigError.ConfigError | ValidationError> =>
  Layer.effect(Auth, Effect.flatMap(config, internal.make))

/**
 * A credential that an effect acquires, such as a token of an identity provider.
 *
 * The first is acquired when the layer is built, which fails where that fails: with an {@link AuthError} of reason
 * `Acquire`, the error of `acquire` its cause. From then on a fiber in the layer's scope acquires another
 *
 * - `renewBefore` before the credential runs out (default: one minute), and up to half as much again, at random, so that
 *   instances which start together do not renew together. At most half of the credential's life counts, and renewals
 *   that are due are a second apart at least;
 * - at once when the server refuses the credential of now. Where it refuses the new ones too, first after 5 seconds,
 *   and then after twice as long each time, up to 10 minutes;
 * - after a renewal that failed: after a second, and then twice as long each time, up to a minute. The last credential
 *   goes on meanwhile. When it has run out, requests fail with an {@link AuthError} of reason `Expired`.
 *
 * There is one renewal at a time, for which all wait who need it. `acquire` gets a Scope of its own each time, closed
 * when it is done, and has failed when it takes more than a minute. A credential that cannot stand in a header, or a JWT
 * that has run out already, is a failure like any other.
 *
 * One warning says that renewing began to fail and one line that it works again; attempts in between are logged at level
 * Debug. They name the error of `acquire` and do not repeat what it says, which may hold a secret: log it in `acquire`
 * where you know that it does not.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
 * import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Auth from "flipt-client-effect/Auth"
 *
 * const TokenResponse = Schema.Struct({ access_token: Schema.Redacted(Schema.String), expires_in: Schema.Number })
 *
 * const auth = Auth.layerProvider({
 *   acquire: HttpClientRequest.post("https://id.example.com/token").pipe(
 *     HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials", client_id: "shop" }),
 *     HttpClient.execute,
 *     Effect.flatMap(HttpClientResponse.filterStatusOk),
 *     Effect.flatMap(HttpClientResponse.schemaBodyJson(TokenResponse)),
 *     Effect.map((token) => ({ jwtToken: token.access_token, expiresIn: token.expires_in * 1000 }))
 *   )
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerProvider = <E, R>(options: {
  readonly acquire: Effect.Effect<Credential, E, R>
  readonly renewBefore?: Duration.DurationInput | undefined
}): Layer.Layer<Auth, AuthError | ValidationError, Exclude<R, Scope.Scope>> =>
  Layer.scoped(Auth, provider.make(options))

/**
 * The token in a file that a platform replaces, such as a mounted service account's token. White space at its end is
 * left out.
 *
 * The file is read when the layer is built, again when a request is made and the last reading is 5 seconds old, and at
 * once when the server refuses the token. A file that is missing or empty, or whose token cannot stand in a header, is
 * an {@link AuthError} of reason `Acquire` that names the path; later it is one warning, and the last token goes on.
 * A JWT that has run out is not sent: requests fail with reason `Expired` until the file has another.
 *
 * @example
 * ```ts
 * import * as Auth from "flipt-client-effect/Auth"
 *
 * const auth = Auth.layerTokenFile("/var/run/secrets/flipt/token", { as: "jwtToken" })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTokenFile = (
  path: string,
  options: { readonly as: "clientToken" | "jwtToken" }
): Layer.Layer<Auth, AuthError | ValidationError> => Layer.scoped(Auth, tokenFile.make(path, options))
