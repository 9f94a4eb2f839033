/**
 * The options of telemetry.
 */
import { boolean, decodeWith, literal, struct, withDefault } from "../util/decodeOptions.js"

const telemetry = struct({
  events: withDefault(literal("span", "log", "none"), "span"),
  metrics: withDefault(boolean, true),
  entityId: withDefault(literal("omit", "hash", "include"), "omit")
})

export const decodeTelemetry = decodeWith(telemetry)
