/**
 * A timeout for silence instead of duration.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { FetchError } from "../../FliptError.js"
import { monotonicMillisOf } from "../util/monotonic.js"

/** Activity restarts the timer only after this share of the limit has passed since the last restart: one tenth. */
const RESTART_SHARE = 10

/**
 * Makes a timeout that fails after `limit` without activity. A new timer for each chunk would cost far more than the
 * chunk, so one timer serves them all: it restarts when it expires early, or when activity comes long after it began.
 */
export const makeIdleTimeout = (
  limit: Duration.Duration,
  onTimeout: () => FetchError
): Effect.Effect<{ readonly onActivity: () => void; readonly timeout: Effect.Effect<never, FetchError> }> =>
  Clock.clockWith((clock) =>
    Effect.sync(() => {
      const now = () => monotonicMillisOf(clock)
      const millis = Duration.toMillis(limit)
      const restart = Effect.unsafeMakeLatch()
      let activeAt = now()
      let startedAt = activeAt
      const timeout: Effect.Effect<never, FetchError> = Effect.suspend(() => {
        startedAt = now()
        restart.unsafeClose()
        const left = Math.ceil(activeAt + millis - startedAt)
        return left <= 0
          ? Effect.fail(onTimeout())
          : Effect.zipRight(Effect.raceFirst(Effect.sleep(left), restart.await), timeout)
      })
      const onActivity = () => {
        activeAt = now()
        if (activeAt - startedAt >= millis / RESTART_SHARE) {
          restart.unsafeOpen()
        }
      }
      return { onActivity, timeout }
    })
  )
