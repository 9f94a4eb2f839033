/**
 * This library's engines. Each engine has its own copy of the library's modules, and of this module through a query in
 * the import's URL, so that V8 optimizes the code for one engine, as in an application. The copies come from `dist`, so
 * that both use the root's copy of effect.
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
  // inside the root, so that imports find its packages
  const copy = resolve("build", "bench-portable")
  cpSync(resolve("dist"), copy, { recursive: true })
  return import(pathToFileURL(resolve(copy, "Engine.js")).href)
}

const { Engine, layerNative, layerPortable } = await modules()

/** Compiles a document to a Snapshot, which stays open until the process ends. */
export const compile = async (document: Document): Promise<Snapshot> => {
  const engine = await Effect.runPromise(Effect.provide(Engine, name === "native" ? layerNative : layerPortable))
  const bytes = new TextEncoder().encode(JSON.stringify(document))
  return Effect.runPromise(Scope.extend(engine.compile("default", [bytes]), Effect.runSync(Scope.make())))
}

/** An entity in the form of this library's requests. */
export interface Prepared {
  readonly entityId: string
  readonly context: Readonly<Record<string, string | number | boolean>>
}

/** A subject that can also bind an entity. */
export interface Ours extends Subject<Prepared> {
  readonly snapshot: Snapshot
  bind(prepared: Prepared): Bound
  boundBoolean(bound: Bound, flagKey: string): boolean
  boundVariant(bound: Bound, flagKey: string): string | undefined
}

/** Makes a subject from a Snapshot. */
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
