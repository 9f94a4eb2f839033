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
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { AuthError, ValidationError } from "./FliptError.js"
import * as internal from "./internal/auth.js"

/**
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
