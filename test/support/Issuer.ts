/**
 * A stand-in for an identity provider: issues `token-1`, `token-2` and so on, and fails on demand.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Auth from "../../src/Auth.js"

export class Refusal {
  readonly _tag = "Refusal"
}

export interface Issuer {
  readonly acquire: Effect.Effect<Auth.Credential, Refusal>
  /** The times of the calls since this was last read, in milliseconds of the Clock. */
  readonly take: () => ReadonlyArray<number>
  /** The number of calls. */
  readonly count: () => number
  /** From now on, returns this instead of a new token; `undefined` ends it. */
  readonly become: (failure: Effect.Effect<Auth.Credential, Refusal> | undefined) => void
}

export const make = (expiresIn?: Duration.DurationInput): Issuer => {
  const instants: Array<number> = []
  let taken = 0
  let tokens = 0
  let failure: Effect.Effect<Auth.Credential, Refusal> | undefined
  return {
    acquire: Effect.flatMap(Clock.currentTimeMillis, (now) => {
      instants.push(now)
      if (failure !== undefined) {
        return failure
      }
      tokens++
      return Effect.succeed({ clientToken: Redacted.make(`token-${tokens}`), expiresIn })
    }),
    take: () => {
      const news = instants.slice(taken)
      taken = instants.length
      return news
    },
    count: () => instants.length,
    become: (next) => {
      failure = next
    }
  }
}

/** A JWT like those of OpenID providers. Its signature is invalid, which nothing checks. */
export const jwt = (claims: unknown): string =>
  ["{}", typeof claims === "string" ? claims : JSON.stringify(claims), "signature"]
    .map((part) => Buffer.from(part).toString("base64url"))
    .join(".")
