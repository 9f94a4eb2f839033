import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Engine from "../../Engine.js"
import type { Snapshot } from "../../Snapshot.js"
import { makeEscapedListWarning } from "./escapedLists.js"

/**
 * What looks at every state that a client loads, made once for each client; by default a warning about lists that only the
 * server reads. A Reference, so that the
 * client does not depend on what looks.
 */
export class OnLoad extends Context.Reference<OnLoad>()("flipt-client-effect/internal/client/OnLoad", {
  defaultValue: (): (() => (snapshot: Snapshot) => Effect.Effect<void>) => makeEscapedListWarning
}) {}

/** The engine, with a look at everything that it loads. */
export const withOnLoad = (
  engine: Engine.Service,
  look: (snapshot: Snapshot) => Effect.Effect<void>
): Engine.Service => ({
  ...engine,
  compile: (namespace, document) => Effect.tap(engine.compile(namespace, document), look),
  restore: (namespace, seed) => Effect.tap(engine.restore(namespace, seed), look)
})
