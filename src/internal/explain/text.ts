/**
 * Text for a terminal of 80 columns. What comes from outside is cut and escaped: a flag's key must not be able to move
 * the cursor, change the direction of a line, or fill the screen.
 */
import { escapeCharacter, unprintable } from "../util/outsideText.js"

export const WIDTH = 80

/** Of one value in a line, in columns. */
const MAX_VALUE = 50

/** An upper bound: most characters beyond the first alphabets may take two columns. */
const columnsOf = (character: string): number => ((character.codePointAt(0) as number) < 0x1100 ? 1 : 2)

/** How many columns a text takes at most, once it is escaped. */
export const columns = (text: string): number => {
  let total = 0
  for (const character of text) {
    total += columnsOf(character)
  }
  return total
}

/** The text without what a terminal would obey, up to so many columns. Reads no more of it than it prints. */
const clean = (text: string, limit: number, special: (character: string) => string | undefined): string => {
  let cleaned = ""
  let used = 0
  /** The longest beginning that leaves room for the mark of a cut. */
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

/** A text without quotes, such as a list that has quotes of its own. */
export const plain = (text: string, limit: number = MAX_VALUE): string => clean(text, limit, () => undefined)

/** A text in quotes. */
export const quote = (text: string, limit: number = MAX_VALUE): string =>
  `"${clean(text, limit - 2, (character) => (character === '"' || character === "\\" ? `\\${character}` : undefined))}"`

/** A number or a date as it is, all else in quotes. */
export const value = (text: string, limit: number = MAX_VALUE): string =>
  /^[\w.+:-]{1,40}$/.test(text) && text.length <= limit ? text : quote(text, limit)

/** A name as it is, or in quotes if it would not be read as one word. */
export const name = value

/**
 * The words in lines of 80 columns, each line indented. The first may have another beginning. The words are expected to
 * be clean.
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
