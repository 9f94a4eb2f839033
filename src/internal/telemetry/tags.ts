import * as Context from "effect/Context"
import type { Hook } from "../../Hook.js"
import type { Settings } from "../../Telemetry.js"

export class Hooks extends Context.Reference<Hooks>()("flipt-client-effect/Hook/Hooks", {
  defaultValue: (): ReadonlyArray<Hook> => []
}) {}

export class Telemetry extends Context.Reference<Telemetry>()("flipt-client-effect/Telemetry", {
  defaultValue: (): Settings => ({ events: "none", metrics: false, entityId: "omit" })
}) {}
