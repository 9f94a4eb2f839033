import * as Duration from "effect/Duration"

/**
 * Rounds to whole milliseconds, for random waits. Timers are no finer, and Effect's TestClock dies at a fraction of a
 * millisecond, because it cannot convert it to nanoseconds.
 */
export const wholeMillis = (duration: Duration.Duration): Duration.Duration =>
  Duration.millis(Math.round(Duration.toMillis(duration)))
