import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"

const yieldWithTimer: Effect.Effect<void> = Effect.yieldNow().pipe(Effect.withScheduler(Scheduler.timerBatched(0)))

/**
 * Yields to the event loop. `Effect.yieldNow` does not: the default scheduler continues in a microtask. Where
 * `setImmediate` is missing, a timer takes its place, although it waits for at least a millisecond.
 */
export const yieldToEventLoop: Effect.Effect<void> = Effect.suspend(() =>
  typeof setImmediate === "function"
    ? Effect.async<void>((resume) => {
        const handle = setImmediate(() => resume(Effect.void))
        return Effect.sync(() => clearImmediate(handle))
      })
    : yieldWithTimer
)

/**
 * Yields for a whole turn of the event loop, timers included. A single yield that follows an event of a socket or a file
 * continues before the timers.
 */
export const yieldForTurn: Effect.Effect<void> = Effect.zipRight(yieldToEventLoop, yieldToEventLoop)
