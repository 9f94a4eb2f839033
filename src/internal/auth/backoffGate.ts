/**
 * Limits how often an action may run. The first time it may run immediately, then with back-off.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import { makeSteps } from "../util/schedule.js"

export interface BackoffGate {
  /** Whether the action may run now. */
  readonly tryPass: Effect.Effect<boolean>
  /** Ends the back-off, because the action has helped. */
  readonly reset: () => void
}

/**
 * `tryPass` returns true the first time, then false until the next delay of the schedule has passed since the last true.
 * The back-off starts over if nobody has asked for `resetAfter`. After a reset, the action may run again once
 * `minInterval` has passed since it last ran.
 */
export const make = (
  schedule: Schedule.Schedule<unknown>,
  { minInterval, resetAfter }: { readonly minInterval: Duration.Duration; readonly resetAfter: Duration.Duration }
): BackoffGate => {
  const resetAfterMillis = Duration.toMillis(resetAfter)
  const steps = makeSteps(schedule)
  let opensAt = Number.NEGATIVE_INFINITY
  let passedAt = Number.NEGATIVE_INFINITY
  let calledAt = Number.NEGATIVE_INFINITY
  return {
    tryPass: Effect.flatMap(Clock.currentTimeMillis, (now) => {
      // If the clock was set back, the elapsed time is unknown.
      if (now - calledAt >= resetAfterMillis || now < calledAt) {
        steps.reset()
        opensAt = now
      }
      calledAt = now
      return now < opensAt
        ? Effect.succeed(false)
        : Effect.map(steps.next(now), (delay) => {
            passedAt = now
            opensAt = now + Option.getOrElse(delay, () => Number.POSITIVE_INFINITY)
            return true
          })
    }),
    reset: () => {
      steps.reset()
      opensAt = Math.min(opensAt, passedAt + Duration.toMillis(minInterval))
    }
  }
}
