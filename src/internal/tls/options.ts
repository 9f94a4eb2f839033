import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { parseProxy, proxyProblem } from "../net/proxy.js"
import { DurationInput, decode, file, flag, must, text } from "../util/decodeOptions.js"

export const pem = text("must be text in PEM form, not empty")

export const secret = (what: string) =>
  Schema.RedactedFromSelf(Schema.String)
    .pipe(Schema.filter((value) => Redacted.value(value) !== ""))
    .annotations(must(`must be ${what}, not empty, made by Redacted.make`))

/** Addresses have no place in the part of the handshake that names the server (RFC 6066, section 3). */
export const ServerName = Schema.String.pipe(
  Schema.filter((name) => /^(?!.*\.\d+$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(name) && /\D/.test(name)),
  Schema.annotations(must("must be the name of a host, such as flipt.example.com, without port, and not an address"))
)

export const Proxy = Schema.String.pipe(
  Schema.filter((proxy) => parseProxy(proxy) !== undefined),
  Schema.annotations(must(proxyProblem))
)

export const Tls = Schema.Struct({
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

/** The options of connections, decoded. */
export type TlsSettings = typeof Tls.Type

export const decodeTls = decode(Tls)
