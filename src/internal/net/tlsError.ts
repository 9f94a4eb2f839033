/**
 * What to do about a TLS error, by its code. Codes are those of Node and OpenSSL: `X509_V_ERR_*` in OpenSSL's
 * x509_vfy.h, without that prefix, for the checks of this side, and `SSL_R_*ALERT*` in its sslerr.h for alerts that the
 * other side sent.
 */

/** Whether the server received a client certificate before it closed the connection. */
export type ClientCertificate = "none" | "sent"

/** The first matching pattern applies. */
const certificateHints: ReadonlyArray<readonly [code: RegExp, hint: string]> = [
  [
    /ALERT_CERTIFICATE_REQUIRED/,
    "the server requires a client certificate, and none was sent: set clientCertFile and clientKeyFile"
  ],
  [
    /ALERT_UNKNOWN_CA/,
    "the server refused the client certificate, because it does not trust its authority: use a certificate from an " +
      "authority that the server trusts"
  ],
  [/ALERT_CERTIFICATE_EXPIRED/, "the server refused the client certificate, because it has expired: renew it"],
  [/ALERT_CERTIFICATE_REVOKED/, "the server refused the client certificate, because it was revoked: renew it"],
  [
    /ALERT\w*CERT|ALERT_ACCESS_DENIED/,
    "the server refused the client certificate, or none was sent: check clientCertFile and clientKeyFile"
  ],
  [
    /ERR_TLS_CERT_ALTNAME|HOSTNAME_MISMATCH|IP_ADDRESS_MISMATCH/,
    "the server's certificate is for another host name: correct url, or set serverName to the name in the certificate"
  ],
  [/CERT_HAS_EXPIRED/, "the server's certificate, or that of its authority, has expired: renew it on the server"],
  [/CERT_NOT_YET_VALID/, "the server's certificate is not valid yet: check the clocks of both sides"],
  [
    /CERT_REVOKED|CRL_/,
    "the server's certificate was revoked, or its revocation cannot be checked: renew it on the server"
  ],
  [
    /SELF_SIGNED|UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY_LEAF|CERT_UNTRUSTED/,
    "check the server's certificate: its authority is not trusted here, or the server does not send an intermediate " +
      "certificate; trust the authority with caCertFile or caCertData"
  ],
  [
    /CERT|UNABLE_TO_(?:VERIFY|GET|DECRYPT|DECODE)|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED/,
    "check the server's certificate and the trusted authorities"
  ]
]

/** The hint for a failed check of a certificate, by either side, or `undefined` for other errors. */
export const certificateHint = (code: string): string | undefined =>
  certificateHints.find(([pattern]) => pattern.test(code))?.[1]

/** Before TLS 1.3, a missing client certificate is one of several causes of a general handshake failure. */
const handshakePattern = /ALERT_HANDSHAKE_FAILURE|ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_SHARED_CIPHER/

/** The hint for a handshake that failed without a verdict on a certificate, or `undefined` for other errors. */
export const handshakeHint = (code: string): string | undefined =>
  handshakePattern.test(code)
    ? "both sides must support a common version of TLS (minVersion), and the server may require a client certificate"
    : undefined

/** The hint for a connection that the server closed before it sent anything. */
export const closedHint = (clientCertificate: ClientCertificate): string =>
  clientCertificate === "none"
    ? "the server closed the connection before it sent anything: it may require a client certificate, and none was " +
      "sent (clientCertFile and clientKeyFile)"
    : "the server closed the connection before it sent anything: it may have refused the client certificate " +
      "(clientCertFile)"
