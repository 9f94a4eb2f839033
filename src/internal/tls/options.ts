/**
 * The TLS options, decoded.
 */
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { parseProxy, proxyProblem } from "../net/proxy.js"
import {
  BooleanOption,
  DurationInput,
  FilePath,
  issueMessage,
  makeDecoder,
  nonEmptyString
} from "../util/decodeOptions.js"

const PemString = nonEmptyString("must be text in PEM form, not empty")

const redactedString = (what: string) =>
  Schema.RedactedFromSelf(Schema.String)
    .pipe(Schema.filter((value) => Redacted.value(value) !== ""))
    .annotations(issueMessage(`must be ${what}, not empty, made by Redacted.make`))

/** SNI allows host names only, not addresses (RFC 6066, section 3). */
const ServerName = Schema.String.pipe(
  Schema.filter((name) => /^(?!.*\.\d+$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(name) && /\D/.test(name)),
  Schema.annotations(
    issueMessage("must be the name of a host, such as flipt.example.com, without port, and not an address")
  )
)

const ProxyUrl = Schema.String.pipe(
  Schema.filter((proxy) => parseProxy(proxy) !== undefined),
  Schema.annotations(issueMessage(proxyProblem))
)

export const TlsOptions = Schema.Struct({
  caCertFile: Schema.optional(FilePath),
  caCertData: Schema.optional(PemString),
  onlyCustomCa: Schema.optional(BooleanOption),
  insecureSkipVerify: Schema.optional(BooleanOption),
  insecureSkipHostnameVerify: Schema.optional(BooleanOption),
  clientCertFile: Schema.optional(FilePath),
  clientKeyFile: Schema.optional(FilePath),
  clientCertData: Schema.optional(PemString),
  clientKeyData: Schema.optional(redactedString("the key as text in PEM form")),
  keyPassphrase: Schema.optional(redactedString("the passphrase of the key")),
  serverName: Schema.optional(ServerName),
  minVersion: Schema.optional(
    Schema.Literal("TLSv1.2", "TLSv1.3").annotations(issueMessage('must be "TLSv1.2" or "TLSv1.3"'))
  ),
  proxy: Schema.optional(ProxyUrl),
  http2: Schema.optional(BooleanOption),
  reloadInterval: Schema.optional(DurationInput)
}).annotations({ message: () => "must be an object of TLS options" })

export type TlsSettings = typeof TlsOptions.Type

export const decodeTls = makeDecoder(TlsOptions)
