/**
 * Why a request failed, read from what the platform's HTTP client threw. `fetch` nests the reason: the error that has a
 * code is a cause of the one that is thrown.
 */
/** Deep enough for every nesting that is known, and an end to one that leads back to itself. */
const MAX_NESTING = 8

const causes = (error: unknown): ReadonlyArray<Error> => {
  const found: Array<Error> = []
  for (let current = error; current instanceof Error && found.length < MAX_NESTING; current = current.cause) {
    found.push(current)
  }
  return found
}

const codeOf = (error: Error): string | undefined =>
  "code" in error && typeof error.code === "string" ? error.code : undefined

/** The innermost error that has a code, or the error itself. */
const reasonOf = (error: unknown): { readonly code: string | undefined; readonly message: string } => {
  const chain = causes(error)
  const coded = chain.findLast((cause) => codeOf(cause) !== undefined)
  const last = coded ?? chain.at(-1)
  return {
    code: coded && codeOf(coded),
    // OpenSSL's messages have line breaks in them
    message: (last === undefined ? String(error) : last.message || last.name).replaceAll(/\s+/g, " ").trim()
  }
}

/** What the server was shown, where a connection ended before the server said anything. */
export type ClientCertificate = "none" | "sent"

const shownOf = (error: unknown): ClientCertificate | undefined => {
  const found = causes(error).find((cause) => "clientCertificate" in cause)
  return found && (found as { readonly clientCertificate?: ClientCertificate }).clientCertificate
}

/**
 * Node's and OpenSSL's names for the checks of a certificate, by either side, and what to do when one fails. The first
 * that fits counts. Names: `X509_V_ERR_*` in OpenSSL's x509_vfy.h without that prefix; `SSL_R_*ALERT*` in its sslerr.h
 * for what the other side says.
 */
const checks: ReadonlyArray<readonly [code: RegExp, hint: string]> = [
  [
    /ALERT_CERTIFICATE_REQUIRED/,
    "the server asks for a client certificate, and none was sent: set clientCertFile and clientKeyFile"
  ],
  [
    /ALERT_UNKNOWN_CA/,
    "the server refused the client certificate, whose authority it does not trust: send one of an authority that it does"
  ],
  [/ALERT_CERTIFICATE_EXPIRED/, "the server refused the client certificate, since it has expired: renew it"],
  [/ALERT_CERTIFICATE_REVOKED/, "the server refused the client certificate, since it was revoked: renew it"],
  [
    /ALERT\w*CERT|ALERT_ACCESS_DENIED/,
    "the server refused the client certificate, or there was none: check clientCertFile and clientKeyFile"
  ],
  [
    /ERR_TLS_CERT_ALTNAME|HOSTNAME_MISMATCH|IP_ADDRESS_MISMATCH/,
    "the server's certificate is for another host name: correct url, or set serverName to the name that it is for"
  ],
  [/CERT_HAS_EXPIRED/, "the server's certificate, or that of its authority, has expired: renew it on the server"],
  [/CERT_NOT_YET_VALID/, "the server's certificate is not valid yet: check the clocks of both sides"],
  [/CERT_REVOKED|CRL_/, "the server's certificate was revoked, or that cannot be told: renew it on the server"],
  [
    /SELF_SIGNED|UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY_LEAF|CERT_UNTRUSTED/,
    "check the server's certificate: its authority is unknown here, or the server leaves out a certificate between " +
      "the two; trust the authority by caCertFile or caCertData"
  ],
  [
    /CERT|UNABLE_TO_(?:VERIFY|GET|DECRYPT|DECODE)|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED/,
    "check the server's certificate and the authorities that are trusted"
  ]
]

/** zlib's and brotli's names for data that is not what it says it is; a stream that ends too early is another matter. */
const corruptPattern = /^Z_DATA_ERROR$|^ERR__ERROR_FORMAT|^ERR_BROTLI/

/** Before TLS 1.3 the general answer of a server that gets no client certificate, among other things. */
const handshakePattern = /ALERT_HANDSHAKE_FAILURE|ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_SHARED_CIPHER/

const network = "check that the server runs and that the url is right"

const earlyEnds: Readonly<Record<ClientCertificate, string>> = {
  none:
    `${network}; the server ended the connection before it said anything: it may want a client certificate, and none ` +
    "was sent (clientCertFile and clientKeyFile)",
  sent:
    `${network}; the server ended the connection before it said anything: it may have refused the client certificate ` +
    "(clientCertFile)"
}

export interface Failure {
  readonly reason: "Network" | "Certificate" | "Body"
  readonly message: string
  /** What to do about it. */
  readonly hint: string
  readonly code: string | undefined
}

/** What a failure to send a request, or to read an answer, comes down to. */
export const classify = (error: unknown): Failure => {
  const { code, message } = reasonOf(error)
  const text = code === undefined || message.includes(code) ? message : `${message} (${code})`
  if (code === undefined) {
    return { reason: "Network", message: text, hint: network, code }
  }
  const check = checks.find(([pattern]) => pattern.test(code))
  if (check !== undefined) {
    return { reason: "Certificate", message: text, hint: check[1], code }
  }
  if (corruptPattern.test(code)) {
    return { reason: "Body", message: text, hint: "a proxy may have changed the answer", code }
  }
  const shown = shownOf(error)
  const hint = handshakePattern.test(code)
    ? "both sides have to agree on a version of TLS (minVersion), and the server may want a client certificate"
    : shown === undefined
      ? network
      : earlyEnds[shown]
  return { reason: "Network", message: text, hint, code }
}
