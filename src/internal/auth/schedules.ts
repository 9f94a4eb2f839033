/**
 * When credentials are renewed after a failure or a refusal.
 */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import { wholeMillis } from "../util/wholeMillis.js"

const cappedExponential = (base: Duration.Duration, max: Duration.Duration): Schedule.Schedule<unknown> =>
  Schedule.exponential(base).pipe(
    Schedule.jittered,
    Schedule.modifyDelay((_, delay) => wholeMillis(Duration.min(delay, max)))
  )

/** The delays after a failed renewal: exponential from one second to one minute, jittered. */
export const renewalSchedule: Schedule.Schedule<unknown> = cappedExponential(Duration.seconds(1), Duration.minutes(1))

/** The longest delay between renewals that refusals cause. */
export const MAX_REFUSAL_DELAY = Duration.minutes(10)

/**
 * The delays between renewals that refusals cause: exponential, jittered. Without them, a server that always refuses
 * would make the client contact the identity provider at every poll.
 */
export const refusalSchedule: Schedule.Schedule<unknown> = cappedExponential(Duration.seconds(5), MAX_REFUSAL_DELAY)
