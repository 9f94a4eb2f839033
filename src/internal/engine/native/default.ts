/**
 * The replacement for the native engine on platforms other than Node.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Engine from "../../../Engine.js"
import { EngineError } from "../../../FliptError.js"
import type { Snapshot } from "../../../Snapshot.js"
import type { NativeHandle } from "../../snapshot/nativeHandle.js"

/** Whether to choose the native engine by default. */
export const preferred = (): boolean => false

const failure = Effect.suspend(() =>
  Effect.fail(new EngineError({ reason: "Load", message: "the native engine needs Node" }))
)

export const load = (_path: string | undefined): Effect.Effect<Engine.Service, EngineError> => failure

export const retain = (_handle: NativeHandle, _namespace: string): Effect.Effect<Snapshot, EngineError, Scope.Scope> =>
  failure
