/**
 * The `Retry-After` header (RFC 9110, section 10.2.3).
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** The longest delay that a server can impose. */
const MAX_RETRY_AFTER = Duration.minutes(5)

/** The preferred format of HTTP dates (RFC 9110, section 5.6.7). `Date.parse` alone accepts almost any text. */
const datePattern = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/** The delay that a header value asks for, or `undefined` if it is missing or malformed. */
export const parseRetryAfter = (value: string | undefined): Effect.Effect<Duration.Duration | undefined> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    if (value === undefined) {
      return undefined
    }
    const text = value.trim()
    const millis = /^\d+$/.test(text)
      ? Number(text) * 1000
      : datePattern.test(text)
        ? Date.parse(text) - now
        : Number.NaN
    return Number.isNaN(millis) ? undefined : Duration.min(Duration.millis(Math.max(0, millis)), MAX_RETRY_AFTER)
  })
