/**
 * Keeps secrets and control characters out of messages that quote a server.
 */
import * as Redacted from "effect/Redacted"
import type { FetcherSettings } from "./options.js"

/** Puts a text on one line, and removes characters that could control a terminal. */
export const toOneLine = (text: string): string => text.replaceAll(/[\p{C}\s]+/gu, " ").trim()

const percentEncoded = (text: string): ReadonlyArray<string> => {
  const encoded = encodeURIComponent(text)
  return [encoded, encoded.replaceAll(/%../g, (code) => code.toLowerCase())]
}

/**
 * Returns the function that removes every secret of a request from a text. A server may echo a secret as it is, with
 * whitespace folded, encoded for a URL, or escaped in JSON. Longer secrets come first, since one can contain another.
 */
export const makeRedactor = (
  settings: FetcherSettings,
  credentials: Readonly<Record<string, string>>
): ((text: string) => string) => {
  const secrets = [
    ...Object.values(settings.headers).flatMap((value) => (Redacted.isRedacted(value) ? [Redacted.value(value)] : [])),
    ...Object.values(credentials).flatMap((value) => [value, value.slice(value.indexOf(" ") + 1)])
  ]
    .flatMap((secret) => [secret, toOneLine(secret), JSON.stringify(secret).slice(1, -1), ...percentEncoded(secret)])
    .filter((secret) => secret !== "")
    .sort((a, b) => b.length - a.length)
  return (text) => secrets.reduce((result, secret) => result.replaceAll(secret, "<redacted>"), text)
}
