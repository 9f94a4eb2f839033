/**
 * Hooks and telemetry around the parts of a client, decided when it is built: where there are none, the parts are what
 * they are without.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Engine from "../Engine.js"
import * as Fetcher from "../Fetcher.js"
import { Hooks } from "../Hook.js"
import type { Status } from "../Status.js"
import { Telemetry } from "../Telemetry.js"
import * as Evaluations from "./evaluations.js"
import * as hooks from "./hooks.js"
import * as Meter from "./meter.js"
import { Notes } from "./notes.js"
import * as telemetry from "./telemetry.js"
import type { View } from "./view.js"

export interface Observing {
  readonly engine: Engine.Service
  readonly fetcher: Fetcher.Service
  readonly evaluations: (view: View) => Evaluations.Evaluations
  readonly tellAge: (status: Effect.Effect<Status>) => Effect.Effect<void, never, Scope.Scope>
}

export const make: Effect.Effect<Observing, never, Engine.Engine | Fetcher.Fetcher | Scope.Scope> = Effect.gen(
  function* () {
    const engine = yield* Engine.Engine
    const fetcher = yield* Fetcher.Fetcher
    const settings = yield* Telemetry
    const notes = new Notes()
    const meter = settings.metrics ? Meter.make(fetcher.source) : undefined
    const record = telemetry.make(settings, fetcher.source, meter, notes)
    const begin = hooks.make(yield* Hooks, fetcher.source, notes)
    return {
      engine: meter === undefined ? engine : yield* Meter.measureEngine(meter, engine),
      fetcher: meter === undefined ? fetcher : Meter.measureFetcher(meter, fetcher),
      evaluations:
        begin === undefined && record === undefined
          ? Evaluations.plain
          : (view) => Evaluations.observed(view, { begin, record, notes }),
      tellAge: (status) => (meter === undefined ? Effect.void : Meter.tellAge(meter, status))
    }
  }
)
