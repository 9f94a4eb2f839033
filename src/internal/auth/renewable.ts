/**
 * Holds the current credential and renews it. If a renewal fails, the credential stays in use until it expires.
 */
import type * as Headers from "@effect/platform/Headers"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { AuthError } from "../../FliptError.js"
import { type ExpiringCredential, formatInstant } from "./credential.js"

export interface Renewable {
  /** The headers of the current credential. Fails if it has expired. */
  readonly headers: Effect.Effect<Headers.Headers, AuthError>
  readonly current: () => ExpiringCredential
  /** Whether these headers contain the current credential. */
  readonly matches: (headers: Headers.Headers) => boolean
  readonly isExpired: Effect.Effect<boolean>
  /** The error of the last renewal, or `undefined` if it succeeded. */
  readonly lastError: () => AuthError | undefined
  /** Acquires another credential. If this fails, the current one stays. */
  readonly renew: Effect.Effect<void, AuthError>
}

/** Acquires the first credential, and fails if this fails. The label names the credential in messages. */
export const make = (
  label: string,
  acquire: Effect.Effect<ExpiringCredential, AuthError>
): Effect.Effect<Renewable, AuthError> =>
  Effect.map(acquire, (first) => {
    let current = first
    let lastError: AuthError | undefined

    const isExpired = Effect.map(Clock.currentTimeMillis, (now) => now >= current.expiresAt)
    const expiry = () => `expired at ${formatInstant(current.expiresAt)}`

    return {
      headers: Effect.flatMap(isExpired, (expired) =>
        expired
          ? new AuthError({
              reason: "Expired",
              message: `${label} ${expiry()}${lastError === undefined ? "" : `, and renewing it failed: ${lastError.message}`}`,
              ...(lastError === undefined ? {} : { cause: lastError })
            })
          : Effect.succeed(current.headers)
      ),
      current: () => current,
      matches: ({ authorization }) => authorization === current.headers.authorization,
      isExpired,
      lastError: () => lastError,
      renew: acquire.pipe(
        Effect.tap((next) => {
          const previousError = lastError
          current = next
          lastError = undefined
          return previousError === undefined
            ? Effect.void
            : Effect.logInfo(`Flipt: ${label} was renewed after a failure`)
        }),
        Effect.tapError((error) =>
          Effect.flatMap(isExpired, (expired) => {
            const log = lastError === undefined ? Effect.logWarning : Effect.logDebug
            lastError = error
            const consequence = expired ? `which ${expiry()}` : "and the current one stays in use"
            return log(`Flipt: ${label} could not be renewed, ${consequence}: ${error.message}`)
          })
        ),
        Effect.asVoid
      )
    }
  })
