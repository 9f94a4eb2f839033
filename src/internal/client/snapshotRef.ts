/**
 * What evaluations are answered from: one Snapshot or an error in its place. That of a client changes with its state,
 * and a pinned one stays what it is.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { EvaluationError } from "../../FliptError.js"
import type { Snapshot } from "../../Snapshot.js"
import type { Pinned } from "./refCounted.js"

export interface View {
  /** The Snapshot to evaluate with, or the error that every evaluation gets in its place. */
  readonly current: () => Either.Either<Snapshot, EvaluationError>
  /** The same Snapshot, kept open until the Scope ends. */
  readonly pin: Effect.Effect<Snapshot, EvaluationError, Scope.Scope>
  /** What `current` gives now, in a view of its own, which answers `Closed` when the Scope has ended. */
  readonly pinned: Effect.Effect<View, never, Scope.Scope>
}

/** A view with the means to change it. Who does keeps the hold on what is served. */
export interface Changeable extends View {
  readonly serve: (pinned: Pinned) => void
  readonly refuse: (error: EvaluationError) => void
}

const over = (): EvaluationError =>
  new EvaluationError({
    reason: "Closed",
    message: "the pinned client is closed: the scope that it was made in is over"
  })

/** Views of clients and pinned ones are made here alike, so that to V8 an evaluation is one piece of code for both. */
export const make = (first: Either.Either<Pinned, EvaluationError>): Changeable => {
  let held = first
  let current = Either.map(first, (pinned) => pinned.snapshot)
  return {
    current: () => current,
    // one step from the look at what is served to the hold on it
    pin: Effect.acquireRelease(
      Effect.suspend(() => {
        if (Either.isRight(held)) {
          held.right.hold()
        }
        return held
      }),
      (pinned) => pinned.release
    ).pipe(Effect.map((pinned) => pinned.snapshot)),
    pinned: Effect.acquireRelease(
      Effect.sync(() => {
        const now = held
        if (Either.isRight(now)) {
          now.right.hold()
        }
        return { now, view: make(now) }
      }),
      ({ now, view }) =>
        Effect.suspend(() => {
          view.refuse(over())
          return Either.isRight(now) ? now.right.release : Effect.void
        })
    ).pipe(Effect.map(({ view }) => view)),
    serve: (pinned) => {
      held = Either.right(pinned)
      current = Either.right(pinned.snapshot)
    },
    refuse: (error) => {
      held = Either.left(error)
      current = Either.left(error)
    }
  }
}
