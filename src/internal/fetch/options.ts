/**
 * The options of Fetchers, decoded.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import {
  type Decoded,
  type Decoder,
  decodeWith,
  duration,
  guard,
  optional,
  record,
  redactedString,
  reject,
  string,
  struct,
  withDefault
} from "../util/decodeOptions.js"
import { targetFields } from "../util/target.js"

/** A header value that is safe to send: visible ASCII and the upper half of Latin-1, with whitespace only inside. */
export const headerValuePattern = /^[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?$/

const headerNamePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Headers that the client or the connection sets. */
const reservedHeaders: ReadonlySet<string> = new Set([
  "accept",
  "connection",
  "content-length",
  "expect",
  "host",
  "if-none-match",
  "keep-alive",
  "transfer-encoding",
  "upgrade"
])

const isForbiddenHeader = (name: string): boolean =>
  !headerNamePattern.test(name) || reservedHeaders.has(name.toLowerCase())

const headerValueProblem = "must be a string or a Redacted string that a header can contain: not empty, no line breaks"

const canBeSent = (text: string): boolean => headerValuePattern.test(text)

const plainValue = string(headerValueProblem, canBeSent)
const redactedValue = redactedString(headerValueProblem, canBeSent)

const headerValue: Decoder<string | Redacted.Redacted<string>> = (value) =>
  Either.orElse(plainValue(value), () => redactedValue(value))

const headerValues = record(headerValue, "must be an object of header values by their names")

const headers: Decoder<Decoded<typeof headerValues>> = (value) =>
  Either.flatMap(headerValues(value), (decoded) => {
    const name = Object.keys(decoded).find(isForbiddenHeader)
    return name === undefined
      ? Either.right(decoded)
      : reject(`must be a valid header name other than ${[...reservedHeaders].join(", ")}`, [name])
  })

const isBaseUrl = (text: string): boolean => {
  if (!URL.canParse(text) || text !== text.trim()) {
    return false
  }
  const url = new URL(text)
  return (
    (url.protocol === "http:" || url.protocol === "https:") &&
    url.username === "" &&
    url.password === "" &&
    !text.includes("?") &&
    !text.includes("#")
  )
}

const givenUrl = string(
  "must be an http or https URL without user, password, query or fragment, such as http://localhost:8080",
  isBaseUrl
)

const baseUrl: Decoder<string> = (value) => Either.map(givenUrl(value), (url) => url.replace(/\/+$/, ""))

const pollingFields = {
  ...targetFields,
  updateInterval: withDefault(duration, Duration.seconds(120))
}

export const fetcherFields = {
  ...pollingFields,
  url: withDefault(baseUrl, "http://localhost:8080"),
  reference: optional(
    string("must be the name of a reference, not empty", (name) => name !== "" && name.isWellFormed())
  ),
  headers: withDefault(headers, {}),
  maxBodySize: withDefault(
    guard(
      (value): value is number => typeof value === "number" && value > 0,
      "must be a number of bytes greater than zero, or Infinity"
    ),
    256 * 1024 * 1024
  ),
  requestTimeout: withDefault(duration, Duration.seconds(30)),
  fullFetchInterval: optional(duration)
}

const pollingOptions = struct(pollingFields)

const fetcherOptions = struct(fetcherFields)

export type FetcherSettings = Decoded<typeof fetcherOptions>

export const decodePolling = decodeWith(pollingOptions)

export const decodeFetcher = decodeWith(fetcherOptions)
