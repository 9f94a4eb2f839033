import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"

export const capped = (base: Duration.Duration, max: Duration.Duration): Schedule.Schedule<unknown> =>
  Schedule.exponential(base).pipe(
    Schedule.jittered,
    Schedule.modifyDelay((_, delay) => Duration.min(delay, max))
  )

/** When a credential that could not be renewed is renewed again: exponential from a second to a minute, jittered. */
export const renewals: Schedule.Schedule<unknown> = capped(Duration.seconds(1), Duration.minutes(1))

/** How long refusals go without an answer where new credentials are refused too. */
export const MAX_REFUSAL_DELAY = Duration.minutes(10)

/**
 * How soon a credential is renewed because it was refused, after the last one that was: exponential, jittered. A server
 * that refuses for good would otherwise send us to the identity provider at every poll.
 */
export const refusals: Schedule.Schedule<unknown> = capped(Duration.seconds(5), MAX_REFUSAL_DELAY)
