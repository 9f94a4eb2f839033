/** Decodes the base64 text of a seed. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { ValidationError } from "../../../FliptError.js"

/** Returns the bytes of the seed's JSON text. */
export const decodeSeed = (seed: string): Effect.Effect<Uint8Array, ValidationError> =>
  typeof seed === "string"
    ? Either.mapLeft(Encoding.decodeBase64(seed), (error) => seedError(`it is not base64 text (${error.message})`))
    : Effect.fail(seedError(`expected base64 text, found a value of type ${typeof seed}`))

export const seedError = (problem: string): ValidationError =>
  new ValidationError({
    reason: "Seed",
    path: "snapshot",
    message: `the initial snapshot cannot be loaded: ${problem}; pass the text that getSnapshot returned`
  })
