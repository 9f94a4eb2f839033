/**
 * The credential of now, which is replaced from time to time. The last one that could be had goes on until it runs out.
 */
import type * as Headers from "@effect/platform/Headers"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { AuthError } from "../../FliptError.js"
import { formatInstant, type Held } from "./credential.js"

export interface Holder {
  /** Of now; fails when the credential has run out. */
  readonly headers: Effect.Effect<Headers.Headers, AuthError>
  readonly held: () => Held
  /** Whether the credential of now is sent in these headers. */
  readonly has: (headers: Headers.Headers) => boolean
  readonly isExpired: Effect.Effect<boolean>
  /** Why no other could be had when it was last tried; nothing when it could. */
  readonly trouble: () => AuthError | undefined
  /** Acquires another; where that fails, the former stays. */
  readonly renew: Effect.Effect<void, AuthError>
}

/** Fails where the first credential cannot be had. The label says in the log what is held. */
export const make = (label: string, acquire: Effect.Effect<Held, AuthError>): Effect.Effect<Holder, AuthError> =>
  Effect.map(acquire, (first) => {
    let held = first
    let trouble: AuthError | undefined

    const isExpired = Effect.map(Clock.currentTimeMillis, (now) => now >= held.expiresAt)
    const end = () => `ran out at ${formatInstant(held.expiresAt)}`

    return {
      headers: Effect.flatMap(isExpired, (expired) =>
        expired
          ? new AuthError({
              reason: "Expired",
              message: `${label} ${end()}${trouble === undefined ? "" : `, and no other could be had: ${trouble.message}`}`,
              ...(trouble === undefined ? {} : { cause: trouble })
            })
          : Effect.succeed(held.headers)
      ),
      held: () => held,
      has: ({ authorization }) => authorization === held.headers.authorization,
      isExpired,
      trouble: () => trouble,
      renew: acquire.pipe(
        Effect.tap((next) => {
          const ended = trouble
          held = next
          trouble = undefined
          return ended === undefined ? Effect.void : Effect.logInfo(`Flipt: ${label} could be renewed again`)
        }),
        Effect.tapError((error) =>
          Effect.flatMap(isExpired, (expired) => {
            const log = trouble === undefined ? Effect.logWarning : Effect.logDebug
            trouble = error
            const serving = expired ? `which ${end()}` : "and the last one goes on"
            return log(`Flipt: ${label} could not be renewed, ${serving}: ${error.message}`)
          })
        ),
        Effect.asVoid
      )
    }
  })
