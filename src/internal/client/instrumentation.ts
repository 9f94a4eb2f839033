/**
 * Adds hooks and telemetry to the components of a client. This is decided when the client is built: without hooks and
 * telemetry the components are unchanged.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Engine from "../../Engine.js"
import type * as Fetcher from "../../Fetcher.js"
import type { Status } from "../../Status.js"
import * as engines from "../engine/tags.js"
import * as fetchers from "../fetch/tags.js"
import { Hooks, Telemetry } from "../telemetry/tags.js"
import * as Evaluations from "./evaluate.js"
import { OnLoad, withOnLoad } from "./onLoad.js"
import type { SnapshotRef } from "./snapshotRef.js"

export interface Instrumentation {
  readonly engine: Engine.Service
  readonly fetcher: Fetcher.Service
  readonly evaluations: (ref: SnapshotRef) => Evaluations.Evaluations
  readonly reportAge: (status: Effect.Effect<Status>) => Effect.Effect<void, never, Scope.Scope>
}

export const make: Effect.Effect<Instrumentation, never, engines.Engine | fetchers.Fetcher | Scope.Scope> = Effect.gen(
  function* () {
    const onLoad = yield* OnLoad
    const engine = withOnLoad(yield* engines.Engine, onLoad())
    const fetcher = yield* fetchers.Fetcher
    const hooks = yield* Hooks
    const settings = yield* Telemetry
    if (hooks.length === 0 && settings.events === "none" && !settings.metrics) {
      return { engine, fetcher, evaluations: Evaluations.plain, reportAge: () => Effect.void }
    }
    const instrumented = yield* Effect.promise(() => import("./instrumented.js"))
    return yield* instrumented.make(engine, fetcher, hooks, settings)
  }
)
