/**
 * The native engine on Node, imported on first use.
 */
import * as Effect from "effect/Effect"
import type * as Engine from "../../../Engine.js"
import type { EngineError } from "../../../FliptError.js"

/** Loads the library, from the given path or from the default places, and makes an engine with it. */
export const load = (path: string | undefined): Effect.Effect<Engine.Service, EngineError> =>
  Effect.gen(function* () {
    const [library, engine] = yield* Effect.promise(() => Promise.all([import("./library.js"), import("./engine.js")]))
    return yield* engine.make(yield* library.load(path))
  })
