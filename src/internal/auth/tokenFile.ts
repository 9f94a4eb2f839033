/**
 * A credential in a file that is replaced from time to time, as platforms mount them.
 *
 * The file is read when a credential is asked for, and not watched: a token file is small and asked for rarely, and no
 * kind of mount can hide a change from a read.
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
import { messageOf } from "../util/errorMessage.js"
import * as Flight from "../util/singleFlight.js"
import { type Held, hold } from "./credential.js"
import { decodeTokenFile } from "./options.js"
import * as Holder from "./renewable.js"

/** How long what was read counts as what the file has, unless the server refuses it. */
const FRESH = Duration.seconds(5)

const failed = (path: string, problem: string, cause?: unknown): AuthError =>
  new AuthError({
    reason: "Acquire",
    message: `the token file ${path} ${problem}`,
    ...(cause === undefined ? {} : { cause })
  })

const read = (path: string, kind: "clientToken" | "jwtToken"): Effect.Effect<Held, AuthError> =>
  Effect.gen(function* () {
    const { bytes } = yield* Effect.tryPromise({
      try: () => Platform.readFile(path),
      catch: (cause) => failed(path, `cannot be read: ${messageOf(cause)}`, cause)
    })
    const text = new TextDecoder().decode(bytes).trimEnd()
    if (text === "") {
      return yield* failed(path, "is empty")
    }
    const token = Redacted.make(text)
    const now = yield* Clock.currentTimeMillis
    return yield* Either.mapLeft(
      hold(kind === "clientToken" ? { clientToken: token } : { jwtToken: token }, now),
      (problem) => failed(path, `is no use: its ${problem}`)
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
        message: "the path of the file to read the token from must be a text, not empty"
      })
    }
    const { as } = yield* decodeTokenFile(options)
    const freshMillis = Duration.toMillis(FRESH)
    let readAt = yield* Clock.currentTimeMillis
    const holder = yield* Holder.make(`the token of the file ${path}`, read(path, as))
    const reading = yield* Flight.make(
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        readAt = now
        return Effect.ignore(holder.renew)
      }),
      undefined
    ).pipe(Effect.map(Effect.ignore))
    // a clock that was set back tells no age
    const isStale = Effect.map(Clock.currentTimeMillis, (now) => now - readAt >= freshMillis || now < readAt)
    return {
      authorize: Effect.zipRight(Effect.whenEffect(reading, isStale), holder.headers),
      invalidate: (rejected) => Effect.suspend(() => (holder.has(rejected) ? reading : Effect.void))
    }
  })
