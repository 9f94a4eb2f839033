import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Engine from "../../Engine.js"
import type { Snapshot } from "../../Snapshot.js"
import { makeEscapedListWarning } from "./escapedLists.js"

/**
 * Makes the observer of the states that a client loads, once per client. By default it warns about lists that only the
 * server can read. A Reference, so that clients do not depend on their observers.
 */
export class OnLoad extends Context.Reference<OnLoad>()("flipt-client-effect/internal/client/OnLoad", {
  defaultValue: (): (() => (snapshot: Snapshot) => Effect.Effect<void>) => makeEscapedListWarning
}) {}

/** Shows everything that an engine loads to an observer. */
export const withOnLoad = (
  engine: Engine.Service,
  observe: (snapshot: Snapshot) => Effect.Effect<void>
): Engine.Service => ({
  ...engine,
  compile: (namespace, document) => Effect.tap(engine.compile(namespace, document), observe),
  restore: (namespace, seed) => Effect.tap(engine.restore(namespace, seed), observe)
})
