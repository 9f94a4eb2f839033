/** This library's engines: they come from ../../dist, so that there is one copy of effect, the root's. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Engine from "../../dist/Engine.js"

/** The Snapshot of a document, compiled by an engine; the process's end closes it. */
export const compile = async (layer, document) => {
  const engine = await Effect.runPromise(Effect.provide(Engine.Engine, layer))
  const bytes = new TextEncoder().encode(JSON.stringify(document))
  return Effect.runPromise(Scope.extend(engine.compile("default", [bytes]), Effect.runSync(Scope.make())))
}
