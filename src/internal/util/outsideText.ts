/**
 * Prepares text from outside, such as keys, documents, responses and the messages of other libraries, for messages and
 * logs: escapes it, so that it cannot move a cursor, add a line or change the direction of the text, and cuts it.
 */

/** Controls, format characters such as those that reverse a line, line separators, lone surrogates, private use. */
export const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/u

/** How much of one value a message shows, in characters. */
const MAX_VALUE = 300

export const escapeCharacter = (character: string): string => {
  switch (character) {
    case "\n":
      return "\\n"
    case "\r":
      return "\\r"
    case "\t":
      return "\\t"
    default: {
      const code = (character.codePointAt(0) as number).toString(16)
      return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`
    }
  }
}

const clean = (text: string, limit: number, isQuoted: boolean): string => {
  let cleaned = ""
  let used = 0
  // Reads no more of the text than it shows.
  for (const character of text) {
    const shown =
      isQuoted && (character === '"' || character === "\\")
        ? `\\${character}`
        : unprintable.test(character)
          ? escapeCharacter(character)
          : character
    used += shown.length
    if (used > limit) {
      return `${cleaned}…`
    }
    cleaned += shown
  }
  return cleaned
}

/** The text unchanged if it is short and printable. Otherwise escaped, and cut after `limit` characters. */
export const printable = (text: string, limit: number = MAX_VALUE): string =>
  text.length <= limit && !unprintable.test(text) ? text : clean(text, limit, false)

/** The text in quotes, escaped, and cut after `limit` characters. */
export const quoted = (text: string, limit: number = MAX_VALUE): string => `"${clean(text, limit, true)}"`
