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

/** Node's and OpenSSL's names for a certificate that was refused, by either side. */
const certificatePattern =
  /CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER|DECRYPT|DECODE)|ALERT_UNKNOWN_CA|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED|CRL_/

/** zlib's and brotli's names for data that is not what it says it is; a stream that ends too early is another matter. */
const corruptPattern = /^Z_DATA_ERROR$|^ERR__ERROR_FORMAT|^ERR_BROTLI/

export interface Failure {
  readonly reason: "Network" | "Certificate" | "Body"
  readonly message: string
  readonly code: string | undefined
}

/** What a failure to send a request, or to read an answer, comes down to. */
export const classify = (error: unknown): Failure => {
  const { code, message } = reasonOf(error)
  const text = code === undefined || message.includes(code) ? message : `${message} (${code})`
  if (code !== undefined && certificatePattern.test(code)) {
    return { reason: "Certificate", message: text, code }
  }
  return { reason: code !== undefined && corruptPattern.test(code) ? "Body" : "Network", message: text, code }
}
