/**
 * Limits how often an action may run. The first time it may run immediately, then with back-off.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"

/**
 * Returns whether the action may run now: true the first time, then false until the next delay of the schedule has
 * passed since the last true. Starts over if nobody has asked for `resetAfter`.
 */
export const make = (schedule: Schedule.Schedule<unknown>, resetAfter: Duration.Duration): Effect.Effect<boolean> => {
  const resetAfterMillis = Duration.toMillis(resetAfter)
  let state = schedule.initial
  let opensAt = Number.NEGATIVE_INFINITY
  let calledAt = Number.NEGATIVE_INFINITY
  return Effect.flatMap(Clock.currentTimeMillis, (now) => {
    // If the clock was set back, the elapsed time is unknown.
    if (now - calledAt >= resetAfterMillis || now < calledAt) {
      state = schedule.initial
      opensAt = now
    }
    calledAt = now
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
