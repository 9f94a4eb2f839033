/**
 * Options, decoded: every one is checked, an unknown one is an error, and no message repeats a value that could be a
 * secret.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { ValidationError } from "../../FliptError.js"
import { parseProxy, proxyProblem } from "../net/proxy.js"
import { reveal } from "../util/reveal.js"

/** What an option must be, said of any value that it is not. */
const must = (problem: string) => ({ message: () => ({ message: problem, override: true }) })

const DurationInput = Schema.transformOrFail(Schema.Unknown, Schema.DurationFromSelf, {
  decode: (input, _, ast) =>
    Option.match(Duration.decodeUnknown(input), {
      onNone: () => ParseResult.fail(new ParseResult.Type(ast, input)),
      onSome: ParseResult.succeed
    }),
  encode: ParseResult.succeed
}).pipe(
  Schema.filter((duration) => Duration.greaterThan(duration, Duration.zero)),
  Schema.annotations(
    must('must be a duration greater than zero, such as "30 seconds" or Infinity; a number is milliseconds')
  )
)

/** Header values: visible ASCII, blanks inside, and the upper half of Latin-1. */
export const headerValuePattern = /^[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?$/

const headerNamePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Set by the client itself, or by what carries the request. */
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

const headerNameProblem = `must be the name of a header, and none of ${[...reservedHeaders].join(", ")}`

const HeaderValue = Schema.Union(Schema.String, Schema.RedactedFromSelf(Schema.String))
  .pipe(Schema.filter((value) => headerValuePattern.test(reveal(value))))
  .annotations(must("must be text, or Redacted text, that can stand in a header: not empty, no line breaks"))

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
      must("must be an http or https URL without user, password, query and fragment, such as http://localhost:8080")
    )
  ),
  Schema.String,
  { strict: true, decode: (url) => url.replace(/\/+$/, ""), encode: (url) => url }
)

/** `.` and `..` would leave the path that they are put in. */
const Key = Schema.String.pipe(
  Schema.filter((key) => key.trim() !== "" && key !== "." && key !== ".." && key.isWellFormed()),
  Schema.annotations(must("must be a key, not empty"))
)

/** It is sent in a header as well. */
const EnvironmentKey = Key.pipe(
  Schema.filter((key) => /^[\x21-\x7e]+$/.test(key)),
  Schema.annotations(must("must be a key of visible ASCII characters, not empty"))
)

const text = (problem: string) => Schema.NonEmptyString.pipe(Schema.annotations(must(problem)))

const targetFields = {
  environment: Schema.optionalWith(EnvironmentKey, { default: () => "default" }),
  namespace: Schema.optionalWith(Key, { default: () => "default" })
}

const polledFields = {
  ...targetFields,
  updateInterval: Schema.optionalWith(DurationInput, { default: () => Duration.seconds(120) })
}

const fetcherFields = {
  ...polledFields,
  url: Schema.optionalWith(BaseUrl, { default: () => "http://localhost:8080" }),
  reference: Schema.optional(
    Schema.NonEmptyString.pipe(
      Schema.filter((reference) => reference.isWellFormed()),
      Schema.annotations(must("must be the name of a reference, not empty"))
    )
  ),
  headers: Schema.optionalWith(
    Schema.Record({
      key: Schema.String.pipe(
        Schema.filter((name) => headerNamePattern.test(name) && !reservedHeaders.has(name.toLowerCase()))
      ),
      value: HeaderValue
    }).annotations({ message: () => "must be an object of header values by their names" }),
    { default: () => ({}) }
  ),
  maxBodySize: Schema.optionalWith(
    Schema.Number.pipe(
      Schema.greaterThan(0),
      Schema.annotations(must("must be a number of bytes greater than zero, or Infinity"))
    ),
    { default: () => 256 * 1024 * 1024 }
  ),
  requestTimeout: Schema.optionalWith(DurationInput, { default: () => Duration.seconds(30) })
}

const stateFields = {
  errorStrategy: Schema.optionalWith(
    Schema.Literal("fail", "fallback").annotations(must('must be "fail" or "fallback"')),
    { default: () => "fail" as const }
  ),
  snapshot: Schema.optional(text("must be the base64 text that getSnapshot gave, not empty"))
}

const Authentication = Schema.Union(
  Schema.Struct({ clientToken: Schema.RedactedFromSelf(Schema.String) }),
  Schema.Struct({ jwtToken: Schema.RedactedFromSelf(Schema.String) })
).annotations(must("must be { clientToken } or { jwtToken }, the token made by Redacted.make"))

const file = text("must be the path of a file, not empty")
const pem = text("must be text in PEM form, not empty")
const secret = (what: string) =>
  Schema.RedactedFromSelf(Schema.String)
    .pipe(Schema.filter((value) => Redacted.value(value) !== ""))
    .annotations(must(`must be ${what}, not empty, made by Redacted.make`))
const flag = Schema.Boolean.annotations(must("must be true or false"))

