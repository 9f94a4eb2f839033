/**
 * A lock that goes to whoever has waited longest. `Effect.makeSemaphore` promises no order: a fiber that releases a permit
 * and immediately takes one again gets it before the fibers that wait.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"

export interface FairLock {
  readonly withLock: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const make: Effect.Effect<FairLock> = Effect.sync(() => {
  type Turn = Deferred.Deferred<void>
  const waiting = new Set<Turn>()
  let holder: Turn | undefined

  const enter = (turn: Turn): Effect.Effect<void> => {
    if (holder === undefined) {
      holder = turn
      return Effect.void
    }
    waiting.add(turn)
    return Deferred.await(turn)
  }

  const leave = (turn: Turn): void => {
    waiting.delete(turn)
    if (holder === turn) {
      const [next] = waiting
      holder = next
      if (next !== undefined) {
        waiting.delete(next)
        Deferred.unsafeDone(next, Effect.void)
      }
    }
  }

  return {
    withLock: (effect) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const turn = Deferred.unsafeMake<void>(FiberId.none)
          return Effect.ensuring(
            Effect.zipRight(restore(enter(turn)), restore(effect)),
            Effect.sync(() => leave(turn))
          )
        })
      )
  }
})
