import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"

const byTimer: Effect.Effect<void> = Effect.yieldNow().pipe(Effect.withScheduler(Scheduler.timerBatched(0)))

/**
 * Lets the event loop turn: the default scheduler runs what follows a yield in a microtask. A timer waits for a
 * millisecond at least, which adds up over a large document, so it is for platforms that have nothing else.
 */
export const turn: Effect.Effect<void> = Effect.suspend(() =>
  typeof setImmediate === "function"
    ? Effect.async<void>((resume) => {
        const handle = setImmediate(() => resume(Effect.void))
        return Effect.sync(() => clearImmediate(handle))
      })
    : byTimer
)
