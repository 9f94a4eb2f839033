/**
 * The options of Auth, decoded.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type * as Auth from "../../Auth.js"
import {
  type Decoder,
  decodeWith,
  duration,
  literal,
  redactedString,
  reject,
  struct,
  withDefault
} from "../util/decodeOptions.js"

const token = redactedString("", () => true)
const clientToken = struct({ clientToken: token })
const jwtToken = struct({ jwtToken: token })

export const authentication: Decoder<Auth.Authentication> = (value) =>
  Either.orElse(
    Either.orElse(clientToken(value), () => jwtToken(value)),
    () => reject("must be { clientToken } or { jwtToken }, the token made by Redacted.make")
  )

const providerOptions = struct({ renewBefore: withDefault(duration, Duration.minutes(1)) })

const tokenFileOptions = struct({ as: literal("clientToken", "jwtToken") })

export const decodeProvider = decodeWith(providerOptions)

export const decodeTokenFile = decodeWith(tokenFileOptions)
