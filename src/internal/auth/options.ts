/**
 * The options of Auth, decoded.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { DurationInput, issueMessage, makeDecoder } from "../util/decodeOptions.js"

export const Authentication = Schema.Union(
  Schema.Struct({ clientToken: Schema.RedactedFromSelf(Schema.String) }),
  Schema.Struct({ jwtToken: Schema.RedactedFromSelf(Schema.String) })
).annotations(issueMessage("must be { clientToken } or { jwtToken }, the token made by Redacted.make"))

const ProviderOptions = Schema.Struct({
  renewBefore: Schema.optionalWith(DurationInput, { default: () => Duration.minutes(1) })
})

const TokenFileOptions = Schema.Struct({
  as: Schema.Literal("clientToken", "jwtToken").annotations(issueMessage('must be "clientToken" or "jwtToken"'))
})

export const decodeProvider = makeDecoder(ProviderOptions)

export const decodeTokenFile = makeDecoder(TokenFileOptions)
