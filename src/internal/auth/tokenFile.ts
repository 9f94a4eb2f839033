/**
 * Reads a credential from a file that the platform replaces from time to time.
 *
 * The file is read when a credential is needed, at most every few seconds, and not watched: it is small, rarely needed,
 * and reads work on every kind of mount.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Platform from "#platform"
import type * as Auth from "../../Auth.js"
import { AuthError, ValidationError } from "../../FliptError.js"
import { errorMessage } from "../util/errorMessage.js"
import { printable } from "../util/outsideText.js"
import * as SingleFlight from "../util/singleFlight.js"
import { decodeCredential, type ExpiringCredential } from "./credential.js"
import { decodeTokenFile } from "./options.js"
import * as Renewable from "./renewable.js"

/** How long the last read counts as current, unless the server refuses the credential. */
const MAX_AGE = Duration.seconds(5)

const readError = (path: string, problem: string, cause?: unknown): AuthError =>
  new AuthError({
    reason: "Acquire",
    message: `the token file ${printable(path)} ${problem}`,
    ...(cause === undefined ? {} : { cause })
  })

const read = (path: string, kind: "clientToken" | "jwtToken"): Effect.Effect<ExpiringCredential, AuthError> =>
  Effect.gen(function* () {
    const bytes = yield* Effect.tryPromise({
      try: () => Platform.readFile(path),
      catch: (cause) => readError(path, `cannot be read: ${errorMessage(cause)}`, cause)
    })
    const text = new TextDecoder().decode(bytes).trimEnd()
    if (text === "") {
      return yield* readError(path, "is empty")
    }
    const token = Redacted.make(text)
    const now = yield* Clock.currentTimeMillis
    return yield* Either.mapLeft(
      decodeCredential(kind === "clientToken" ? { clientToken: token } : { jwtToken: token }, now),
      (problem) => readError(path, `cannot be used: ${problem}`)
    )
  })

export const make = (
  path: string,
  options: { readonly as: "clientToken" | "jwtToken" }
): Effect.Effect<Auth.Service, AuthError | ValidationError, Scope.Scope> =>
  Effect.gen(function* () {
    if (typeof path !== "string" || path.trim() === "" || path.includes("\0")) {
      return yield* new ValidationError({
        reason: "Argument",
        path: "path",
        message: "the path of the token file must be a string, not empty"
      })
    }
    const { as } = yield* decodeTokenFile(options)
    const maxAgeMillis = Duration.toMillis(MAX_AGE)
    let readAt = yield* Clock.currentTimeMillis
    const renewable = yield* Renewable.make(`the token in the file ${printable(path)}`, read(path, as))
    const reread = yield* SingleFlight.make(
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        readAt = now
        return renewable.renew
      }),
      undefined
    ).pipe(Effect.map(Effect.ignore))
    // If the clock was set back, the age is unknown.
    const isStale = Effect.map(Clock.currentTimeMillis, (now) => now - readAt >= maxAgeMillis || now < readAt)
    return {
      authorize: Effect.zipRight(Effect.whenEffect(reread, isStale), renewable.headers),
      invalidate: (rejected) => Effect.suspend(() => (renewable.matches(rejected) ? reread : Effect.void))
    }
  })
