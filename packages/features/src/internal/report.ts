/**
 * Collects problems and their places.
 */
import type { Problem } from "../FeaturesError.js"

/** The maximum number of characters that a message quotes from a file. */
const MAX_QUOTED = 60
/** The maximum number of characters of other texts in a message. */
const MAX_SHOWN = 300

/** Escapes a text, and shortens it to `limit` characters. */
const clean = (text: string, limit: number): string => {
  const start = text.slice(0, limit + 1).toWellFormed()
  const shown = start.replaceAll(
    /[\p{C}\u2028\u2029]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`
  )
  return text.length > limit || shown.length > limit ? `${shown.slice(0, limit)}…` : shown
}

/**
 * Shortens a text to one line without characters that could affect a terminal or reorder the output. The client escapes
 * text in the same way, but its function is not part of its API.
 */
export const printable = (text: string): string => clean(text, MAX_SHOWN)

/** Quotes a text from a file in a message. */
export const quote = (text: string): string => `"${clean(text, MAX_QUOTED)}"`

export interface Reporter {
  readonly problems: Array<Problem>
  readonly error: (offset: number, reason: Problem["reason"], path: string, message: string) => void
  readonly warn: (offset: number, reason: Problem["reason"], path: string, message: string) => void
}

export interface Position {
  readonly line: number
  readonly column: number
}

export const makeReporter = (file: string, locate: (offset: number) => Position): Reporter => {
  const problems: Array<Problem> = []
  const add =
    (severity: Problem["severity"]): Reporter["error"] =>
    (offset, reason, path, message) => {
      problems.push({ severity, reason, file, ...locate(offset), path, message })
    }
  return { problems, error: add("error"), warn: add("warning") }
}
