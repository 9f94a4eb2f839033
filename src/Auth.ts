/**
 * Authentication of requests to Flipt.
 *
 * A credential never appears in a log, a span, an error or a printed value. It is unwrapped only when a request is sent.
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { AuthError, ValidationError } from "./FliptError.js"
import * as provider from "./internal/auth/provider.js"
import * as internal from "./internal/auth/static.js"
import { Auth } from "./internal/auth/tags.js"
import * as tokenFile from "./internal/auth/tokenFile.js"

/**
 * Supplies the credential for each request.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Returns the headers that authenticate a request. Runs before every attempt. */
  readonly authorize: Effect.Effect<Headers.Headers, AuthError>
  /**
   * Reports that the server rejected these headers with status 401, so that the credential can be renewed. Does nothing
   * if the credential has changed in the meantime.
   */
  readonly invalidate: (rejected: Headers.Headers) => Effect.Effect<void>
  /**
   * Reports that the server accepted these headers: it responded with a document or with status 304. Optional, for
   * services that learn from it.
   */
  readonly accepted?: ((headers: Headers.Headers) => Effect.Effect<void>) | undefined
}

export {
  /**
   * The tag of the service that authenticates a Fetcher's requests.
   *
   * @since 0.1.0
   * @category tags
   */
  Auth
}

/**
 * A credential: either a Flipt client token, sent as `Bearer`, or a JWT, sent as `JWT`.
 *
 * @since 0.1.0
 * @category models
 */
export type Authentication = { readonly clientToken: Redacted.Redacted } | { readonly jwtToken: Redacted.Redacted }

/**
 * A credential that may expire.
 *
 * `expiresIn` counts from the moment the credential was acquired; a plain number is in milliseconds. If you omit it, a
 * JWT expires at its `exp` claim. A client token, or a JWT without a readable `exp`, has no expiry: it stays in use until
 * the server rejects it.
 *
 * @since 0.1.0
 * @category models
 */
export type Credential = Authentication & { readonly expiresIn?: Duration.DurationInput | undefined }

/**
 * Sends no credential.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerNone: Layer.Layer<Auth> = Layer.succeed(Auth, internal.none)

/**
 * Sends a client token as `Authorization: Bearer <token>`. Fails with a `ValidationError` if the token is empty or
 * contains characters that a header cannot carry.
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
 * Sends a JWT as `Authorization: JWT <token>`. Fails with a `ValidationError` if the token is empty or contains
 * characters that a header cannot carry.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerJwt = (token: Redacted.Redacted): Layer.Layer<Auth, ValidationError> =>
  Layer.effect(Auth, internal.make({ jwtToken: token }))

/**
 * Reads the credential from configuration. By default it reads `FLIPT_CLIENT_TOKEN` or `FLIPT_JWT_TOKEN`, and sends no
 * credential if neither is set. Fails with a `ConfigError` if both are set.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config<Authentication | undefined> = internal.config
): Layer.Layer<Auth, ConfigError.ConfigError | ValidationError> =>
  Layer.effect(Auth, Effect.flatMap(config, internal.make))

/**
 * Acquires a credential with an effect, for example from an identity provider, and renews it before it expires.
 *
 * Building the layer acquires the first credential. If that fails, the layer fails with an {@link AuthError} of reason
 * `Acquire` whose `cause` is the error of `acquire`. After that, a fiber in the layer's scope renews the credential:
 *
 * - **Before it expires.** It renews `renewBefore` ahead of expiry (default: one minute, and at most half of the lifetime).
 *   It extends this lead by a random 0 to 50 %, so that instances that started together do not renew together. Scheduled
 *   renewals are at least one second apart.
 * - **When the server rejects it.** It renews immediately. If the server rejects the new credentials as well, it waits 5
 *   seconds before the next renewal and doubles the delay each time, up to 10 minutes. A request that the server accepts
 *   ends this delay.
 * - **When it is older than the server is known to accept.** If the server accepts a credential and later rejects it, the
 *   provider remembers its age at the last accepted request for one day. Meanwhile, a request whose credential is older
 *   than that waits for a renewal first. This covers credentials that do not say when they expire, and issuers whose
 *   clock differs from the clock of this machine.
 * - **After a failed renewal.** It retries after one second and doubles the delay each time, up to one minute. The
 *   current credential stays in use until it expires; then requests fail with an {@link AuthError} of reason `Expired`.
 *
 * Only one renewal runs at a time, and every request that needs its result waits for it. Each run of `acquire` has its
 * own Scope, which closes when the run ends. A run counts as failed if it takes longer than one minute, or if it returns
 * a credential that a header cannot carry or a JWT that expired at least five minutes ago. A JWT that seems to have
 * expired less than five minutes ago is sent, because the clocks may differ.
 *
 * The first failed renewal logs a warning and the recovery logs one line; attempts in between log at Debug level. These
 * messages name the error of `acquire` but never repeat its text, which may contain a secret. If you need the details,
 * log them inside `acquire`.
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
  Layer.scoped(Auth, Effect.withSpan(provider.make(options), "Auth.layerProvider", { captureStackTrace: false }))

/**
 * Reads the token from a file that the platform replaces, such as a mounted service account token. Trailing white space
 * is ignored.
 *
 * The file is read when the layer is built, before a request if the last read is at least 5 seconds old, and immediately
 * when the server rejects the token. If the file is missing or empty, or its token cannot be sent in a header, building
 * the layer fails with an {@link AuthError} of reason `Acquire` that names the path. After a successful start, the same
 * problem logs one warning and the last token stays in use.
 *
 * An expired JWT is never sent: requests fail with reason `Expired` until the file contains a new one.
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
): Layer.Layer<Auth, AuthError | ValidationError> =>
  Layer.scoped(
    Auth,
    Effect.withSpan(tokenFile.make(path, options), "Auth.layerTokenFile", { captureStackTrace: false })
  )
