import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Schedule from "effect/Schedule"
import type { FetchError } from "../../FliptError.js"
import { withRetryAfter } from "./schedules.js"

/** When to try again: the value of `Fetcher.RetryPolicy`. */
export type Policy = Schedule.Schedule<unknown, FetchError>

/** Makes again what is retryable, as the policy has it. Other errors pass the policy by. */
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
