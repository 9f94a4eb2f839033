/**
 * Makes authenticated requests to a Flipt server.
 */
import type * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equivalence from "effect/Equivalence"
import type * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Fetcher from "../../Fetcher.js"
import { type AuthError, FetchError } from "../../FliptError.js"
import { withoutSpans } from "../net/httpClient.js"
import { makeRedactor } from "./redaction.js"
import { type Exchange, send } from "./redirects.js"
import { requestHeaders, type Server } from "./server.js"

export interface RequestOptions {
  readonly url: string
  /** The version to send as `If-None-Match`. */
  readonly loaded: Option.Option<Fetcher.Version>
  /** The time limit for the head of the response. */
  readonly timeout: Duration.Duration
}

/** The headers that authenticate a request. Bounded in time, like the request itself. */
const authorize = ({ auth, settings: { requestTimeout } }: Server): Effect.Effect<Headers.Headers, FetchError> => {
  const failed = (problem: string, cause?: AuthError) =>
    new FetchError({
      reason: "Auth",
      retryable: false,
      message: `no credential is available: ${problem}`,
      ...(cause === undefined ? {} : { cause })
    })
  return Effect.mapError(auth.authorize, (cause) => failed(cause.message, cause)).pipe(
    Effect.timeoutFail({
      duration: requestTimeout,
      onTimeout: () => failed(`Auth did not provide one within ${Duration.format(requestTimeout)}`)
    })
  )
}

const sameHeaders = Record.getEquivalence(Equivalence.string)

/** Makes one request with the given credentials. */
const executeWith = (
  { client, proxySecrets, settings, warnPlainText }: Server,
  { loaded, timeout, url }: RequestOptions,
  authorization: Headers.Headers
): Effect.Effect<Exchange, FetchError, Scope.Scope> => {
  const headers = requestHeaders(settings, authorization, loaded)
  // The option `headers` may contain an authorization too.
  const credentials: Readonly<Record<string, string>> =
    headers.authorization === undefined ? authorization : { ...authorization, authorization: headers.authorization }
  const hasCredential = Object.keys(credentials).length > 0
  const hasSecret = hasCredential || Object.values(settings.headers).some(Redacted.isRedacted)
  const sent = send(
    // No spans: a poll belongs to no trace, and spans would show the headers, including those that are Redacted.
    HttpClient.withScope(withoutSpans(client)),
    {
      settings,
      url,
      headers,
      hasCredential,
      redactor: makeRedactor(settings, credentials, proxySecrets)
    },
    timeout
  )
  return hasSecret ? Effect.zipRight(warnPlainText, sent) : sent
}

/** Other statuses can come from a proxy, or precede the check of the credential. */
const reportAccepted = (
  { auth }: Server,
  authorization: Headers.Headers,
  exchange: Exchange
): Effect.Effect<Exchange> =>
  auth.accepted !== undefined && (exchange.response.status === 200 || exchange.response.status === 304)
    ? Effect.as(auth.accepted(authorization), exchange)
    : Effect.succeed(exchange)

/**
 * Makes a request and returns the response, whatever its status. The body can be read within the Scope. If the server
 * refuses the credential, the request is repeated once, provided that Auth supplies another credential.
 */
export const execute = (server: Server, options: RequestOptions): Effect.Effect<Exchange, FetchError, Scope.Scope> =>
  Effect.gen(function* () {
    const authorization = yield* authorize(server)
    const exchange = yield* executeWith(server, options, authorization)
    if (exchange.response.status !== 401) {
      return yield* reportAccepted(server, authorization, exchange)
    }
    yield* Effect.timeoutOption(server.auth.invalidate(authorization), server.settings.requestTimeout)
    const renewed = yield* authorize(server)
    return sameHeaders(renewed, authorization)
      ? exchange
      : yield* Effect.flatMap(executeWith(server, options, renewed), (repeated) =>
          reportAccepted(server, renewed, repeated)
        )
  })
