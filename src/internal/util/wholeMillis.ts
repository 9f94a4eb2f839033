import * as Duration from "effect/Duration"

/**
 * Rounds to whole milliseconds, for random waits. Timers are no finer, and at a fraction of a millisecond the TestClock of
 * Effect cannot give the nanoseconds of its time: it dies.
 */
export const wholeMillis = (duration: Duration.Duration): Duration.Duration =>
  Duration.millis(Math.round(Duration.toMillis(duration)))
