/**
 * The native engine on Node, imported on first use.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Engine from "../../../Engine.js"
import { EngineError } from "../../../FliptError.js"
import type { Snapshot } from "../../../Snapshot.js"
import type { NativeHandle } from "../../snapshot/nativeHandle.js"
import { printable } from "../../util/outsideText.js"

/**
 * Whether to choose the native engine by default. Not in a worker thread, where it would compile on the worker's own thread.
 */
export const preferred = (): boolean => process.getBuiltinModule("node:worker_threads").isMainThread

/** One import, not two at once: Jest fails to link modules that concurrent imports share. */
const modules = Effect.tryPromise({
  try: () => import("./engine.js"),
  catch: (cause) =>
    new EngineError({
      reason: "Load",
      message: `the native engine cannot be loaded: its modules do not load: ${printable(String(cause), 1000)}. Install flipt-client-effect again`,
      cause
    })
})

/** Loads the library, from the given path or from the default places, and makes an engine with it. */
export const load = (path: string | undefined): Effect.Effect<Engine.Service, EngineError> =>
  Effect.flatMap(modules, (engine) => engine.load(path))

/** A Snapshot over the compiled state of another one, which any thread of the process may have opened. */
export const retain = (handle: NativeHandle, namespace: string): Effect.Effect<Snapshot, EngineError, Scope.Scope> =>
  Effect.flatMap(modules, (engine) => engine.retain(handle, namespace))
