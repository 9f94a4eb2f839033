/**
 * The credential of now, which is replaced from time to time. The last one that could be had goes on until it runs out.
 */
import type * as Headers from "@effect/platform/Headers"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { AuthError } from "../../FliptError.js"
import { type ExpiringCredential, formatInstant } from "./credential.js"

export interface Renewable {
  /** Of now; fails when the credential has run out. */
  readonly headers: Effect.Effect<Headers.Headers, AuthError>
  readonly current: () => ExpiringCredential
  /** Whether the credential of now is sent in these headers. */
  readonly matches: (headers: Headers.Headers) => boolean
  readonly isExpired: Effect.Effect<boolean>
  /** Why no other could be had when it was last tried; nothing when it could. */
  readonly lastError: () => AuthError | undefined
  /** Acquires another; where that fails, the former stays. */
  readonly renew: Effect.Effect<void, AuthError>
}

/** Fails where the first credential cannot be had. The label says in the log what is held. */
export const make = (
  label: string,
  acquire: Effect.Effect<ExpiringCredential, AuthError>
): Effect.Effect<Renewable, AuthError> =>
  Effect.map(acquire, (first) => {
    let current = first
    let lastError: AuthError | undefined

    const isExpired = Effect.map(Clock.currentTimeMillis, (now) => now >= current.expiresAt)
    const end = () => `ran out at ${formatInstant(current.expiresAt)}`

    return {
      headers: Effect.flatMap(isExpired, (expired) =>
        expired
          ? new AuthError({
              reason: "Expired",
              message: `${label} ${end()}${lastError === undefined ? "" : `, and no other could be had: ${lastError.message}`}`,
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
          const ended = lastError
          current = next
          lastError = undefined
          return ended === undefined ? Effect.void : Effect.logInfo(`Flipt: ${label} could be renewed again`)
        }),
        Effect.tapError((error) =>
          Effect.flatMap(isExpired, (expired) => {
            const log = lastError === undefined ? Effect.logWarning : Effect.logDebug
            lastError = error
            const serving = expired ? `which ${end()}` : "and the last one goes on"
            return log(`Flipt: ${label} could not be renewed, ${serving}: ${error.message}`)
          })
        ),
        Effect.asVoid
      )
    }
  })
