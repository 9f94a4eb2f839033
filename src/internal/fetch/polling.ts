/**
 * The Fetcher that polls a Flipt server.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type * as Auth from "../../Auth.js"
import type * as Fetcher from "../../Fetcher.js"
import type { FetchError, ValidationError } from "../../FliptError.js"
import { decodeFetcher, type FetcherSettings } from "../client/options.js"
import { Event } from "./event.js"
import { fetchOnce, makeServer } from "./request.js"
import { polls, withRetryAfter } from "./schedules.js"

/** A `Check` for every poll; none where the interval is infinite. */
export const checks = (interval: Duration.Duration): Stream.Stream<Fetcher.Event> =>
  Duration.isFinite(interval)
    ? Stream.fromSchedule(polls(interval)).pipe(
        Stream.filter((due) => due),
        Stream.map(() => Event.Check())
      )
    : Stream.never

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

/** What a Fetcher with these settings tells of itself. */
export const sourceOf = (
  kind: Fetcher.Source["kind"],
  { environment, namespace, url }: FetcherSettings
): Fetcher.Source => ({ kind, environment, namespace, url })

export const fromSettings = (
  settings: FetcherSettings,
  policy: Policy
): Effect.Effect<Fetcher.Service, never, HttpClient.HttpClient | Auth.Auth> =>
  Effect.gen(function* () {
    const server = yield* makeServer(settings)
    return {
      source: sourceOf("polling", settings),
      fetch: (loaded) => fetchOnce(server, loaded).pipe(retry(policy)),
      events: () => checks(settings.updateInterval)
    }
  })

export const make = (
  options: Fetcher.Options | undefined,
  policy: Policy
): Effect.Effect<Fetcher.Service, ValidationError, HttpClient.HttpClient | Auth.Auth> =>
  Effect.flatMap(decodeFetcher(options), (settings) => fromSettings(settings, policy))
