import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { ValidationError } from "../../../FliptError.js"

/** The bytes of a seed's JSON text. */
export const decodeSeed = (seed: string): Effect.Effect<Uint8Array, ValidationError> =>
  typeof seed === "string"
    ? Either.mapLeft(Encoding.decodeBase64(seed), (error) => invalidSeed(`it is not base64 text (${error.message})`))
    : Effect.fail(invalidSeed(`it is a ${typeof seed}, not a text`))

export const invalidSeed = (problem: string): ValidationError =>
  new ValidationError({
    reason: "Seed",
    path: "snapshot",
    message: `the snapshot to start from does not load: ${problem}; it must be the text that getSnapshot gave`
  })
