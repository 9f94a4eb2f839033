/**
 * One run of an effect at a time, shared by all who ask for it while it is under way.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Scope from "effect/Scope"

/**
 * Runs the effect in the Scope, so that nobody who stops waiting stops it for the others. When the Scope closes, all
 * who wait get `closed`; so does everyone who asks later.
 */
export const make = <A, E>(
  effect: Effect.Effect<A, E>,
  closed: E
): Effect.Effect<Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    let flight: Deferred.Deferred<A, E> | undefined
    let open = true
    const flights = yield* Scope.make()
    yield* Effect.addFinalizer((exit) =>
      Effect.suspend(() => {
        open = false
        return Scope.close(flights, exit)
      })
    )
    const start = (deferred: Deferred.Deferred<A, E>) =>
      Effect.interruptible(effect).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            flight = undefined
            Deferred.unsafeDone(deferred, open ? exit : Exit.fail(closed))
          })
        ),
        Effect.forkIn(flights)
      )
    return Effect.uninterruptibleMask((restore) => {
      if (!open) {
        return Effect.fail(closed)
      }
      if (flight !== undefined) {
        return restore(Deferred.await(flight))
      }
      const deferred = Deferred.unsafeMake<A, E>(FiberId.none)
      flight = deferred
      return Effect.zipRight(start(deferred), restore(Deferred.await(deferred)))
    })
  })
