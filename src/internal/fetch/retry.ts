/**
 * Retries of requests.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Schedule from "effect/Schedule"
import type { FetchError } from "../../FliptError.js"
import { withRetryAfter } from "./schedules.js"

/** The type of `Fetcher.RetryPolicy`. */
export type Policy = Schedule.Schedule<unknown, FetchError>

/** Retries errors that are `retryable`, by the policy. Other errors fail immediately and never reach the policy. */
export const retry =
  (policy: Policy) =>
  <A>(fetch: Effect.Effect<A, FetchError>): Effect.Effect<A, FetchError> =>
    Effect.map(fetch, Either.right).pipe(
      Effect.tapError((error) => (error.retryable ? Effect.logDebug(`Flipt: ${error.message}`) : Effect.void)),
      Effect.catchIf(
        (error) => !error.retryable,
        (error) => Effect.succeed(Either.left(error))
      ),
      Effect.retry(withRetryAfter(policy)),
      Effect.flatten
    )
