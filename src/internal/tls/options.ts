/**
 * The TLS options, decoded.
 */
import { parseProxy, proxyProblem } from "../net/proxy.js"
import {
  boolean,
  type Decoded,
  decodeWith,
  duration,
  filePath,
  literal,
  nonEmptyString,
  optional,
  redactedString,
  string,
  struct
} from "../util/decodeOptions.js"

const pem = nonEmptyString("must be text in PEM form, not empty")

const secret = (what: string) =>
  redactedString(`must be ${what}, not empty, made by Redacted.make`, (text) => text !== "")

/** SNI allows host names only, not addresses (RFC 6066, section 3). */
const serverName = string(
  "must be the name of a host, such as flipt.example.com, without port, and not an address",
  (name) => /^(?!.*\.\d+$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(name) && /\D/.test(name)
)

const proxyUrl = string(proxyProblem, (proxy) => parseProxy(proxy) !== undefined)

export const tlsOptions = struct(
  {
    caCertFile: optional(filePath),
    caCertData: optional(pem),
    onlyCustomCa: optional(boolean),
    insecureSkipVerify: optional(boolean),
    insecureSkipHostnameVerify: optional(boolean),
    clientCertFile: optional(filePath),
    clientKeyFile: optional(filePath),
    clientCertData: optional(pem),
    clientKeyData: optional(secret("the key as text in PEM form")),
    keyPassphrase: optional(secret("the passphrase of the key")),
    serverName: optional(serverName),
    minVersion: optional(literal("TLSv1.2", "TLSv1.3")),
    proxy: optional(proxyUrl),
    http2: optional(boolean),
    reloadInterval: optional(duration)
  },
  "must be an object of TLS options"
)

export type TlsSettings = Decoded<typeof tlsOptions>

export const decodeTls = decodeWith(tlsOptions)
