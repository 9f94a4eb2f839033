/**
 * The native engine on Node, imported on first use.
 */
import { isMainThread } from "node:worker_threads"
import * as Effect from "effect/Effect"
import type * as Engine from "../../../Engine.js"
import { EngineError } from "../../../FliptError.js"
import { printable } from "../../util/outsideText.js"

/**
 * Whether to choose the native engine by default. Not in a worker thread: ending one while koffi loads, or during a call
 * through it, aborts the whole process, and nothing can hold back `Worker.terminate`.
 */
export const preferred = isMainThread

/**
 * Loads the library, from the given path or from the default places, and makes an engine with it. One import, not two at
 * once: Jest fails to link modules that concurrent imports share.
 */
export const load = (path: string | undefined): Effect.Effect<Engine.Service, EngineError> =>
  Effect.tryPromise({
    try: () => import("./engine.js"),
    catch: (cause) =>
      new EngineError({
        reason: "Load",
        message: `the native engine cannot be loaded: its modules do not load: ${printable(String(cause), 1000)}. Install flipt-client-effect again`,
        cause
      })
  }).pipe(Effect.flatMap((engine) => engine.load(path)))
