/**
 * A Snapshot that is closed as soon as it has been replaced and nobody holds it any more.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Snapshot } from "../../Snapshot.js"

export interface Pinned {
  readonly snapshot: Snapshot
  /** Keeps the Snapshot open, until `release`. */
  readonly hold: () => void
  /** Gives up a hold, of which who makes it has the first: the last one closes the Snapshot. */
  readonly release: Effect.Effect<void>
}

/** Takes a Snapshot over, with the Scope that it lives in. */
export const make = (snapshot: Snapshot, scope: Scope.CloseableScope): Pinned => {
  let holds = 1
  return {
    snapshot,
    hold: () => {
      holds++
    },
    release: Effect.suspend(() => (--holds === 0 ? Scope.close(scope, Exit.void) : Effect.void))
  }
}
