/**
 * One conditional GET of a snapshot document, and what its answer means.
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Auth from "../Auth.js"
import type * as Fetcher from "../Fetcher.js"
import { FetchError } from "../FliptError.js"
import { classify } from "./cause.js"
import { Document, NotModified } from "./event.js"
import { type FetcherSettings, headerValuePattern } from "./options.js"
import { version } from "./version.js"

/** The version of Flipt whose documents we understand: a v1 server leaves things out for older clients. */
const ACCEPTED_SERVER_VERSION = "1.47.0"

const MAX_REDIRECTS = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const RETRYABLE: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** How much longer than the wait for one chunk the whole body may take. */
const BODY_TIMEOUT_FACTOR = 10
const MAX_RETRY_AFTER = Duration.minutes(5)
/** Of an error's body. */
const MAX_ERROR_BYTES = 16 * 1024
const MAX_ERROR_CHARACTERS = 300

/** Where the snapshot of a namespace is; every Flipt server has it there. */
export const snapshotUrl = (settings: FetcherSettings): string =>
  `${settings.url}/internal/v1/evaluation/snapshot/namespace/${encodeURIComponent(settings.namespace)}${
    settings.reference === undefined ? "" : `?reference=${encodeURIComponent(settings.reference)}`
  }`

const reveal = (value: string | Redacted.Redacted): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

const requestHeaders = (
  settings: FetcherSettings,
  authorization: Headers.Headers,
  loaded: Option.Option<Fetcher.Version>
): Headers.Headers =>
  Headers.fromInput({
    accept: "application/json",
    "user-agent": `flipt-client-effect/${version}`,
    "x-flipt-accept-server-version": ACCEPTED_SERVER_VERSION,
    "x-flipt-environment": settings.environment,
    ...Headers.fromInput(Object.entries(settings.headers).map(([name, value]) => [name, reveal(value)] as const)),
    ...authorization,
    // a digest that stands for a missing ETag can be any text
    ...Option.match(
      Option.filter(loaded, (version) => headerValuePattern.test(version)),
      {
        onNone: () => ({}),
        onSome: (version) => ({ "if-none-match": version })
      }
    )
  })

/** On one line, and without what could do something to a terminal. */
const fold = (text: string): string => text.replaceAll(/[\p{C}\s]+/gu, " ").trim()

const percentEncoded = (text: string): ReadonlyArray<string> => {
  const encoded = encodeURIComponent(text)
  return [encoded, encoded.replaceAll(/%../g, (code) => code.toLowerCase())]
}

/**
 * Takes every secret of a request out of a text: a server may repeat what it was sent, with blanks folded or encoded
 * for a URL. Of secrets that begin alike the longest goes first.
 */
const makeScrub = (
  settings: FetcherSettings,
  credentials: Readonly<Record<string, string>>
): ((text: string) => string) => {
  const secrets = [
    ...Object.values(settings.headers).flatMap((value) => (Redacted.isRedacted(value) ? [Redacted.value(value)] : [])),
    ...Object.values(credentials).flatMap((value) => [value, value.slice(value.indexOf(" ") + 1)])
  ]
    .flatMap((secret) => [secret, fold(secret), ...percentEncoded(secret)])
    .filter((secret) => secret !== "")
    .sort((a, b) => b.length - a.length)
  return (text) => secrets.reduce((result, secret) => result.replaceAll(secret, "<redacted>"), text)
}

/** The form of HTTP dates that servers send (RFC 9110, section 5.6.7); `Date.parse` alone sees a date in any text. */
const datePattern = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

const parseRetryAfter = (value: string | undefined): Effect.Effect<Duration.Duration | undefined> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    if (value === undefined) {
      return undefined
    }
    const text = value.trim()
    const millis = /^\d+$/.test(text)
      ? Number(text) * 1000
      : datePattern.test(text)
        ? Date.parse(text) - now
        : Number.NaN
    return Number.isNaN(millis) ? undefined : Duration.min(Duration.millis(Math.max(0, millis)), MAX_RETRY_AFTER)
  })

