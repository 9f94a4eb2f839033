/**
 * The options of Fetchers, decoded.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { DurationInput, issueMessage, makeDecoder } from "../util/decodeOptions.js"
import { reveal } from "../util/reveal.js"
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

const headerNameIssue = (name: string): Schema.FilterIssue => ({
  path: [name],
  message: `must be a valid header name other than ${[...reservedHeaders].join(", ")}`
})

const HeaderValue = Schema.Union(Schema.String, Schema.RedactedFromSelf(Schema.String))
  .pipe(Schema.filter((value) => headerValuePattern.test(reveal(value))))
  .annotations(
    issueMessage("must be a string or a Redacted string that a header can contain: not empty, no line breaks")
  )

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

const BaseUrl = Schema.transform(
  Schema.String.pipe(
    Schema.filter(isBaseUrl),
    Schema.annotations(
      issueMessage(
        "must be an http or https URL without user, password, query or fragment, such as http://localhost:8080"
      )
    )
  ),
  Schema.String,
  { strict: true, decode: (url) => url.replace(/\/+$/, ""), encode: (url) => url }
)

const pollingFields = {
  ...targetFields,
  updateInterval: Schema.optionalWith(DurationInput, { default: () => Duration.seconds(120) })
}

export const fetcherFields = {
  ...pollingFields,
  url: Schema.optionalWith(BaseUrl, { default: () => "http://localhost:8080" }),
  reference: Schema.optional(
    Schema.NonEmptyString.pipe(
      Schema.filter((reference) => reference.isWellFormed()),
      Schema.annotations(issueMessage("must be the name of a reference, not empty"))
    )
  ),
  headers: Schema.optionalWith(
    Schema.Record({ key: Schema.String, value: HeaderValue })
      .annotations({ message: () => "must be an object of header values by their names" })
      .pipe(Schema.filter((headers) => Object.keys(headers).filter(isForbiddenHeader).map(headerNameIssue))),
    { default: () => ({}) }
  ),
  maxBodySize: Schema.optionalWith(
    Schema.Number.pipe(
      Schema.greaterThan(0),
      Schema.annotations(issueMessage("must be a number of bytes greater than zero, or Infinity"))
    ),
    { default: () => 256 * 1024 * 1024 }
  ),
  requestTimeout: Schema.optionalWith(DurationInput, { default: () => Duration.seconds(30) }),
  fullFetchInterval: Schema.optional(DurationInput)
}

const PollingOptions = Schema.Struct(pollingFields)

const FetcherOptions = Schema.Struct(fetcherFields)

export type FetcherSettings = typeof FetcherOptions.Type

export const decodePolling = makeDecoder(PollingOptions)

export const decodeFetcher = makeDecoder(FetcherOptions)
