/**
 * Unconditional requests at long intervals. Some servers answer "not modified" although the state has changed, and only
 * such a request reveals it.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Fetcher from "../../Fetcher.js"
import type { FetchError } from "../../FliptError.js"
import { monotonicMillis } from "../util/monotonic.js"
import type { FetcherSettings } from "./options.js"

type Fetch = Fetcher.Service["fetch"]

const MIN_DEFAULT_INTERVAL = Duration.hours(1)
const DEFAULT_POLLS = 30

/** The time between unconditional requests, in milliseconds. */
const intervalMillis = ({ fullFetchInterval, updateInterval }: FetcherSettings): number =>
  fullFetchInterval === undefined
    ? Math.max(Duration.toMillis(MIN_DEFAULT_INTERVAL), DEFAULT_POLLS * Duration.toMillis(updateInterval))
    : Duration.toMillis(fullFetchInterval)

/** Makes a fetch unconditional if the last one that succeeded without a condition is `fullFetchInterval` ago. */
export const withFullFetches = (settings: FetcherSettings, fetch: Fetch): Effect.Effect<Fetch> =>
  Effect.map(monotonicMillis, (start): Fetch => {
    const interval = intervalMillis(settings)
    let lastFullAt = start
    return (loaded): Effect.Effect<Fetcher.Update, FetchError> =>
      Effect.flatMap(monotonicMillis, (now) => {
        const condition = now - lastFullAt >= interval ? Option.none() : loaded
        return Effect.map(fetch(condition), (update) => {
          if (Option.isNone(condition)) {
            lastFullAt = now
          }
          return update
        })
      })
  })
