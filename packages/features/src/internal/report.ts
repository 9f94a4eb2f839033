/**
 * Collects problems with their places.
 */
import type { Problem } from "../FeaturesError.js"

/** The number of characters of a text that a message quotes. */
const MAX_QUOTED = 60

/** One line of text, without characters that could affect a terminal or reorder what is shown. */
export const printable = (text: string): string =>
  text.replaceAll(/[\p{C}\u2028\u2029]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)

/** Quotes a text from a file in a message. */
export const quote = (text: string): string => {
  const shown = printable(text.slice(0, MAX_QUOTED + 1).toWellFormed())
  return text.length > MAX_QUOTED || shown.length > MAX_QUOTED ? `"${shown.slice(0, MAX_QUOTED)}…"` : `"${shown}"`
}

export interface Reporter {
  readonly problems: Array<Problem>
  readonly error: (offset: number, reason: Problem["reason"], path: string, message: string) => void
  readonly warn: (offset: number, reason: Problem["reason"], path: string, message: string) => void
}

interface Position {
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
