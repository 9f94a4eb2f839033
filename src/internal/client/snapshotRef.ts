/**
 * A reference to the Snapshot that evaluations use, or to the error that they fail with. The reference of a client changes
 * with its state; a pinned one does not.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { EvaluationError } from "../../FliptError.js"
import type { Snapshot } from "../../Snapshot.js"
import type { RefCounted } from "./refCounted.js"

export interface SnapshotRef {
  /** The Snapshot for evaluations, or the error that evaluations fail with. */
  readonly current: () => Either.Either<Snapshot, EvaluationError>
  /** The current Snapshot, kept open until the Scope ends. */
  readonly acquire: Effect.Effect<Snapshot, EvaluationError, Scope.Scope>
  /** A fixed reference to what `current` returns now. It fails with `Closed` once the Scope has ended. */
  readonly pinned: Effect.Effect<SnapshotRef, never, Scope.Scope>
}

/** A reference that can change. Its owner must retain the Snapshot that it refers to. */
interface MutableSnapshotRef extends SnapshotRef {
  readonly set: (refCounted: RefCounted) => void
  readonly setError: (error: EvaluationError) => void
}

const closedError = (): EvaluationError =>
  new EvaluationError({
    reason: "Closed",
    message: "the pinned client is closed: its scope has ended"
  })

/** Makes the references of clients and of pinned clients, so that evaluations stay monomorphic in V8. */
export const make = (first: Either.Either<RefCounted, EvaluationError>): MutableSnapshotRef => {
  let target = first
  let current = Either.map(first, (refCounted) => refCounted.snapshot)
  return {
    current: () => current,
    // reads the target and retains it in one step
    acquire: Effect.acquireRelease(
      Effect.suspend(() => {
        if (Either.isRight(target)) {
          target.right.retain()
        }
        return target
      }),
      (refCounted) => refCounted.release
    ).pipe(Effect.map((refCounted) => refCounted.snapshot)),
    pinned: Effect.acquireRelease(
      Effect.sync(() => {
        const now = target
        if (Either.isRight(now)) {
          now.right.retain()
        }
        return { now, ref: make(now) }
      }),
      ({ now, ref }) =>
        Effect.suspend(() => {
          ref.setError(closedError())
          return Either.isRight(now) ? now.right.release : Effect.void
        })
    ).pipe(Effect.map(({ ref }) => ref)),
    set: (refCounted) => {
      target = Either.right(refCounted)
      current = Either.right(refCounted.snapshot)
    },
    setError: (error) => {
      target = Either.left(error)
      current = Either.left(error)
    }
  }
}
