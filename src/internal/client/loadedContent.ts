/**
 * The content of the loaded document, known by its hash.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { contentHash } from "../document/contentHash.js"
import { needsSlices } from "../util/slices.js"
import { yieldToEventLoop } from "../util/yieldToEventLoop.js"

export interface LoadedContent {
  /**
   * Remembers the document that the state of a generation was made of. If its hash is unknown, a fiber computes it, because
   * the next document needs it. If that takes more than one turn of the event loop, whatever waits for the load runs first.
   */
  readonly set: (generation: number, bytes: ReadonlyArray<Uint8Array>, hash: string | undefined) => Effect.Effect<void>
  /** Whether the state of a generation was made of a document with this hash. Waits until its hash is known. */
  readonly has: (generation: number, hash: string) => Effect.Effect<boolean>
}

/** Not `Fiber.join`, which would give the log annotations and the span of one caller to another. */
const hashOf = (fiber: Fiber.RuntimeFiber<string>): Effect.Effect<string | undefined> =>
  Effect.map(Fiber.await(fiber), (exit) => (Exit.isSuccess(exit) ? exit.value : undefined))

export const make: Effect.Effect<LoadedContent, never, Scope.Scope> = Effect.map(Effect.scope, (scope) => {
  let loaded: { readonly generation: number; readonly hash: Effect.Effect<string | undefined> } | undefined
  let hashing: Fiber.RuntimeFiber<string> | undefined
  return {
    set: (generation, bytes, hash) =>
      Effect.gen(function* () {
        if (hashing !== undefined) {
          hashing.unsafeInterruptAsFork(hashing.id())
          hashing = undefined
        }
        if (hash !== undefined) {
          loaded = { generation, hash: Effect.succeed(hash) }
          return
        }
        hashing = yield* Effect.when(yieldToEventLoop, () => needsSlices(bytes)).pipe(
          Effect.zipRight(contentHash(bytes)),
          Effect.interruptible,
          Effect.forkIn(scope)
        )
        // `hashOf` is outside, so that its closure does not retain the document.
        loaded = { generation, hash: hashOf(hashing) }
      }),
    has: (generation, hash) =>
      loaded?.generation === generation ? Effect.map(loaded.hash, (known) => known === hash) : Effect.succeed(false)
  }
})
