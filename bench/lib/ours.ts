/**
 * This library's engines. Each is a copy of the library's modules of its own, and so is this module, by a query in the
 * import's URL: what V8 learns of one engine's code says nothing of the other's, as in an application, which has one.
 * They come from `dist`, so that there is one copy of effect, the root's.
 */
import { cpSync } from "node:fs"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Scope from "effect/Scope"
import type * as EngineModule from "flipt-client-effect/Engine"
import type { Bound, Snapshot } from "flipt-client-effect/Snapshot"
import type { Subject } from "./subject.js"
import type { Document, Entity } from "./workloads.js"

const name = new URL(import.meta.url).searchParams.get("of")

const modules = async (): Promise<typeof EngineModule> => {
  if (name === "native") {
    return import("flipt-client-effect/Engine")
  }
  // below the root, where its packages are found
  const copy = resolve("build", "bench-portable")
  cpSync(resolve("dist"), copy, { recursive: true })
  return import(pathToFileURL(resolve(copy, "Engine.js")).href)
}

const { Engine, layerNative, layerPortable } = await modules()

/** The Snapshot of a document; the process's end closes it. */
export const compile = async (document: Document): Promise<Snapshot> => {
  const engine = await Effect.runPromise(Effect.provide(Engine, name === "native" ? layerNative : layerPortable))
  const bytes = new TextEncoder().encode(JSON.stringify(document))
  return Effect.runPromise(Scope.extend(engine.compile("default", [bytes]), Effect.runSync(Scope.make())))
}

/** An entity as the requests of this library have it. */
export interface Prepared {
  readonly entityId: string
  readonly context: Readonly<Record<string, string | number | boolean>>
}

/** A subject that can bind an entity too. */
export interface Ours extends Subject<Prepared> {
  readonly snapshot: Snapshot
  bind(prepared: Prepared): Bound
  boundBoolean(bound: Bound, flagKey: string): boolean
  boundVariant(bound: Bound, flagKey: string): string | undefined
}

/** A Snapshot as a subject of measurements. */
export const subjectOf = (snapshot: Snapshot): Ours => ({
  snapshot,
  prepare: ({ attributes, id }: Entity) => ({ entityId: id, context: { ...attributes } }),
  bare: ({ id }: Entity) => ({ entityId: id, context: {} }),
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
