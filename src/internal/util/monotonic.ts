/**
 * Time that corrections of the system clock do not affect.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** The time of a clock, in milliseconds. */
export const monotonicMillisOf = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6

/** The time of the current clock, in milliseconds. */
export const monotonicMillis: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.sync(() => monotonicMillisOf(clock))
)
