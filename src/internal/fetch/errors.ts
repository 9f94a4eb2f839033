/**
 * How a request can fail: each failure as a FetchError that says what happened, to what, and what to do, and shows no
 * secret.
 */
import type * as Headers from "@effect/platform/Headers"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { FetchError } from "../../FliptError.js"
import { classify } from "../net/transportError.js"
import type { FetcherSettings } from "./options.js"

const RETRYABLE: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

const MAX_RETRY_AFTER = Duration.minutes(5)
/** Of an error's body. */
const MAX_ERROR_BYTES = 16 * 1024
const MAX_ERROR_CHARACTERS = 300

/** On one line, and without what could do something to a terminal. */
const fold = (text: string): string => text.replaceAll(/[\p{C}\s]+/gu, " ").trim()

const percentEncoded = (text: string): ReadonlyArray<string> => {
  const encoded = encodeURIComponent(text)
  return [encoded, encoded.replaceAll(/%../g, (code) => code.toLowerCase())]
}

/**
 * Takes every secret of a request out of a text: a server may repeat what it was sent, with blanks folded, encoded for
 * a URL, or escaped in JSON. Of secrets that begin alike the longest goes first.
 */
export const makeRedactor = (
  settings: FetcherSettings,
  credentials: Readonly<Record<string, string>>
): ((text: string) => string) => {
  const secrets = [
    ...Object.values(settings.headers).flatMap((value) => (Redacted.isRedacted(value) ? [Redacted.value(value)] : [])),
    ...Object.values(credentials).flatMap((value) => [value, value.slice(value.indexOf(" ") + 1)])
  ]
    .flatMap((secret) => [secret, fold(secret), JSON.stringify(secret).slice(1, -1), ...percentEncoded(secret)])
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

/** A request as it is made, and what its errors need to know of it. */
export interface Attempt {
  readonly settings: FetcherSettings
  readonly url: string
  readonly headers: Headers.Headers
  readonly hasCredential: boolean
  readonly redact: (text: string) => string
}

export const requestError = (
  attempt: Attempt,
  what: string,
  fields: Omit<ConstructorParameters<typeof FetchError>[0], "message">
): FetchError => new FetchError({ ...fields, message: attempt.redact(`GET ${attempt.url}: ${what}`) })

export const timeoutError = (attempt: Attempt, limit: Duration.Duration, what: string): FetchError =>
  requestError(attempt, `${what} within ${Duration.format(limit)}; raise requestTimeout if the server is slow`, {
    reason: "Timeout",
    retryable: true
  })

export const transportError = (attempt: Attempt, error: HttpClientError.HttpClientError, doing: string): FetchError => {
  const { code, hint, message, reason } = classify(error.cause ?? error.message)
  return requestError(attempt, `${doing}: ${message}; ${hint}`, {
    reason,
    retryable: reason === "Network",
    // The errors themselves hold the request, or what was read from the connection, and with it the credentials.
    cause: Object.assign(new Error(attempt.redact(message)), code === undefined ? {} : { code })
  })
}

export const bodyTooLargeError = (attempt: Attempt): FetchError =>
  requestError(
    attempt,
    `the body is larger than ${attempt.settings.maxBodySize} bytes; raise maxBodySize if it may be`,
    {
      reason: "TooLarge",
      retryable: false
    }
  )

const messageIn = (body: unknown): string | undefined =>
  typeof body !== "object" || body === null
    ? undefined
    : "message" in body && typeof body.message === "string"
      ? body.message
      : "error" in body
        ? messageIn(body.error)
        : undefined

/** The message in the body of an error; its text where it is not Flipt's form: a proxy's page, most likely. */
export const serverMessage = (attempt: Attempt, body: ReadonlyArray<Uint8Array>): string => {
  const decoder = new TextDecoder()
  let text = ""
  for (let i = 0; i < body.length && text.length < MAX_ERROR_BYTES; i++) {
    text += decoder.decode(body[i]?.subarray(0, MAX_ERROR_BYTES), { stream: true })
  }
  let message = text
  try {
    const parsed: unknown = JSON.parse(text)
    // written anew, since there are many ways to escape a secret
    message = messageIn(parsed) ?? JSON.stringify(parsed)
  } catch {
    // no JSON
  }
  return attempt.redact(fold(message)).slice(0, MAX_ERROR_CHARACTERS)
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
    Effect.map((chunks) => serverMessage(attempt, chunks)),
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

export const statusError = (
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
    return yield* requestError(attempt, `status ${status}${body}${hint === undefined ? "" : `; ${hint}`}`, {
      reason: known?.reason ?? "Status",
      status,
      retryable: RETRYABLE.has(status),
      ...(retryAfter === undefined ? {} : { retryAfter })
    })
  })
