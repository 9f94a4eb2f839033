/**
 * Sends requests, and follows their redirects.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FetchError } from "../../FliptError.js"
import { refusedResponse } from "../net/httpClient.js"
import { printable } from "../util/outsideText.js"
import { type Attempt, requestError, timeoutError, transportError } from "./errors.js"

/** A response, and the request that it answers: after redirects, the last one. */
export interface Exchange {
  readonly attempt: Attempt
  readonly response: HttpClientResponse.HttpClientResponse
}

const MAX_REDIRECTS = 5
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** A client whose responses are released with the Scope of their request. */
type ScopedClient = HttpClient.HttpClient.With<HttpClientError.HttpClientError, Scope.Scope>

const sendOnce = (
  client: ScopedClient,
  attempt: Attempt,
  timeout: Duration.Duration
): Effect.Effect<HttpClientResponse.HttpClientResponse, FetchError, Scope.Scope> =>
  client.get(attempt.url, { headers: attempt.headers }).pipe(
    // A client that fails on statuses, such as `filterStatusOk`, still provides the response.
    Effect.catchAll((error) => {
      const response = refusedResponse(error)
      return response === undefined
        ? Effect.fail(transportError(attempt, error, "no response"))
        : Effect.succeed(response)
    }),
    Effect.timeoutFail({ duration: timeout, onTimeout: () => timeoutError(attempt, timeout, "no response") })
  )

/** Sends a request and follows redirects within its origin, because credentials must not be sent to another. */
export const send = (
  client: ScopedClient,
  attempt: Attempt,
  timeout: Duration.Duration,
  redirects = 0
): Effect.Effect<Exchange, FetchError, Scope.Scope> =>
  Effect.flatMap(sendOnce(client, attempt, timeout), (response) => {
    const location = response.headers.location
    if (!REDIRECT_STATUSES.has(response.status) || location === undefined) {
      return Effect.succeed({ attempt, response })
    }
    const refuse = (problem: string) => {
      const { status } = response
      return Effect.fail(
        requestError(attempt, `status ${status}: ${problem}`, { reason: "Status", status, retryable: false })
      )
    }
    if (!URL.canParse(location, attempt.url)) {
      return refuse("the redirect has an invalid URL")
    }
    const target = new URL(location, attempt.url)
    if (target.protocol !== "http:" && target.protocol !== "https:") {
      return refuse(`the redirect leads to a ${target.protocol} URL, and only http and https URLs can be fetched`)
    }
    if (target.origin !== new URL(attempt.url).origin) {
      return refuse(
        `the redirect leads to another origin, ${printable(target.origin)}; set url to that origin if you trust it`
      )
    }
    if (target.username !== "" || target.password !== "") {
      return refuse("the redirect leads to a URL with a user or a password")
    }
    return redirects === MAX_REDIRECTS
      ? refuse(`more than ${MAX_REDIRECTS} redirects`)
      : send(client, { ...attempt, url: target.href }, timeout, redirects + 1)
  })
