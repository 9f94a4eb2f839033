/**
 * The native engine, where there is Node. Nothing of it is loaded before it is asked for.
 */
import * as Effect from "effect/Effect"
import type * as Engine from "../../../Engine.js"
import type { EngineError } from "../../../FliptError.js"

/** Loads the library, from the path or from where it usually is, and makes an engine of it. */
export const load = (path: string | undefined): Effect.Effect<Engine.Service, EngineError> =>
  Effect.gen(function* () {
    const [library, engine] = yield* Effect.promise(() => Promise.all([import("./library.js"), import("./engine.js")]))
    return yield* engine.make(yield* library.load(path))
  })
