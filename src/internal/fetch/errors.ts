/**
 * The FetchErrors of requests. Each message names the request, what was wrong and what to do, without any secret.
 */
import type * as Headers from "@effect/platform/Headers"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Platform from "#platform"
import { FetchError } from "../../FliptError.js"
import { causeOf } from "../net/httpClient.js"
import { classify } from "../net/transportError.js"
import { printable, quoted } from "../util/outsideText.js"
import type { FetcherSettings } from "./options.js"
import { type Redactor, toOneLine } from "./redaction.js"
import { parseRetryAfter } from "./retryAfter.js"

const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** How much of the body of an error response is read. */
const MAX_ERROR_BYTES = 16 * 1024
const MAX_ERROR_CHARACTERS = 300

/** How much of a URL and of a problem a message shows. A namespace or the error of a connection can have any length. */
const MAX_URL = 500
const MAX_PROBLEM = 2000

/** A request as it was sent, with what its errors need. */
export interface Attempt {
  readonly settings: FetcherSettings
  readonly url: string
  readonly headers: Headers.Headers
  readonly hasCredential: boolean
  readonly redactor: Redactor
}

export const requestError = (
  attempt: Attempt,
  problem: string,
  fields: Omit<ConstructorParameters<typeof FetchError>[0], "message">
): FetchError => {
  const { redact } = attempt.redactor
  return new FetchError({
    ...fields,
    message: `GET ${printable(redact(attempt.url), MAX_URL)}: ${printable(redact(problem), MAX_PROBLEM)}`
  })
}

export const timeoutError = (attempt: Attempt, limit: Duration.Duration, problem: string): FetchError =>
  requestError(attempt, `${problem} within ${Duration.format(limit)}; raise requestTimeout if the server is slow`, {
    reason: "Timeout",
    retryable: true
  })

export const transportError = (
  attempt: Attempt,
  error: HttpClientError.HttpClientError,
  problem: string
): FetchError => {
  const { code, hint, message, reason } = classify(causeOf(error) ?? error.message)
  const more = reason === "Network" ? Platform.noResponseHint(Object.keys(attempt.headers)) : ""
  return requestError(attempt, `${problem}: ${message}; ${hint}${more}`, {
    reason,
    retryable: reason === "Network",
    // Not the original error: it can contain the request or data from the connection, and with them the credentials.
    cause: Object.assign(
      new Error(printable(attempt.redactor.redact(message), MAX_PROBLEM)),
      code === undefined ? {} : { code }
    )
  })
}

/** A page from a proxy, which can come with any status. */
const htmlPattern = /^\s*text\/html\b/i

const knownEncodings: ReadonlySet<string> = new Set(["", "identity", "gzip", "x-gzip", "deflate", "br", "zstd"])

/** Fails if a response with status 200 cannot be a document or a stream: a page, or an encoding that nothing decodes. */
export const checkContent = (
  attempt: Attempt,
  { headers }: HttpClientResponse.HttpClientResponse,
  expected: "snapshot" | "stream"
): Effect.Effect<void, FetchError> => {
  const encoding = (headers["content-encoding"] ?? "").trim()
  const fail = (problem: string, retryable: boolean) =>
    requestError(attempt, `status 200: ${problem}`, { reason: "Body", status: 200, retryable })
  if (htmlPattern.test(headers["content-type"] ?? "")) {
    return fail(
      `the response is text/html, not a ${expected}; check the proxies in between, and that url is that of a Flipt server`,
      true
    )
  }
  return encoding
    .toLowerCase()
    .split(",")
    .every((part) => knownEncodings.has(part.trim()))
    ? Effect.void
    : fail(`the content encoding ${quoted(encoding)} is unknown; check the proxies in between`, false)
}

export const bodyTooLargeError = (attempt: Attempt): FetchError =>
  requestError(
    attempt,
    `the body is larger than ${attempt.settings.maxBodySize} bytes; raise maxBodySize if it is expected to be this large`,
    {
      reason: "TooLarge",
      retryable: false
    }
  )

const findMessage = (body: unknown): string | undefined =>
  typeof body !== "object" || body === null
    ? undefined
    : "message" in body && typeof body.message === "string"
      ? body.message
      : "error" in body
        ? findMessage(body.error)
        : undefined

/** JSON that was cut cannot be parsed, and a secret in it may be escaped. */
const unescaped = (text: string): string =>
  text.replaceAll(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))

/** The message in the body of an error response. If the body is not in Flipt's format (a proxy's page), its text. */
export const serverMessage = (attempt: Attempt, body: ReadonlyArray<Uint8Array>): string => {
  const { longest, redact } = attempt.redactor
  const decoder = new TextDecoder()
  let text = ""
  let size = 0
  for (let i = 0; i < body.length && size < MAX_ERROR_BYTES; i++) {
    const chunk = body[i]?.subarray(0, MAX_ERROR_BYTES - size) ?? new Uint8Array()
    size += chunk.length
    text += decoder.decode(chunk, { stream: true })
  }
  // A secret that was cut is not found, so a text that was cut loses what can be the beginning of one.
  let message = size < MAX_ERROR_BYTES ? text : redact(unescaped(text)).slice(0, -longest || undefined)
  try {
    const parsed: unknown = JSON.parse(text)
    // Serialized again, because a secret can be escaped in many ways.
    message = findMessage(parsed) ?? JSON.stringify(parsed)
  } catch {
    // Not JSON: the text itself is the message.
  }
  return printable(redact(toOneLine(redact(message))), MAX_ERROR_CHARACTERS)
}

/** Reads the message of an error response. Returns an empty text if it cannot be read. */
const readServerMessage = (attempt: Attempt, response: HttpClientResponse.HttpClientResponse): Effect.Effect<string> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    return response.stream.pipe(
      // First, because the runtime logs the failures of fibers that later operators fork, and this error has the request.
      Stream.catchAll(() => Stream.empty),
      Stream.runForEachWhile((chunk) =>
        Effect.sync(() => {
          chunks.push(chunk)
          size += chunk.length
          return size < MAX_ERROR_BYTES
        })
      ),
      Effect.timeout(attempt.settings.requestTimeout),
      Effect.map(() => serverMessage(attempt, chunks)),
      Effect.orElseSucceed(() => "")
    )
  })

const knownStatuses: {
  readonly [status: number]: { readonly reason: FetchError["reason"]; readonly hint: string } | undefined
} = {
  304: { reason: "Status", hint: "the request was not conditional; check the proxies in between" },
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
    const detail = yield* readServerMessage(attempt, response)
    const retryAfter = yield* parseRetryAfter(response.headers["retry-after"])
    const known = knownStatuses[status]
    const hint =
      (status === 401 || status === 403) && !attempt.hasCredential
        ? "no credential was sent; set the authentication option"
        : known?.hint
    const body = detail === "" ? "" : ` (${detail})`
    return yield* requestError(attempt, `status ${status}${body}${hint === undefined ? "" : `; ${hint}`}`, {
      reason: known?.reason ?? "Status",
      status,
      retryable: RETRYABLE_STATUSES.has(status),
      ...(retryAfter === undefined ? {} : { retryAfter })
    })
  })
