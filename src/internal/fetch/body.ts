/**
 * Reads the body of a response within limits of size and time.
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { FetchError } from "../../FliptError.js"
import { yieldToEventLoop } from "../util/yieldToEventLoop.js"
import { type Attempt, bodyTooLargeError, timeoutError, transportError } from "./errors.js"
import { makeIdleTimeout } from "./idleTimeout.js"

/** The time limit for the whole body, as a multiple of the limit for one chunk. */
const BODY_TIMEOUT_FACTOR = 10

/** How much to read before yielding. Data in the system's buffers would otherwise be read without a pause. */
const YIELD_BYTES = 1024 * 1024

/** Reads a body as chunks. Fails if it is too large, or if a chunk or the whole body takes too long. */
export const readBody = (
  attempt: Attempt,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<ReadonlyArray<Uint8Array>, FetchError> =>
  Effect.gen(function* () {
    const { maxBodySize, requestTimeout } = attempt.settings
    const limit = Duration.times(requestTimeout, BODY_TIMEOUT_FACTOR)
    const { onActivity, timeout } = yield* makeIdleTimeout(requestTimeout, () =>
      timeoutError(attempt, requestTimeout, "no more data of the body arrived")
    )
    const chunks: Array<Uint8Array> = []
    let size = 0
    let yieldedAt = 0
    yield* response.stream.pipe(
      // First, because the runtime logs the failures of fibers that later operators fork.
      Stream.mapError((error) => transportError(attempt, error, "the connection failed while reading the body")),
      Stream.runForEach((chunk) => {
        onActivity()
        chunks.push(chunk)
        size += chunk.length
        if (size > maxBodySize) {
          return Effect.fail(bodyTooLargeError(attempt))
        }
        if (size - yieldedAt < YIELD_BYTES) {
          return Effect.void
        }
        yieldedAt = size
        return yieldToEventLoop
      }),
      Effect.raceFirst(timeout),
      Effect.timeoutFail({ duration: limit, onTimeout: () => timeoutError(attempt, limit, "the body did not end") })
    )
    return chunks
  })
