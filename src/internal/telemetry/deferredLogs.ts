/**
 * Log effects from synchronous evaluations, which cannot log themselves. They run after the evaluation.
 */
import * as Effect from "effect/Effect"

export class DeferredLogs {
  private pending: Array<Effect.Effect<void>> = []

  add(log: Effect.Effect<void>): void {
    this.pending.push(log)
  }

  /** Runs the pending logs, then returns the result. A logger that throws does not affect it. */
  flushBefore<A, E>(result: Effect.Effect<A, E>): Effect.Effect<A, E> {
    if (this.pending.length === 0) {
      return result
    }
    const logs = this.pending
    this.pending = []
    return Effect.zipRight(Effect.forEach(logs, Effect.exit, { discard: true }), result)
  }
}
