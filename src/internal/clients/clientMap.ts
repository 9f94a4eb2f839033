/**
 * Clients that are shared: one a target, made when it is first asked for, and closed when nobody has used it for a while.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import type * as FliptClient from "../../FliptClient.js"
import type * as FliptClients from "../../FliptClients.js"
import { EngineError, type StartError } from "../../FliptError.js"
import { decodeTargetArgument, type TargetSettings } from "../util/target.js"
import { MAX_SLEEP_MILLIS } from "../util/timers.js"

interface Shared {
  readonly client: Deferred.Deferred<FliptClient.Service, StartError>
  /** Who has it, or waits for it. */
  users: number
  /** When the last user left, in milliseconds. */
  idleSince: number
}

const closed = () =>
  new EngineError({
    reason: "Closed",
    message: "the clients are closed: the scope that they were made in is over"
  })

/**
 * Each client is one fiber, which starts with the context and the fiber references of whoever made this, and not of
 * who happens to ask first: a client outlives the request that it was made in.
 */
export const make = <R>(
  start: (target: TargetSettings) => Effect.Effect<FliptClient.Service, StartError, R | Scope.Scope>,
  idleTimeToLive: Duration.Duration
): Effect.Effect<FliptClients.Service, never, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.gen(function* () {
    const clients = new Map<string, Shared>()
    const clock = yield* Effect.clock
    const patience = Duration.toMillis(idleTimeToLive)
    let isOpen = true
    const run = yield* FiberSet.makeRuntime<Exclude<R, Scope.Scope>, void, never>()
    // Added last and so run first: who waits while the fibers end is told why.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isOpen = false
      })
    )

    // a clock that is set changes nothing
    const now = () => Number(clock.unsafeCurrentTimeNanos()) / 1e6

    const open = (target: TargetSettings, key: string): Shared => {
      const client = Deferred.unsafeMake<FliptClient.Service, StartError>(FiberId.none)
      const shared: Shared = { client, users: 0, idleSince: now() }
      const settle = (exit: Exit.Exit<FliptClient.Service, StartError>) =>
        Deferred.unsafeDone(client, isOpen ? exit : Exit.fail(closed()))
      const forget = () => {
        if (clients.get(key) === shared) {
          clients.delete(key)
        }
      }
      const serve = Effect.flatMap(start(target), (service) => {
        settle(Exit.succeed(service))
        return Effect.never
      })
      const left = () => (shared.users > 0 ? patience : shared.idleSince + patience - now())
      /** In one step, so that nobody gets a client that is about to close. */
      const forgetIfIdle = () => {
        const isIdle = left() <= 0
        if (isIdle) {
          forget()
        }
        return isIdle
      }
      const idle = Effect.suspend(() => Effect.sleep(Duration.millis(Math.min(left(), MAX_SLEEP_MILLIS)))).pipe(
        Effect.repeat({ until: forgetIfIdle })
      )
      clients.set(key, shared)
      run(
        Effect.raceFirst(serve, idle).pipe(
          Effect.scoped,
          Effect.onError((cause) =>
            Effect.sync(() => {
              // A start that failed is not remembered.
              forget()
              settle(Exit.failCause(cause))
            })
          ),
          Effect.catchAllCause(() => Effect.void),
          Effect.interruptible
        )
      )
      return shared
    }

    const leave = (shared: Shared) =>
      Effect.sync(() => {
        shared.users--
        shared.idleSince = now()
      })

    return {
      get: (target) =>
        Effect.flatMap(decodeTargetArgument(target), (decoded) =>
          Effect.uninterruptibleMask((restore) => {
            if (!isOpen) {
              return Effect.fail(closed())
            }
            const key = JSON.stringify([decoded.environment, decoded.namespace])
            const shared = clients.get(key) ?? open(decoded, key)
            shared.users++
            return restore(Deferred.await(shared.client)).pipe(
              Effect.onError(() => leave(shared)),
              Effect.zipLeft(Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, leave(shared))))
            )
          })
        )
    }
  })
