/**
 * A map of entry clients: one per target, made on first use and closed after an idle time.
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
import { monotonicMillisOf } from "../util/monotonic.js"
import { decodeTargetArgument, type TargetSettings } from "../util/target.js"
import { MAX_SLEEP_MILLIS } from "../util/timers.js"
import { withoutParentSpan } from "../util/withoutParentSpan.js"

interface Entry {
  readonly client: Deferred.Deferred<FliptClient.Service, StartError>
  /** The number of users that have the client or wait for it. */
  users: number
  /** When the last user released the client, in milliseconds of the monotonic clock. */
  idleSince: number
}

const closed = () =>
  new EngineError({
    reason: "Closed",
    message: "the clients are closed: their scope has ended"
  })

/**
 * Each client runs in its own fiber with the context and fiber references of the caller of `make`, not of the first user:
 * a client outlives the request that it was made in.
 */
export const make = <R>(
  start: (target: TargetSettings) => Effect.Effect<FliptClient.Service, StartError, R | Scope.Scope>,
  idleTimeToLive: Duration.Duration
): Effect.Effect<FliptClients.Service, never, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.gen(function* () {
    const clients = new Map<string, Entry>()
    const clock = yield* Effect.clock
    const timeToLive = Duration.toMillis(idleTimeToLive)
    let isOpen = true
    const run = yield* FiberSet.makeRuntime<Exclude<R, Scope.Scope>, void, never>()
    // Added last and therefore run first: users that wait while the fibers end fail with the `Closed` error.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isOpen = false
      })
    )

    const now = () => monotonicMillisOf(clock)

    const open = (target: TargetSettings, key: string): Entry => {
      const client = Deferred.unsafeMake<FliptClient.Service, StartError>(FiberId.none)
      const entry: Entry = { client, users: 0, idleSince: now() }
      const complete = (exit: Exit.Exit<FliptClient.Service, StartError>) =>
        Deferred.unsafeDone(client, isOpen ? exit : Exit.fail(closed()))
      const forget = () => {
        if (clients.get(key) === entry) {
          clients.delete(key)
        }
      }
      const serve = Effect.flatMap(withoutParentSpan(start(target)), (service) => {
        complete(Exit.succeed(service))
        return Effect.never
      })
      const remaining = () => (entry.users > 0 ? timeToLive : entry.idleSince + timeToLive - now())
      /** One step, so that no user gets a client that is about to close. */
      const forgetIfIdle = () => {
        const isIdle = remaining() <= 0
        if (isIdle) {
          forget()
        }
        return isIdle
      }
      const idle = Effect.suspend(() => Effect.sleep(Duration.millis(Math.min(remaining(), MAX_SLEEP_MILLIS)))).pipe(
        Effect.repeat({ until: forgetIfIdle })
      )
      clients.set(key, entry)
      run(
        Effect.raceFirst(serve, idle).pipe(
          Effect.scoped,
          Effect.onError((cause) =>
            Effect.sync(() => {
              // A failed start is not cached: the next user retries.
              forget()
              complete(Exit.failCause(cause))
            })
          ),
          Effect.catchAllCause(() => Effect.void),
          Effect.interruptible
        )
      )
      return entry
    }

    const release = (entry: Entry) =>
      Effect.sync(() => {
        entry.users--
        entry.idleSince = now()
      })

    return {
      get: (target) =>
        Effect.flatMap(decodeTargetArgument(target), (decoded) =>
          Effect.uninterruptibleMask((restore) => {
            if (!isOpen) {
              return Effect.fail(closed())
            }
            const key = JSON.stringify([decoded.environment, decoded.namespace])
            const entry = clients.get(key) ?? open(decoded, key)
            entry.users++
            return restore(Deferred.await(entry.client)).pipe(
              Effect.onError(() => release(entry)),
              Effect.zipLeft(Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, release(entry))))
            )
          })
        )
    }
  })
