/**
 * Formats text for a terminal of 80 columns. Values from outside are cut and escaped: a flag's key must not be able to
 * move the cursor, change the direction of a line, or fill the screen.
 */
import { escapeCharacter, unprintable } from "../util/outsideText.js"

export const WIDTH = 80

/** The maximum width of a value in a line, in columns. */
const MAX_VALUE = 50

/** An upper bound: many characters outside the European alphabets take two columns. */
const columnsOf = (character: string): number => ((character.codePointAt(0) as number) < 0x1100 ? 1 : 2)

/** The maximum width of an escaped text, in columns. */
export const columns = (text: string): number => {
  let total = 0
  for (const character of text) {
    total += columnsOf(character)
  }
  return total
}

/** Escapes everything that a terminal would interpret, and cuts the text. Reads no more of the text than it returns. */
const clean = (text: string, limit: number, special: (character: string) => string | undefined): string => {
  let cleaned = ""
  let used = 0
  /** The longest prefix that leaves room for the ellipsis. */
  let short = ""
  for (const character of text) {
    const printed = special(character) ?? (unprintable.test(character) ? escapeCharacter(character) : character)
    used += columns(printed)
    if (used > limit) {
      return `${short}…`
    }
    cleaned += printed
    if (used <= limit - 2) {
      short = cleaned
    }
  }
  return cleaned
}

/** A text without quotes around it, such as a list, whose elements have quotes. */
export const plain = (text: string, limit: number = MAX_VALUE): string => clean(text, limit, () => undefined)

/** A text in quotes. */
export const quote = (text: string, limit: number = MAX_VALUE): string =>
  `"${clean(text, limit - 2, (character) => (character === '"' || character === "\\" ? `\\${character}` : undefined))}"`

/** A number or a date without quotes, any other text in quotes. */
export const value = (text: string, limit: number = MAX_VALUE): string =>
  /^[\w.+:-]{1,40}$/.test(text) && text.length <= limit ? text : quote(text, limit)

/** A name, in quotes unless it reads as one word. */
export const name = value

/**
 * Breaks a text into indented lines of 80 columns. `first` replaces the indent of the first line. The text must already be
 * escaped.
 */
export const wrap = (text: string, indent: string, first: string = indent): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = first
  let used = columns(first)
  let isEmpty = true
  for (const word of text.split(" ")) {
    const width = columns(word)
    if (!isEmpty && used + 1 + width > WIDTH) {
      lines.push(line)
      line = indent
      used = indent.length
      isEmpty = true
    }
    line += isEmpty ? word : ` ${word}`
    used += isEmpty ? width : width + 1
    isEmpty = false
  }
  lines.push(line)
  return lines
}
