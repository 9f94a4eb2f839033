/**
 * Hooks and telemetry around the parts of a client. Loaded with the first client that has them, since most have neither.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Engine from "../../Engine.js"
import type * as Fetcher from "../../Fetcher.js"
import type { Hook } from "../../Hook.js"
import type { Settings } from "../../Telemetry.js"
import { Notes } from "../telemetry/deferredLogs.js"
import * as telemetry from "../telemetry/evaluationEvents.js"
import * as hooks from "../telemetry/hooks.js"
import * as Meter from "../telemetry/metrics.js"
import * as Evaluations from "./evaluate.js"
import type { Observing } from "./instrumentation.js"

export const make = (
  engine: Engine.Service,
  fetcher: Fetcher.Service,
  list: ReadonlyArray<Hook>,
  settings: Settings
): Effect.Effect<Observing, never, Scope.Scope> =>
  Effect.gen(function* () {
    const notes = new Notes()
    const meter = settings.metrics ? Meter.make(fetcher.source) : undefined
    const record = telemetry.make(settings, fetcher.source, meter, notes)
    const begin = hooks.make(list, fetcher.source, notes)
    return {
      engine: meter === undefined ? engine : yield* Meter.measureEngine(meter, engine),
      fetcher: meter === undefined ? fetcher : Meter.measureFetcher(meter, fetcher),
      evaluations:
        begin === undefined && record === undefined
          ? Evaluations.plain
          : (view) => Evaluations.observed(view, { begin, record, notes }),
      tellAge: (status) => (meter === undefined ? Effect.void : Meter.tellAge(meter, status))
    }
  })