interface Attempt {
  readonly settings: FetcherSettings
  readonly url: string
  readonly headers: Headers.Headers
  readonly hasCredential: boolean
  readonly scrub: (text: string) => string
}

const failure = (
  attempt: Attempt,
  what: string,
  fields: Omit<ConstructorParameters<typeof FetchError>[0], "message">
): FetchError => new FetchError({ ...fields, message: attempt.scrub(`GET ${attempt.url}: ${what}`) })

const timeoutError = (attempt: Attempt, limit: Duration.Duration, what: string): FetchError =>
  failure(attempt, `${what} within ${Duration.format(limit)}; raise requestTimeout if the server is slow`, {
    reason: "Timeout",
    retryable: true
  })

const transportError = (attempt: Attempt, error: HttpClientError.HttpClientError, doing: string): FetchError => {
  const { code, hint, message, reason } = classify(error.cause ?? error.message)
  return failure(attempt, `${doing}: ${message}; ${hint}`, {
    reason,
    retryable: reason === "Network",
    // The errors themselves hold the request, or what was read from the connection, and with it the credentials.
    cause: Object.assign(new Error(attempt.scrub(message)), code === undefined ? {} : { code })
  })
}

const tooLarge = (attempt: Attempt): FetchError =>
  failure(attempt, `the body is larger than ${attempt.settings.maxBodySize} bytes; raise maxBodySize if it may be`, {
    reason: "TooLarge",
    retryable: false
  })

