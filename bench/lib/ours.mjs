/**
 * This library's engines. Each is a copy of the library's modules of its own, and so is this module, by a query in the
 * import's URL: what V8 learns of one engine's code says nothing of the other's, as in an application, which has one.
 * They come from ../../dist, so that there is one copy of effect, the root's.
 */
import { cpSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Scope from "effect/Scope"

const name = new URL(import.meta.url).searchParams.get("of")

const modules = async () => {
  if (name === "native") {
    return import("../../dist/Engine.js")
  }
  // below the root, where its packages are found
  const copy = new URL("../../build/bench-portable/", import.meta.url)
  cpSync(new URL("../../dist/", import.meta.url), copy, { recursive: true })
  return import(new URL("Engine.js", copy).href)
}

const { Engine, layerNative, layerPortable } = await modules()

/** The Snapshot of a document; the process's end closes it. */
export const compile = async (document) => {
  const engine = await Effect.runPromise(Effect.provide(Engine, name === "native" ? layerNative : layerPortable))
  const bytes = new TextEncoder().encode(JSON.stringify(document))
  return Effect.runPromise(Scope.extend(engine.compile("default", [bytes]), Effect.runSync(Scope.make())))
}

/** A Snapshot as a subject of measurements. */
export const subjectOf = (snapshot) => ({
  snapshot,
  prepare: ({ attributes, id }) => ({ entityId: id, context: { ...attributes } }),
  bare: ({ id }) => ({ entityId: id, context: {} }),
  boolean: (flagKey, { context, entityId }) => {
    const result = snapshot.boolean({ flagKey, entityId, context })
    return Either.isRight(result) && result.right.enabled
  },
  variant: (flagKey, { context, entityId }) => {
    const result = snapshot.variant({ flagKey, entityId, context })
    return Either.isRight(result) ? result.right.variantKey : undefined
  },
  bind: ({ context, entityId }) => snapshot.bind(entityId, context),
  boundBoolean: (bound, flagKey) => {
    const result = bound.boolean(flagKey)
    return Either.isRight(result) && result.right.enabled
  },
  boundVariant: (bound, flagKey) => {
    const result = bound.variant(flagKey)
    return Either.isRight(result) ? result.right.variantKey : undefined
  }
})
