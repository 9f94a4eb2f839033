/**
 * Keeps the secrets of a request out of messages that quote a server.
 */
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import type { FetcherSettings } from "./options.js"

/** Puts a text on one line, and removes characters that could control a terminal. */
export const toOneLine = (text: string): string => text.replaceAll(/[\p{C}\s]+/gu, " ").trim()

/** Shorter secrets occur in ordinary words, so they are only found as separate words. */
const MIN_LENGTH = 4

const percentEncoded = (text: string): ReadonlyArray<string> => {
  const form = new URLSearchParams({ a: text }).toString().slice(2)
  return [encodeURIComponent(text), form].flatMap((encoded) => [
    encoded,
    encoded.replaceAll(/%../g, (code) => code.toLowerCase())
  ])
}

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff)

/** A header is sent in Latin-1, and each side can take Latin-1 for UTF-8 or the reverse. */
const misread = (text: string): ReadonlyArray<string> => [
  new TextDecoder().decode(latin1(text)),
  Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("")
]

const withoutPadding = (text: string): string => text.replace(/=+$/, "")

const base64 = (text: string): ReadonlyArray<string> =>
  [new TextEncoder().encode(text), latin1(text)].flatMap((bytes) => [
    withoutPadding(Encoding.encodeBase64(bytes)),
    Encoding.encodeBase64Url(bytes)
  ])

/** The forms in which a server may repeat a secret. */
const formsOf = (secret: string): ReadonlyArray<string> =>
  [secret, ...misread(secret)].flatMap((text) => [
    text,
    toOneLine(text),
    JSON.stringify(text).slice(1, -1),
    ...percentEncoded(text),
    ...base64(text)
  ])

const toPattern = (form: string): string => {
  const pattern = form.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&")
  return form.length < MIN_LENGTH ? `(?<![\\p{L}\\p{N}])${pattern}(?![\\p{L}\\p{N}])` : pattern
}

export interface Redactor {
  /** Removes every secret from a text. */
  readonly redact: (text: string) => string
  /** The length of the longest form of a secret: at most that much of one is left at the end of a text that was cut. */
  readonly longest: number
}

/**
 * The redactor for the secrets of a request: `Redacted` headers, the credential, and those of the proxy. Longer secrets
 * come first, since one can contain another.
 */
export const makeRedactor = (
  settings: FetcherSettings,
  credentials: Readonly<Record<string, string>>,
  proxySecrets: ReadonlyArray<string> = []
): Redactor => {
  const secrets = [
    ...Object.values(settings.headers).flatMap((value) => (Redacted.isRedacted(value) ? [Redacted.value(value)] : [])),
    ...Object.values(credentials),
    ...proxySecrets
  ].flatMap((value) => [value, value.slice(value.indexOf(" ") + 1)])
  const forms = [...new Set(secrets.flatMap((secret) => formsOf(secret)))]
    .filter((form) => form.trim() !== "")
    .sort((a, b) => b.length - a.length)
  if (forms.length === 0) {
    return { redact: (text) => text, longest: 0 }
  }
  // One pattern, so that what replaces a secret is not searched for the next one.
  const pattern = new RegExp(forms.map(toPattern).join("|"), "gu")
  return { redact: (text) => text.replaceAll(pattern, "<redacted>"), longest: forms[0]?.length ?? 0 }
}
