/**
 * The FetchErrors of requests. Each message names the request, what was wrong and what to do, without any secret.
 */
import type * as Headers from "@effect/platform/Headers"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { FetchError } from "../../FliptError.js"
import { classify } from "../net/transportError.js"
import type { FetcherSettings } from "./options.js"
import { toOneLine } from "./redaction.js"
import { parseRetryAfter } from "./retryAfter.js"

const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** How much of the body of an error response is read. */
const MAX_ERROR_BYTES = 16 * 1024
const MAX_ERROR_CHARACTERS = 300

/** A request as it was sent, with what its errors need. */
export interface Attempt {
  readonly settings: FetcherSettings
  readonly url: string
  readonly headers: Headers.Headers
  readonly hasCredential: boolean
  readonly redact: (text: string) => string
}

export const requestError = (
  attempt: Attempt,
  problem: string,
  fields: Omit<ConstructorParameters<typeof FetchError>[0], "message">
): FetchError => new FetchError({ ...fields, message: attempt.redact(`GET ${attempt.url}: ${problem}`) })

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
  const { code, hint, message, reason } = classify(error.cause ?? error.message)
  return requestError(attempt, `${problem}: ${message}; ${hint}`, {
    reason,
    retryable: reason === "Network",
    // Not the original error: it can contain the request or data from the connection, and with them the credentials.
    cause: Object.assign(new Error(attempt.redact(message)), code === undefined ? {} : { code })
  })
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

/** The message in the body of an error response. If the body is not in Flipt's format (a proxy's page), its text. */
export const serverMessage = (attempt: Attempt, body: ReadonlyArray<Uint8Array>): string => {
  const decoder = new TextDecoder()
  let text = ""
  for (let i = 0; i < body.length && text.length < MAX_ERROR_BYTES; i++) {
    text += decoder.decode(body[i]?.subarray(0, MAX_ERROR_BYTES), { stream: true })
  }
  let message = text
  try {
    const parsed: unknown = JSON.parse(text)
    // Serialized again, because a secret can be escaped in many ways.
    message = findMessage(parsed) ?? JSON.stringify(parsed)
  } catch {
    // Not JSON: the text itself is the message.
  }
  return attempt.redact(toOneLine(message)).slice(0, MAX_ERROR_CHARACTERS)
}

/** Reads the message of an error response. Returns an empty text if it cannot be read. */
const readServerMessage = (attempt: Attempt, response: HttpClientResponse.HttpClientResponse): Effect.Effect<string> =>
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
