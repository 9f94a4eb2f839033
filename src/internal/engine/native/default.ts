/**
 * What stands in for the native engine where there is no Node.
 */
import * as Effect from "effect/Effect"
import type * as Engine from "../../../Engine.js"
import { EngineError } from "../../../FliptError.js"

export const load = (_path: string | undefined): Effect.Effect<Engine.Service, EngineError> =>
  Effect.fail(new EngineError({ reason: "Load", message: "there is no native engine on this platform" }))
