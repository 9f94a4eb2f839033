/**
 * Requests to a Flipt server: how they are made, and the one that asks for the snapshot.
 */
import type * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equivalence from "effect/Equivalence"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Fetcher from "../../Fetcher.js"
import { type AuthError, FetchError } from "../../FliptError.js"
import { readBody } from "./body.js"
import { type Attempt, makeRedactor, requestError, statusError, timeoutError, transportError } from "./errors.js"
import { Document, NotModified } from "./event.js"
import { requestHeaders, type Server, snapshotUrl } from "./server.js"

const MAX_REDIRECTS = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** A client that lets go of each connection when the Scope of its request ends. */
type ScopedClient = HttpClient.HttpClient.With<HttpClientError.HttpClientError, Scope.Scope>

/** What is asked for. */
export interface Inquiry {
  readonly url: string
  /** What the answer is to differ from. */
  readonly loaded: Option.Option<Fetcher.Version>
  /** How long to wait for the head of the answer. */
  readonly timeout: Duration.Duration
}

/** The head of an answer, and the request that got it. */
export interface Answer {
  readonly attempt: Attempt
  readonly response: HttpClientResponse.HttpClientResponse
}

const send = (
  client: ScopedClient,
  attempt: Attempt,
  timeout: Duration.Duration
): Effect.Effect<HttpClientResponse.HttpClientResponse, FetchError, Scope.Scope> =>
  client.execute(HttpClientRequest.get(attempt.url, { headers: attempt.headers })).pipe(
    // a client that takes statuses for failures still has the answer
    Effect.catchIf(
      (error) => error._tag === "ResponseError" && error.reason === "StatusCode",
      (error) => Effect.succeed((error as HttpClientError.ResponseError).response)
    ),
    Effect.mapError((error) => transportError(attempt, error, "no answer")),
    Effect.timeoutFail({ duration: timeout, onTimeout: () => timeoutError(attempt, timeout, "no answer") })
  )

/** Follows redirects within the origin: credentials are for that one. */
const sendFollowing = (
  client: ScopedClient,
  attempt: Attempt,
  timeout: Duration.Duration,
  redirects = 0
): Effect.Effect<Answer, FetchError, Scope.Scope> =>
  Effect.flatMap(send(client, attempt, timeout), (response) => {
    const location = response.headers.location
    if (!REDIRECTS.has(response.status) || location === undefined) {
      return Effect.succeed({ attempt, response })
    }
    const refuse = (problem: string) => {
      const { status } = response
      return Effect.fail(
        requestError(attempt, `status ${status}: ${problem}`, { reason: "Status", status, retryable: false })
      )
    }
    if (!URL.canParse(location, attempt.url)) {
      return refuse("the redirect leads to no URL")
    }
    const target = new URL(location, attempt.url)
    if (target.origin !== new URL(attempt.url).origin) {
      return refuse(`the redirect leads to another origin, ${target.origin}; set url to it if it is right`)
    }
    if (target.username !== "" || target.password !== "") {
      return refuse("the redirect leads to a URL with a user or a password")
    }
    return redirects === MAX_REDIRECTS
      ? refuse(`more than ${MAX_REDIRECTS} redirects`)
      : sendFollowing(client, { ...attempt, url: target.href }, timeout, redirects + 1)
  })

/** The headers that authenticate a request; a credential that does not come is one that cannot be had. */
const authorize = ({ auth, settings: { requestTimeout } }: Server): Effect.Effect<Headers.Headers, FetchError> => {
  const failed = (problem: string, cause?: AuthError) =>
    new FetchError({
      reason: "Auth",
      retryable: false,
      message: `no credential could be had: ${problem}`,
      ...(cause === undefined ? {} : { cause })
    })
  return Effect.mapError(auth.authorize, (cause) => failed(cause.message, cause)).pipe(
    Effect.timeoutFail({
      duration: requestTimeout,
      onTimeout: () => failed(`Auth gave none within ${Duration.format(requestTimeout)}`)
    })
  )
}

const sameHeaders = Record.getEquivalence(Equivalence.string)

/** One try, with these credentials. */
const tryWith = (
  { client, settings, warnPlainText }: Server,
  { loaded, timeout, url }: Inquiry,
  authorization: Headers.Headers
): Effect.Effect<Answer, FetchError, Scope.Scope> => {
  const headers = requestHeaders(settings, authorization, loaded)
  // an authorization may also come by the option headers
  const credentials: Readonly<Record<string, string>> =
    headers.authorization === undefined ? authorization : { ...authorization, authorization: headers.authorization }
  const hasCredential = Object.keys(credentials).length > 0
  const hasSecret = hasCredential || Object.values(settings.headers).some(Redacted.isRedacted)
  const sent = sendFollowing(
    // A poll is not part of anybody's trace, and headers in spans would show what is Redacted.
    HttpClient.withScope(HttpClient.withTracerDisabledWhen(client, () => true)),
    {
      settings,
      url,
      headers,
      hasCredential,
      redact: makeRedactor(settings, credentials)
    },
    timeout
  )
  return hasSecret ? Effect.zipRight(warnPlainText, sent) : sent
}

/**
 * The answer to a request, whatever its status, with the body to be read within the Scope. A credential that is refused
 * is given back, and where there is another one then, the request is made once more with it.
 */
export const execute = (server: Server, inquiry: Inquiry): Effect.Effect<Answer, FetchError, Scope.Scope> =>
  Effect.gen(function* () {
    const authorization = yield* authorize(server)
    const answer = yield* tryWith(server, inquiry, authorization)
    if (answer.response.status !== 401) {
      return answer
    }
    yield* Effect.timeoutOption(server.auth.invalidate(authorization), server.settings.requestTimeout)
    const renewed = yield* authorize(server)
    return sameHeaders(renewed, authorization) ? answer : yield* tryWith(server, inquiry, renewed)
  })

/** One conditional request for the snapshot, without retries. */
export const fetchSnapshot = (
  server: Server,
  loaded: Option.Option<Fetcher.Version>
): Effect.Effect<Fetcher.Update, FetchError> =>
  Effect.gen(function* () {
    const { settings } = server
    const { attempt, response } = yield* execute(server, {
      url: snapshotUrl(settings),
      loaded,
      timeout: settings.requestTimeout
    })
    if (response.status === 200) {
      const bytes = yield* readBody(attempt, response)
      const etag = response.headers.etag
      return Document({ bytes, version: etag === undefined || etag === "" ? Option.none() : Option.some(etag) })
    }
    // not every version can be sent: what was not asked is not answered
    const asked = attempt.headers["if-none-match"] !== undefined
    return response.status === 304 && asked ? NotModified() : yield* statusError(attempt, response)
  }).pipe(Effect.scoped)
