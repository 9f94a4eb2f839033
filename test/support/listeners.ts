/**
 * What a Fetcher's events are asked for with, where no client does.
 */
import * as Effect from "effect/Effect"
import type * as Fetcher from "../../src/Fetcher.js"

/** Has nothing loaded, and refreshes nothing. */
export const idle: Fetcher.Listener = {
  loaded: Effect.succeedNone,
  isPushed: Effect.succeed(false),
  isReady: Effect.succeed(false),
  refresh: Effect.succeed(false)
}

/** Has a version loaded, as the source has confirmed; refreshes nothing. */
export const upToDate: Fetcher.Listener = {
  ...idle,
  loaded: Effect.succeedSome("version"),
  isReady: Effect.succeed(true)
}
