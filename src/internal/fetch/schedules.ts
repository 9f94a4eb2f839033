/**
 * When things are done again, as Schedules: data that can also be run without waiting.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleInterval from "effect/ScheduleInterval"
import type { FetchError, RefreshError } from "../../FliptError.js"
import { MAX_SLEEP_MILLIS } from "../util/timers.js"

const BASE_DELAY = Duration.seconds(1)
const MAX_DELAY = Duration.seconds(30)
const RETRIES = 3

/** Three retries, exponential from a second, jittered, none later than half a minute. */
export const retryPolicy: Schedule.Schedule<unknown, FetchError> = Schedule.exponential(BASE_DELAY).pipe(
  Schedule.jittered,
  Schedule.modifyDelay((_, delay) => Duration.min(delay, MAX_DELAY)),
  Schedule.intersect(Schedule.recurs(RETRIES))
)

/** A policy whose every delay is at least what the server asked for. */
export const withRetryAfter = (
  policy: Schedule.Schedule<unknown, FetchError>
): Schedule.Schedule<FetchError, FetchError> =>
  policy.pipe(
    Schedule.passthrough,
    Schedule.modifyDelay((error, delay) => Duration.max(delay, error.retryAfter ?? Duration.zero))
  )

/** By how much of itself an interval varies, either way. */
const JITTER = 0.1

/**
 * The polls of one client: the first after a random part of the interval, and then one an interval, each varied a
 * little, so that clients which start together do not ask together. Gives true when a poll is due; false where a long
 * interval takes more than one sleep.
 */
export const pollSchedule = (interval: Duration.Duration): Schedule.Schedule<boolean> => {
  const millis = Duration.toMillis(interval)
  const first = Effect.map(Random.next, (random) => random * millis)
  const later = Effect.map(Random.nextRange(1 - JITTER, 1 + JITTER), (factor) => factor * millis)
  // The state is what is left to wait before the next poll: none at the start, nothing after a poll.
  return Schedule.makeWithState(Option.none<number>(), (now, _, state) =>
    Option.match(state, {
      onNone: () => first,
      onSome: (left) => (left > 0 ? Effect.succeed(left) : later)
    }).pipe(
      Effect.map((wait) => {
        const sleep = Math.min(wait, MAX_SLEEP_MILLIS)
        const decision = ScheduleDecision.continueWith(ScheduleInterval.after(now + sleep))
        return [Option.some(wait - sleep), sleep === wait, decision] as const
      })
    )
  )
}

/** A stream that lived this long was well: the next one is not held back for what went before. */
const HEALTHY = Duration.minutes(1)

/** Over which part of its life the next stream after a healthy one is put off, at most. */
const PART_OF_LIFE = 0.1

/** How a stream ended. */
export interface StreamEnd {
  readonly error: RefreshError
  /** How long it lived; none where even the request before it failed. */
  readonly lifetime: Option.Option<Duration.Duration>
}

/**
 * When the next stream is opened: after a random part of a delay, so that the clients of a server that comes back do
 * not come all at once. The delay doubles from one second to half a minute. After a healthy stream it is a tenth of
 * what that one lived, up to half a minute too: a restart ends the streams of all clients in the same second, and a
 * second would not part them, while a proxy that ends each every minute costs no more than a twentieth of the time.
 * Gives the number of streams that were not well.
 */
export const reconnectSchedule: Schedule.Schedule<number, StreamEnd> = Schedule.makeWithState(
  0,
  (now, { error, lifetime }, before) =>
    Effect.map(Random.next, (random) => {
      const healthy = Option.filter(lifetime, Duration.greaterThanOrEqualTo(HEALTHY))
      const ended = Option.isSome(healthy) ? 0 : before
      const delay = Option.match(healthy, {
        onNone: () => Duration.toMillis(BASE_DELAY) * 2 ** ended,
        onSome: (life) => Duration.toMillis(life) * PART_OF_LIFE
      })
      const most = Math.min(delay, Duration.toMillis(MAX_DELAY))
      const asked = (error._tag === "FetchError" ? error.retryAfter : undefined) ?? Duration.zero
      const wait = Math.max(random * most, Duration.toMillis(asked))
      return [ended + 1, ended, ScheduleDecision.continueWith(ScheduleInterval.after(now + wait))] as const
    })
)