/** Addresses have no place in the part of the handshake that names the server (RFC 6066, section 3). */
const ServerName = Schema.String.pipe(
  Schema.filter((name) => /^(?!.*\.\d+$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(name) && /\D/.test(name)),
  Schema.annotations(must("must be the name of a host, such as flipt.example.com, without port, and not an address"))
)

const Proxy = Schema.String.pipe(
  Schema.filter((proxy) => parseProxy(proxy) !== undefined),
  Schema.annotations(must(proxyProblem))
)

const Tls = Schema.Struct({
  caCertFile: Schema.optional(file),
  caCertData: Schema.optional(pem),
  onlyCustomCa: Schema.optional(flag),
  insecureSkipVerify: Schema.optional(flag),
  insecureSkipHostnameVerify: Schema.optional(flag),
  clientCertFile: Schema.optional(file),
  clientKeyFile: Schema.optional(file),
  clientCertData: Schema.optional(pem),
  clientKeyData: Schema.optional(secret("the key as text in PEM form")),
  keyPassphrase: Schema.optional(secret("the passphrase of the key")),
  serverName: Schema.optional(ServerName),
  minVersion: Schema.optional(Schema.Literal("TLSv1.2", "TLSv1.3").annotations(must('must be "TLSv1.2" or "TLSv1.3"'))),
  proxy: Schema.optional(Proxy),
  http2: Schema.optional(flag),
  reloadInterval: Schema.optional(DurationInput)
}).annotations({ message: () => "must be an object of TLS options" })

const clientFields = {
  ...fetcherFields,
  ...stateFields,
  authentication: Schema.optional(Authentication),
  fetchMode: Schema.optionalWith(
    Schema.Literal("polling", "streaming").annotations(must('must be "polling" or "streaming"')),
    { default: () => "polling" as const }
  ),
  tlsConfig: Schema.optional(Tls)
}

const idleTimeToLive = Schema.optionalWith(DurationInput, { default: () => Duration.minutes(5) })

const notHere = (problem: string) => Schema.optional(Schema.Undefined.annotations(must(problem)))

const clientsFields = {
  ...clientFields,
  environment: notHere("is not one of many clients: get and provide are given it"),
  namespace: notHere("is not one of many clients: get and provide are given it"),
  snapshot: notHere("is not one of many clients: it is the state of one namespace"),
  idleTimeToLive
}

const Sharing = Schema.Struct({
  client: Schema.Unknown.pipe(
    Schema.filter((client) => typeof client === "function"),
    Schema.annotations(must("must be a function from a target to the layer of its client"))
  ),
  idleTimeToLive
})

const Provider = Schema.Struct({
  renewBefore: Schema.optionalWith(DurationInput, { default: () => Duration.minutes(1) })
})

const TokenFile = Schema.Struct({
  as: Schema.Literal("clientToken", "jwtToken").annotations(must('must be "clientToken" or "jwtToken"'))
})

const Telemetry = Schema.Struct({
  events: Schema.optionalWith(
    Schema.Literal("span", "log", "none").annotations(must('must be "span", "log" or "none"')),
    { default: () => "span" as const }
  ),
  metrics: Schema.optionalWith(flag, { default: () => true }),
  entityId: Schema.optionalWith(
    Schema.Literal("omit", "hash", "include").annotations(must('must be "omit", "hash" or "include"')),
    { default: () => "omit" as const }
  )
})

const Target = Schema.Struct(targetFields)
const Polled = Schema.Struct(polledFields)
const Fetcher = Schema.Struct(fetcherFields)
const State = Schema.Struct(stateFields)
const Client = Schema.Struct(clientFields)
const Clients = Schema.Struct(clientsFields)

/** The options of a Fetcher over HTTP, decoded. */
export type FetcherSettings = typeof Fetcher.Type
/** The options of the client alone, decoded. */
export type StateSettings = typeof State.Type
/** The options of connections, decoded. */
export type TlsSettings = typeof Tls.Type
/** Which state, decoded. */
export type TargetSettings = typeof Target.Type
/** The options of the one-stop client, decoded. */
export type ClientSettings = typeof Client.Type

const describe = (error: ParseResult.ParseError, reason: "Option" | "Argument"): ValidationError => {
  // the first issue is the innermost; the others are the alternatives, and would repeat the value
  const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
  const path = (issue?.path ?? []).map(String).join(".")
  const problem =
    issue?._tag !== "Unexpected"
      ? (issue?.message ?? error.message)
      : path.startsWith("headers.")
        ? headerNameProblem
        : "is not known; mind the spelling"
  const isOption = reason === "Option"
  const whole = isOption ? "options" : "target"
  return path === ""
    ? new ValidationError({ reason, path: whole, message: `the ${whole} must be an object` })
    : new ValidationError({ reason, path, message: `${isOption ? "the option " : ""}${path} ${problem}` })
}

const withoutUndefined = (options: unknown): unknown =>
  typeof options === "object" && options !== null && !Array.isArray(options)
    ? Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
    : options

const decode =
  <A, I>(schema: Schema.Schema<A, I>, reason: "Option" | "Argument" = "Option") =>
  (options: unknown): Effect.Effect<A, ValidationError> =>
    Effect.suspend(() =>
      Either.mapLeft(
        Schema.decodeUnknownEither(schema, { onExcessProperty: "error" })(
          withoutUndefined(options === undefined ? {} : options)
        ),
        (error) => describe(error, reason)
      )
    )

export const decodeTarget = decode(Target)
export const decodePolled = decode(Polled)
export const decodeFetcher = decode(Fetcher)
export const decodeState = decode(State)
export const decodeTls = decode(Tls)
export const decodeClient = decode(Client)
export const decodeClients = decode(Clients)
export const decodeSharing = decode(Sharing)
/** A target that is asked for, and no option. */
export const decodeArgument = decode(Target, "Argument")
export const decodeProvider = decode(Provider)
export const decodeTokenFile = decode(TokenFile)
export const decodeTelemetry = decode(Telemetry)
