// Written after sha256:d6e2974c5ae0e5ef of the same path
import * as Effect from "effect/Effect"

const yieldWithTimer: Effect.Effect<void> = Effect.callback<void>((resume) => {
  const handle = setTimeout(() => resume(Effect.void), 0)
  return Effect.sync(() => clearTimeout(handle))
})

/**
 * Yields to the event loop. `Effect.yieldNow` is not enough: the default scheduler may continue in a microtask. Where
 * `setImmediate` is missing, a timer takes its place, although it waits for at least a millisecond.
 */
export const yieldToEventLoop: Effect.Effect<void> = Effect.suspend(() =>
  typeof setImmediate === "function"
    ? Effect.callback<void>((resume) => {
        const handle = setImmediate(() => resume(Effect.void))
        return Effect.sync(() => clearImmediate(handle))
      })
    : yieldWithTimer
)

/**
 * Yields for a whole turn of the event loop, timers included. A single yield that follows an event of a socket or a file
 * continues before the timers.
 */
export const yieldForTurn: Effect.Effect<void> = Effect.andThen(yieldToEventLoop, yieldToEventLoop)
