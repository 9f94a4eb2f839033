/**
 * The replacement for the native engine on platforms other than Node.
 */
import * as Effect from "effect/Effect"
import type * as Engine from "../../../Engine.js"
import { EngineError } from "../../../FliptError.js"

/** Whether to choose the native engine by default. */
export const preferred = false

export const load = (_path: string | undefined): Effect.Effect<Engine.Service, EngineError> =>
  Effect.fail(new EngineError({ reason: "Load", message: "the native engine needs Node" }))
