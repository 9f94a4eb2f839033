/**
 * Listeners for a Fetcher's events, for tests without a client.
 */
import * as Effect from "effect/Effect"
import type * as Fetcher from "../../src/Fetcher.js"

/** Has loaded nothing. A refresh does nothing. */
export const idle: Fetcher.Listener = {
  loaded: Effect.succeedNone,
  isPushed: Effect.succeed(false),
  isReady: Effect.succeed(false),
  refresh: Effect.succeed(false)
}

/** Has loaded a version, which the source has confirmed. A refresh does nothing. */
export const upToDate: Fetcher.Listener = {
  ...idle,
  loaded: Effect.succeedSome("version"),
  isReady: Effect.succeed(true)
}
