/**
 * Requests to a Flipt server: how they are made, and the one that asks for the snapshot.
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equivalence from "effect/Equivalence"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Auth from "../../Auth.js"
import type * as Fetcher from "../../Fetcher.js"
import { type AuthError, FetchError } from "../../FliptError.js"
import { type FetcherSettings, headerValuePattern } from "../client/options.js"
import { reveal } from "../util/reveal.js"
import { version } from "../util/version.js"
import { turn } from "../util/yieldToEventLoop.js"
import { type Attempt, failure, makeScrub, statusError, timeoutError, tooLarge, transportError } from "./errors.js"
import { Document, NotModified } from "./event.js"

/** The version of Flipt whose documents we understand: a v1 server leaves things out for older clients. */
const ACCEPTED_SERVER_VERSION = "1.47.0"

const MAX_REDIRECTS = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** How much longer than the wait for one chunk the whole body may take. */
const BODY_TIMEOUT_FACTOR = 10

/** Everything that the requests of one Fetcher have in common. */
export interface Server {
  readonly client: HttpClient.HttpClient
  readonly auth: Auth.Service
  readonly settings: FetcherSettings
  /** Said before a request with a credential. */
  readonly warnOfPlainText: Effect.Effect<void>
}

/** The loopback interface by its addresses and names (RFC 6761, section 6.3); URLs have one form for each address. */
const loopbackPattern = /^(?:(?:.+\.)?localhost\.?|127(?:\.\d{1,3}){3}|\[::1\])$/

/** Once at most: a credential that goes where anybody on the way can read it. */
const makeWarning = ({ url }: FetcherSettings): Effect.Effect<Effect.Effect<void>> => {
  const { host, hostname, protocol } = new URL(url)
  return protocol === "https:" || loopbackPattern.test(hostname)
    ? Effect.succeed(Effect.void)
    : Effect.once(
        Effect.logWarning(
          `Flipt: a credential is sent to ${host} over http: whoever is in between can read it and change every flag; ` +
            "set url to an https URL, and tlsConfig.caCertFile where an authority of your own signed its certificate"
        )
      )
}

export const makeServer = (
  settings: FetcherSettings
): Effect.Effect<Server, never, HttpClient.HttpClient | Auth.Auth> =>
  Effect.all({
    client: HttpClient.HttpClient,
    auth: Auth.Auth,
    settings: Effect.succeed(settings),
    warnOfPlainText: makeWarning(settings)
  })

/** Where the snapshot of a namespace is; every Flipt server has it there. */
export const snapshotUrl = (settings: FetcherSettings): string =>
  `${settings.url}/internal/v1/evaluation/snapshot/namespace/${encodeURIComponent(settings.namespace)}${
    settings.reference === undefined ? "" : `?reference=${encodeURIComponent(settings.reference)}`
  }`

/** The only digests that a stream can be asked to differ from (`digest: must be a 40-character string`). */
const digestPattern = /^[0-9a-f]{40}$/i

/** Where the stream of a namespace is: on Flipt v2 alone. */
export const streamUrl = (settings: FetcherSettings, loaded: Option.Option<Fetcher.Version>): string => {
  const { environment, namespace, url } = settings
  const digest = Option.filter(loaded, (version) => digestPattern.test(version))
  return `${url}/client/v2/environments/${encodeURIComponent(environment)}/namespaces/${encodeURIComponent(namespace)}/stream${
    Option.isSome(digest) ? `?digest=${digest.value}` : ""
  }`
}

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

/** Of the wait for one chunk: what comes sooner after the last one does not wind up the timer again. */
const REWIND_SHARE = 10

/**
 * Fails when there was silence for too long. One timer watches the whole body: to start another with each chunk takes
 * far more time than the chunk. It is wound up again when it runs out, or by a chunk that lets it wait for long.
 */
const makeWatch = (
  limit: Duration.Duration,
  onSilence: () => FetchError
): Effect.Effect<{ readonly hear: () => void; readonly silence: Effect.Effect<never, FetchError> }> =>
  Clock.clockWith((clock) =>
    Effect.sync(() => {
      // in milliseconds, by the clock that no correction of the time can turn
      const now = () => Number(clock.unsafeCurrentTimeNanos() / 1000n) / 1000
      const millis = Duration.toMillis(limit)
      const rewound = Effect.unsafeMakeLatch()
      let heardAt = now()
      let woundAt = heardAt
      const silence: Effect.Effect<never, FetchError> = Effect.suspend(() => {
        woundAt = now()
        rewound.unsafeClose()
        const left = Math.ceil(heardAt + millis - woundAt)
        return left <= 0
          ? Effect.fail(onSilence())
          : Effect.zipRight(Effect.raceFirst(Effect.sleep(left), rewound.await), silence)
      })
      const hear = () => {
        heardAt = now()
        if (heardAt - woundAt >= millis / REWIND_SHARE) {
          rewound.unsafeOpen()
        }
      }
      return { hear, silence }
    })
  )

/** After how much of a body others may run: what is in the system's buffers is read without a pause. */
const TURN_BYTES = 1024 * 1024

/** The chunks of a body, as long as they come in time and are not more than the limit. */
const readBody = (
  attempt: Attempt,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<ReadonlyArray<Uint8Array>, FetchError> =>
  Effect.gen(function* () {
    const { maxBodySize, requestTimeout } = attempt.settings
    const limit = Duration.times(requestTimeout, BODY_TIMEOUT_FACTOR)
    const { hear, silence } = yield* makeWatch(requestTimeout, () =>
      timeoutError(attempt, requestTimeout, "nothing more of the body came")
    )
    const chunks: Array<Uint8Array> = []
    let size = 0
    let turnedAt = 0
    yield* response.stream.pipe(
      // before anything runs it in a fiber of its own: what a fiber fails with is logged
      Stream.mapError((error) => transportError(attempt, error, "the body broke off")),
      Stream.runForEach((chunk) => {
        hear()
        chunks.push(chunk)
        size += chunk.length
        if (size > maxBodySize) {
          return Effect.fail(tooLarge(attempt))
        }
        if (size - turnedAt < TURN_BYTES) {
          return Effect.void
        }
        turnedAt = size
        return turn
      }),
      Effect.raceFirst(silence),
      Effect.timeoutFail({ duration: limit, onTimeout: () => timeoutError(attempt, limit, "the body did not end") })
    )
    return chunks
  })

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
  { client, settings, warnOfPlainText }: Server,
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
      scrub: makeScrub(settings, credentials)
    },
    timeout
  )
  return hasSecret ? Effect.zipRight(warnOfPlainText, sent) : sent
}

/**
 * The answer to a request, whatever its status, with the body to be read within the Scope. A credential that is refused
 * is given back, and where there is another one then, the request is made once more with it.
 */
export const ask = (server: Server, inquiry: Inquiry): Effect.Effect<Answer, FetchError, Scope.Scope> =>
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
export const fetchOnce = (
  server: Server,
  loaded: Option.Option<Fetcher.Version>
): Effect.Effect<Fetcher.Update, FetchError> =>
  Effect.gen(function* () {
    const { settings } = server
    const { attempt, response } = yield* ask(server, {
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
