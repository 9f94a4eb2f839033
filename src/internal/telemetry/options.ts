/**
 * The options of telemetry.
 */
import * as Schema from "effect/Schema"
import { BooleanOption, issueMessage, makeDecoder } from "../util/decodeOptions.js"

export const Telemetry = Schema.Struct({
  events: Schema.optionalWith(
    Schema.Literal("span", "log", "none").annotations(issueMessage('must be "span", "log" or "none"')),
    { default: () => "span" as const }
  ),
  metrics: Schema.optionalWith(BooleanOption, { default: () => true }),
  entityId: Schema.optionalWith(
    Schema.Literal("omit", "hash", "include").annotations(issueMessage('must be "omit", "hash" or "include"')),
    { default: () => "omit" as const }
  )
})

export const decodeTelemetry = makeDecoder(Telemetry)
