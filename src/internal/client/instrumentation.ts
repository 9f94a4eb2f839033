/**
 * Hooks and telemetry around the parts of a client, decided when it is built: where there are none, the parts are what
 * they are without.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Engine from "../../Engine.js"
import * as Fetcher from "../../Fetcher.js"
import { Hooks } from "../../Hook.js"
import type { Status } from "../../Status.js"
import { Telemetry } from "../../Telemetry.js"
import * as Evaluations from "./evaluate.js"
import { OnLoad, withOnLoad } from "./onLoad.js"
import type { View } from "./snapshotRef.js"

export interface Observing {
  readonly engine: Engine.Service
  readonly fetcher: Fetcher.Service
  readonly evaluations: (view: View) => Evaluations.Evaluations
  readonly tellAge: (status: Effect.Effect<Status>) => Effect.Effect<void, never, Scope.Scope>
}

export const make: Effect.Effect<Observing, never, Engine.Engine | Fetcher.Fetcher | Scope.Scope> = Effect.gen(
  function* () {
    const onLoad = yield* OnLoad
    const plain = yield* Engine.Engine
    const engine = onLoad === undefined ? plain : withOnLoad(plain, onLoad())
    const fetcher = yield* Fetcher.Fetcher
    const hooks = yield* Hooks
    const settings = yield* Telemetry
    if (hooks.length === 0 && settings.events === "none" && !settings.metrics) {
      return { engine, fetcher, evaluations: Evaluations.plain, tellAge: () => Effect.void }
    }
    const observed = yield* Effect.promise(() => import("./instrumented.js"))
    return yield* observed.make(engine, fetcher, hooks, settings)
  }
)
