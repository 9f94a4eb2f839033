/**
 * The components of a client with hooks and telemetry. Imported on first use, since many clients have neither.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Engine from "../../Engine.js"
import type * as Fetcher from "../../Fetcher.js"
import type { Hook } from "../../Hook.js"
import type { Settings } from "../../Telemetry.js"
import { DeferredLogs } from "../telemetry/deferredLogs.js"
import * as telemetry from "../telemetry/evaluationEvents.js"
import * as hooks from "../telemetry/hooks.js"
import * as Metrics from "../telemetry/metrics.js"
import * as Evaluations from "./evaluate.js"
import type { Instrumentation } from "./instrumentation.js"

export const make = (
  engine: Engine.Service,
  fetcher: Fetcher.Service,
  hookList: ReadonlyArray<Hook>,
  settings: Settings
): Effect.Effect<Instrumentation, never, Scope.Scope> =>
  Effect.gen(function* () {
    const deferredLogs = new DeferredLogs()
    const metrics = settings.metrics ? Metrics.make(fetcher.source) : undefined
    const record = telemetry.make(settings, fetcher.source, metrics, deferredLogs)
    const beginHooks = hooks.make(hookList, fetcher.source, deferredLogs)
    return {
      engine: metrics === undefined ? engine : yield* Metrics.measureEngine(metrics, engine),
      fetcher: metrics === undefined ? fetcher : Metrics.measureFetcher(metrics, fetcher),
      evaluations:
        beginHooks === undefined && record === undefined
          ? Evaluations.plain
          : (ref) => Evaluations.instrumented(ref, { beginHooks, record, deferredLogs }),
      reportAge: (status) => (metrics === undefined ? Effect.void : Metrics.reportAge(metrics, status))
    }
  })
