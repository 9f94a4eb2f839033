/**
 * A reference-counted Snapshot: the last release closes it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Snapshot } from "../../Snapshot.js"

export interface RefCounted {
  readonly snapshot: Snapshot
  /** Keeps the Snapshot open until `release`. */
  readonly retain: () => void
  /** Releases one reference. `make` takes the first one; releasing the last one closes the Snapshot. */
  readonly release: Effect.Effect<void>
}

/** Takes ownership of a Snapshot and its Scope. */
export const make = (snapshot: Snapshot, scope: Scope.CloseableScope): RefCounted => {
  let count = 1
  return {
    snapshot,
    retain: () => {
      count++
    },
    release: Effect.suspend(() => (--count === 0 ? Scope.close(scope, Exit.void) : Effect.void))
  }
}
