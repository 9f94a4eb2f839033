import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { DurationInput, decode, must } from "../util/decodeOptions.js"

export const Authentication = Schema.Union(
  Schema.Struct({ clientToken: Schema.RedactedFromSelf(Schema.String) }),
  Schema.Struct({ jwtToken: Schema.RedactedFromSelf(Schema.String) })
).annotations(must("must be { clientToken } or { jwtToken }, the token made by Redacted.make"))

export const Provider = Schema.Struct({
  renewBefore: Schema.optionalWith(DurationInput, { default: () => Duration.minutes(1) })
})

export const TokenFile = Schema.Struct({
  as: Schema.Literal("clientToken", "jwtToken").annotations(must('must be "clientToken" or "jwtToken"'))
})

export const decodeProvider = decode(Provider)

export const decodeTokenFile = decode(TokenFile)
