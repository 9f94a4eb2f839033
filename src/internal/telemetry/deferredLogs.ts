import * as Effect from "effect/Effect"

/** What comes up while something is evaluated, which cannot log, and is run when that is done. */
export class Notes {
  private pending: Array<Effect.Effect<void>> = []

  add(note: Effect.Effect<void>): void {
    this.pending.push(note)
  }

  /** The result, after what has come up, and whatever becomes of that: a logger may throw, too. */
  before<A, E>(result: Effect.Effect<A, E>): Effect.Effect<A, E> {
    if (this.pending.length === 0) {
      return result
    }
    const notes = this.pending
    this.pending = []
    return Effect.zipRight(Effect.forEach(notes, Effect.exit, { discard: true }), result)
  }
}
