/**
 * Single flight: concurrent callers of an effect share one run.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Scope from "effect/Scope"

/**
 * Runs the effect in the surrounding Scope, so a caller that is interrupted does not interrupt the run for the others.
 * When the Scope closes, current and later callers fail with `closed`.
 */
export const make = <A, E>(
  effect: Effect.Effect<A, E>,
  closed: E
): Effect.Effect<Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    let inFlight: Deferred.Deferred<A, E> | undefined
    let open = true
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) =>
      Effect.suspend(() => {
        open = false
        return Scope.close(scope, exit)
      })
    )
    const start = (deferred: Deferred.Deferred<A, E>) =>
      Effect.interruptible(effect).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            inFlight = undefined
            Deferred.unsafeDone(deferred, open ? exit : Exit.fail(closed))
          })
        ),
        // The waiting fibers get the failure. If the fiber failed too, the runtime would log it as unhandled.
        Effect.exit,
        Effect.forkIn(scope)
      )
    return Effect.uninterruptibleMask((restore) => {
      if (!open) {
        return Effect.fail(closed)
      }
      if (inFlight !== undefined) {
        return restore(Deferred.await(inFlight))
      }
      const deferred = Deferred.unsafeMake<A, E>(FiberId.none)
      inFlight = deferred
      return Effect.zipRight(start(deferred), restore(Deferred.await(deferred)))
    })
  })
