// Written after sha256:4822109965e92d33 of the same path
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
