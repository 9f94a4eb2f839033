/**
 * Classifies what the platform's HTTP client threw. `fetch` wraps the actual reason: the error with a code is a `cause`
 * of the error that is thrown.
 */
import { type ClientCertificate, certificateHint, closedHint, handshakeHint } from "./tlsError.js"

/** Ends a chain of causes that leads back to itself. Known chains are shorter. */
const MAX_CAUSES = 8

const causeChain = (error: unknown): ReadonlyArray<Error> => {
  const chain: Array<Error> = []
  for (let current = error; current instanceof Error && chain.length < MAX_CAUSES; current = current.cause) {
    chain.push(current)
  }
  return chain
}

const codeOf = (error: Error): string | undefined =>
  "code" in error && typeof error.code === "string" ? error.code : undefined

/** If the connections to all addresses of a host fail, Node throws an AggregateError without a message. */
const messageOf = (error: Error): string =>
  error.message !== ""
    ? error.message
    : error instanceof AggregateError && error.errors.length > 0
      ? [...new Set(error.errors.map((each) => (each instanceof Error ? each.message || each.name : String(each))))]
          .slice(0, MAX_CAUSES)
          .join(", ")
      : error.name

/** The code and message of the innermost error with a code, or of the innermost error if none has a code. */
const rootCause = (error: unknown): { readonly code: string | undefined; readonly message: string } => {
  const chain = causeChain(error)
  const coded = chain.findLast((cause) => codeOf(cause) !== undefined)
  const last = coded ?? chain.at(-1)
  return {
    code: coded && codeOf(coded),
    // OpenSSL's messages contain line breaks.
    message: (last === undefined ? String(error) : messageOf(last)).replaceAll(/\s+/g, " ").trim()
  }
}

/** The note on the error of a connection that the server closed early. */
const clientCertificateOf = (error: unknown): ClientCertificate | undefined => {
  const noted = causeChain(error).find((cause) => "clientCertificate" in cause)
  return noted && (noted as { readonly clientCertificate?: ClientCertificate }).clientCertificate
}

/**
 * The codes of zlib and brotli for corrupt data, and that of an unsupported content encoding. A body that ends too early
 * has another code, and is a network error.
 */
const corruptPattern = /^Z_DATA_ERROR$|^ERR__ERROR_FORMAT|^ERR_BROTLI|^ERR_CONTENT_ENCODING$/

const NETWORK_HINT = "check that the server is running and that url is correct"

interface TransportFailure {
  readonly reason: "Network" | "Certificate" | "Body"
  readonly message: string
  /** What to do about it. */
  readonly hint: string
  readonly code: string | undefined
}

/** Classifies an error from sending a request or reading a response. */
export const classify = (error: unknown): TransportFailure => {
  const root = rootCause(error)
  const { code } = root
  if (code === undefined) {
    return { reason: "Network", message: root.message, hint: NETWORK_HINT, code }
  }
  const message = root.message.includes(code) ? root.message : `${root.message} (${code})`
  const certificate = certificateHint(code)
  if (certificate !== undefined) {
    return { reason: "Certificate", message, hint: certificate, code }
  }
  if (corruptPattern.test(code)) {
    return { reason: "Body", message, hint: "check whether a proxy changes responses", code }
  }
  const clientCertificate = clientCertificateOf(error)
  const hint =
    handshakeHint(code) ??
    (clientCertificate === undefined ? NETWORK_HINT : `${NETWORK_HINT}; ${closedHint(clientCertificate)}`)
  return { reason: "Network", message, hint, code }
}
