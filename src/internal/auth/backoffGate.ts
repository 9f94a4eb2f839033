/**
 * What may be done at once, but not again and again.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"

/**
 * Gives true the first time, and then false until the schedule's next delay is over, counted from the last true. Starts
 * anew when nobody has asked for the quiet time.
 */
export const make = (schedule: Schedule.Schedule<unknown>, quiet: Duration.Duration): Effect.Effect<boolean> => {
  const quietMillis = Duration.toMillis(quiet)
  let state = schedule.initial
  let opensAt = Number.NEGATIVE_INFINITY
  let askedAt = Number.NEGATIVE_INFINITY
  return Effect.flatMap(Clock.currentTimeMillis, (now) => {
    // a clock that was set back tells no delays
    if (now - askedAt >= quietMillis || now < askedAt) {
      state = schedule.initial
      opensAt = now
    }
    askedAt = now
    return now < opensAt
      ? Effect.succeed(false)
      : Effect.map(schedule.step(now, undefined, state), ([next, , decision]) => {
          state = next
          opensAt = ScheduleDecision.isDone(decision)
            ? Number.POSITIVE_INFINITY
            : ScheduleIntervals.start(decision.intervals)
          return true
        })
  })
}