/** The chunks of a body, as long as they come in time and are not more than the limit. */
const readBody = (
  attempt: Attempt,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<ReadonlyArray<Uint8Array>, FetchError> => {
  const { maxBodySize, requestTimeout } = attempt.settings
  const limit = Duration.times(requestTimeout, BODY_TIMEOUT_FACTOR)
  return response.stream.pipe(
    Stream.mapError((error) => transportError(attempt, error, "the body broke off")),
    Stream.timeoutFail(() => timeoutError(attempt, requestTimeout, "nothing more of the body came"), requestTimeout),
    Stream.runFoldEffect({ chunks: [] as Array<Uint8Array>, size: 0 }, (body, chunk) => {
      body.chunks.push(chunk)
      body.size += chunk.length
      return body.size > maxBodySize ? Effect.fail(tooLarge(attempt)) : Effect.succeed(body)
    }),
    Effect.timeoutFail({ duration: limit, onTimeout: () => timeoutError(attempt, limit, "the body did not end") }),
    Effect.map((body) => body.chunks)
  )
}

/** What the server says of an error; nothing when it says nothing that can be read. */
const readErrorMessage = (attempt: Attempt, response: HttpClientResponse.HttpClientResponse): Effect.Effect<string> =>
  response.stream.pipe(
    Stream.runFoldWhile(
      { chunks: [] as Array<Uint8Array>, size: 0 },
      (body) => body.size < MAX_ERROR_BYTES,
      (body, chunk) => ({ chunks: [...body.chunks, chunk], size: body.size + chunk.length })
    ),
    Effect.timeout(attempt.settings.requestTimeout),
    Effect.map((body) => body.chunks),
    Effect.map((chunks) => {
      const decoder = new TextDecoder()
      const text = chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("")
      let message = text
      try {
        const body: unknown = JSON.parse(text)
        if (typeof body === "object" && body !== null && "message" in body && typeof body.message === "string") {
          message = body.message
        }
      } catch {
        // not Flipt's form of an error: a proxy's page, most likely
      }
      return attempt.scrub(fold(message)).slice(0, MAX_ERROR_CHARACTERS)
    }),
    Effect.orElseSucceed(() => "")
  )

const knownStatuses: {
  readonly [status: number]: { readonly reason: FetchError["reason"]; readonly hint: string } | undefined
} = {
  304: { reason: "Status", hint: "nothing was loaded yet that could be unmodified; a proxy may be at fault" },
  401: { reason: "Unauthorized", hint: "the credential was refused; check the authentication option" },
  403: { reason: "Forbidden", hint: "the credential may not read this namespace" },
  404: { reason: "NotFound", hint: "check url, environment and namespace" }
}

const statusError = (
  attempt: Attempt,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<never, FetchError> =>
  Effect.gen(function* () {
    const { status } = response
    const said = yield* readErrorMessage(attempt, response)
    const retryAfter = yield* parseRetryAfter(response.headers["retry-after"])
    const known = knownStatuses[status]
    const hint =
      (status === 401 || status === 403) && !attempt.hasCredential
        ? "no credential was sent; set the authentication option"
        : known?.hint
    const body = said === "" ? "" : ` (${said})`
    return yield* failure(attempt, `status ${status}${body}${hint === undefined ? "" : `; ${hint}`}`, {
      reason: known?.reason ?? "Status",
      status,
      retryable: RETRYABLE.has(status),
      ...(retryAfter === undefined ? {} : { retryAfter })
    })
  })

/** A client that lets go of each connection when the Scope of its request ends. */
type ScopedClient = HttpClient.HttpClient.With<HttpClientError.HttpClientError, Scope.Scope>

const send = (
  client: ScopedClient,
  attempt: Attempt
): Effect.Effect<HttpClientResponse.HttpClientResponse, FetchError, Scope.Scope> =>
  client.execute(HttpClientRequest.get(attempt.url, { headers: attempt.headers })).pipe(
    // a client that takes statuses for failures still has the answer
    Effect.catchIf(
      (error) => error._tag === "ResponseError" && error.reason === "StatusCode",
      (error) => Effect.succeed((error as HttpClientError.ResponseError).response)
    ),
    Effect.mapError((error) => transportError(attempt, error, "no answer")),
    Effect.timeoutFail({
      duration: attempt.settings.requestTimeout,
      onTimeout: () => timeoutError(attempt, attempt.settings.requestTimeout, "no answer")
    })
  )

/** Follows redirects within the origin: credentials are for that one. */
const sendFollowing = (
  client: ScopedClient,
  attempt: Attempt,
  redirects: number
): Effect.Effect<readonly [Attempt, HttpClientResponse.HttpClientResponse], FetchError, Scope.Scope> =>
  Effect.flatMap(send(client, attempt), (response) => {
    const location = response.headers.location
    if (!REDIRECTS.has(response.status) || location === undefined) {
      return Effect.succeed([attempt, response] as const)
    }
    const refuse = (problem: string) => {
      const { status } = response
      return Effect.fail(
        failure(attempt, `status ${status}: ${problem}`, { reason: "Status", status, retryable: false })
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
      : sendFollowing(client, { ...attempt, url: target.href }, redirects + 1)
  })

/** One conditional request, without retries. */
export const fetchOnce = (
  client: HttpClient.HttpClient,
  auth: Auth.Service,
  settings: FetcherSettings,
  loaded: Option.Option<Fetcher.Version>
): Effect.Effect<Fetcher.Update, FetchError> =>
  Effect.gen(function* () {
    const authorization = yield* Effect.mapError(
      auth.authorize,
      (cause) =>
        new FetchError({
          reason: "Auth",
          retryable: false,
          message: `no credential could be had: ${cause.message}`,
          cause
        })
    )
    const headers = requestHeaders(settings, authorization, loaded)
    // an authorization may also come by the option headers
    const credentials: Readonly<Record<string, string>> =
      headers.authorization === undefined ? authorization : { ...authorization, authorization: headers.authorization }
    const [attempt, response] = yield* sendFollowing(
      // A poll is not part of anybody's trace, and headers in spans would show what is Redacted.
      HttpClient.withScope(HttpClient.withTracerDisabledWhen(client, () => true)),
      {
        settings,
        url: snapshotUrl(settings),
        headers,
        hasCredential: Object.keys(credentials).length > 0,
        scrub: makeScrub(settings, credentials)
      },
      0
    )
    if (response.status === 200) {
      const bytes = yield* readBody(attempt, response)
      const etag = response.headers.etag
      return Document({ bytes, version: etag === undefined || etag === "" ? Option.none() : Option.some(etag) })
    }
    if (response.status === 304 && Option.isSome(loaded)) {
      return NotModified()
    }
    if (response.status === 401) {
      yield* auth.invalidate(authorization)
    }
    return yield* statusError(attempt, response)
  }).pipe(Effect.scoped)
