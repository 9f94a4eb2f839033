/**
 * An HttpClient without a network, for tests that span minutes or hours on the TestClock.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { awhile } from "./wait.js"

/** Answers each request with a function of its URL and `If-None-Match`. */
export const layer = (answer: (url: URL, known: string | undefined) => Response): Layer.Layer<HttpClient.HttpClient> =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.sync(() => HttpClientResponse.fromWeb(request, answer(url, request.headers["if-none-match"])))
    )
  )

/** Lets time pass in steps. After each step the event loop turns, because bodies of responses are read asynchronously. */
export const pass = (steps: number, step: "1 seconds" | "30 seconds"): Effect.Effect<void> =>
  Effect.replicateEffect(Effect.zipRight(TestClock.adjust(step), awhile), steps, { discard: true })
