/**
 * The Schedules of retries, polls and reconnects. Tests run them without waiting.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { FetchError, RefreshError } from "../../FliptError.js"
import { makeSchedule } from "../util/schedule.js"
import { MAX_SLEEP_MILLIS } from "../util/timers.js"
import { wholeMillis } from "../util/wholeMillis.js"

const BASE_DELAY = Duration.seconds(1)
const MAX_DELAY = Duration.seconds(30)
const RETRIES = 3

/** A random duration of whole milliseconds. */
export const randomDuration = (min: Duration.Duration, max: Duration.Duration): Effect.Effect<Duration.Duration> =>
  Effect.map(Random.nextRange(Duration.toMillis(min), Duration.toMillis(max)), (millis) =>
    wholeMillis(Duration.millis(millis))
  )

/** The default retry policy: three retries, exponential from one second, jittered, at most 30 seconds apart. */
export const retryPolicy: Schedule.Schedule<unknown, FetchError> = Schedule.intersect(
  Schedule.exponential(BASE_DELAY).pipe(
    Schedule.jittered,
    Schedule.modifyDelay((_, delay) => wholeMillis(Duration.min(delay, MAX_DELAY)))
  ),
  Schedule.recurs(RETRIES)
)

/** Extends the delays of a policy to at least what the server asked for with `Retry-After`, in whole milliseconds. */
export const withRetryAfter = (
  policy: Schedule.Schedule<unknown, FetchError>
): Schedule.Schedule<FetchError, FetchError> =>
  policy.pipe(
    Schedule.passthrough,
    Schedule.modifyDelay((error, delay) => wholeMillis(Duration.max(delay, error.retryAfter ?? Duration.zero)))
  )

/** How much an interval varies, as a share of itself, in either direction. */
const JITTER = 0.1

/**
 * The polls of one client: the first after a random part of the interval, then one per interval, slightly varied, so that
 * clients that start together do not poll together. Returns true when a poll is due, and false while a long interval
 * takes more than one sleep.
 */
export const pollSchedule = (interval: Duration.Duration): Schedule.Schedule<boolean> => {
  const millis = Duration.toMillis(interval)
  const first = Effect.map(Random.next, (random) => Math.round(random * millis))
  const later = Effect.map(Random.nextRange(1 - JITTER, 1 + JITTER), (factor) => Math.round(factor * millis))
  // The state is the remaining wait before the next poll: none at the start, zero after a poll.
  return makeSchedule(Option.none<number>(), (state) =>
    Option.match(state, {
      onNone: () => first,
      onSome: (left) => (left > 0 ? Effect.succeed(left) : later)
    }).pipe(
      Effect.map((wait) => {
        const delay = Math.min(wait, MAX_SLEEP_MILLIS)
        return { state: Option.some(wait - delay), output: delay === wait, delay }
      })
    )
  )
}

/** A stream that lasted this long was healthy: earlier failures no longer delay the next one. */
const HEALTHY_LIFETIME = Duration.minutes(1)

/** The longest delay after a healthy stream, as a share of its lifetime. */
const SHARE_OF_LIFETIME = 0.1

export interface StreamEnd {
  readonly error: RefreshError
  /** How long the stream was open, or none if the request before it failed. */
  readonly lifetime: Option.Option<Duration.Duration>
}

export const isHealthy = ({ lifetime }: StreamEnd): boolean =>
  Option.exists(lifetime, Duration.greaterThanOrEqualTo(HEALTHY_LIFETIME))

/**
 * The wait before the next stream is a random part of a delay, so that the clients of a restarted server do not all return
 * together. The delay doubles from one second to 30 seconds. Returns the number of consecutive unhealthy streams.
 *
 * After a healthy stream, the delay is a tenth of its lifetime, at most 30 seconds. A server restart ends the streams of
 * all clients in the same second, and a delay of one second would not spread them enough. With a proxy that ends every
 * stream after a minute, a client is still connected for at least 95 % of the time.
 */
export const reconnectSchedule: Schedule.Schedule<number, StreamEnd> = makeSchedule(
  0,
  (before: number, { error, lifetime }: StreamEnd) =>
    Effect.map(Random.next, (random) => {
      const healthy = Option.filter(lifetime, Duration.greaterThanOrEqualTo(HEALTHY_LIFETIME))
      const failures = Option.isSome(healthy) ? 0 : before
      const base = Option.match(healthy, {
        onNone: () => Duration.toMillis(BASE_DELAY) * 2 ** failures,
        onSome: (duration) => Duration.toMillis(duration) * SHARE_OF_LIFETIME
      })
      const maxWait = Math.min(base, Duration.toMillis(MAX_DELAY))
      const retryAfter = (error._tag === "FetchError" ? error.retryAfter : undefined) ?? Duration.zero
      const delay = Math.max(Math.round(random * maxWait), Duration.toMillis(retryAfter))
      return { state: failures + 1, output: failures, delay }
    })
)

const REPAIR_QUIET_MILLIS = 60_000

/**
 * The delays between requests that repair a state after bad frames: they double from one second to 30 seconds, and start
 * over after a minute without repairs.
 */
export const repairSchedule: Schedule.Schedule<unknown> = makeSchedule(
  { repairs: 0, at: Number.NEGATIVE_INFINITY },
  ({ at, repairs }, _, now) => {
    const before = now - at >= REPAIR_QUIET_MILLIS ? 0 : repairs
    const delay = Math.min(Duration.toMillis(BASE_DELAY) * 2 ** before, Duration.toMillis(MAX_DELAY))
    return Effect.succeed({ state: { repairs: before + 1, at: now + delay }, output: before, delay })
  }
)
