import * as Schema from "effect/Schema"
import { decode, flag, must } from "../util/decodeOptions.js"

export const Telemetry = Schema.Struct({
  events: Schema.optionalWith(
    Schema.Literal("span", "log", "none").annotations(must('must be "span", "log" or "none"')),
    { default: () => "span" as const }
  ),
  metrics: Schema.optionalWith(flag, { default: () => true }),
  entityId: Schema.optionalWith(
    Schema.Literal("omit", "hash", "include").annotations(must('must be "omit", "hash" or "include"')),
    { default: () => "omit" as const }
  )
})

export const decodeTelemetry = decode(Telemetry)
