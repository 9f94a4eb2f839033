import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { FetchError } from "../../FliptError.js"
import { yieldToEventLoop } from "../util/yieldToEventLoop.js"
import { type Attempt, bodyTooLargeError, timeoutError, transportError } from "./errors.js"

/** How much longer than the wait for one chunk the whole body may take. */
export const BODY_TIMEOUT_FACTOR = 10

/** Of the wait for one chunk: what comes sooner after the last one does not wind up the timer again. */
export const REWIND_SHARE = 10

/**
 * Fails when there was silence for too long. One timer watches the whole body: to start another with each chunk takes
 * far more time than the chunk. It is wound up again when it runs out, or by a chunk that lets it wait for long.
 */
export const makeWatch = (
  limit: Duration.Duration,
  onSilence: () => FetchError
): Effect.Effect<{ readonly hear: () => void; readonly silence: Effect.Effect<never, FetchError> }> =>
  Clock.clockWith((clock) =>
    Effect.sync(() => {
      // in milliseconds, by the clock that no correction of the time can turn
      const now = () => Number(clock.unsafeCurrentTimeNanos() / 1000n) / 1000
      const millis = Duration.toMillis(limit)
      const rewound = Effect.unsafeMakeLatch()
      let heardAt = now()
      let woundAt = heardAt
      const silence: Effect.Effect<never, FetchError> = Effect.suspend(() => {
        woundAt = now()
        rewound.unsafeClose()
        const left = Math.ceil(heardAt + millis - woundAt)
        return left <= 0
          ? Effect.fail(onSilence())
          : Effect.zipRight(Effect.raceFirst(Effect.sleep(left), rewound.await), silence)
      })
      const hear = () => {
        heardAt = now()
        if (heardAt - woundAt >= millis / REWIND_SHARE) {
          rewound.unsafeOpen()
        }
      }
      return { hear, silence }
    })
  )

/** After how much of a body others may run: what is in the system's buffers is read without a pause. */
export const TURN_BYTES = 1024 * 1024

/** The chunks of a body, as long as they come in time and are not more than the limit. */
export const readBody = (
  attempt: Attempt,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<ReadonlyArray<Uint8Array>, FetchError> =>
  Effect.gen(function* () {
    const { maxBodySize, requestTimeout } = attempt.settings
    const limit = Duration.times(requestTimeout, BODY_TIMEOUT_FACTOR)
    const { hear, silence } = yield* makeWatch(requestTimeout, () =>
      timeoutError(attempt, requestTimeout, "nothing more of the body came")
    )
    const chunks: Array<Uint8Array> = []
    let size = 0
    let turnedAt = 0
    yield* response.stream.pipe(
      // before anything runs it in a fiber of its own: what a fiber fails with is logged
      Stream.mapError((error) => transportError(attempt, error, "the body broke off")),
      Stream.runForEach((chunk) => {
        hear()
        chunks.push(chunk)
        size += chunk.length
        if (size > maxBodySize) {
          return Effect.fail(bodyTooLargeError(attempt))
        }
        if (size - turnedAt < TURN_BYTES) {
          return Effect.void
        }
        turnedAt = size
        return yieldToEventLoop
      }),
      Effect.raceFirst(silence),
      Effect.timeoutFail({ duration: limit, onTimeout: () => timeoutError(attempt, limit, "the body did not end") })
    )
    return chunks
  })
