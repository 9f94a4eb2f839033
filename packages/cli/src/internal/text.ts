/**
 * Text for a terminal. Text from servers, documents and files is shortened and escaped, so that it cannot move the
 * cursor, change the direction of a line or imitate other output.
 */

/**
 * Control characters, format characters (some of which reverse a line), line separators, lone surrogates, private use.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/u
const everyUnprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu

const escapeCharacter = (character: string): string => {
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

/** The default limit of a value, in columns. */
export const MAX_VALUE = 300

/** An upper bound: most characters beyond the first alphabets can be two columns wide. */
const columnsOf = (character: string): number => ((character.codePointAt(0) as number) < 0x1100 ? 1 : 2)

/** The maximum number of columns of an escaped text. */
export const columns = (text: string): number => {
  let total = 0
  for (const character of text) {
    total += columnsOf(character)
  }
  return total
}

/** Escapes a text and shortens it to `columns`. Reads only as much of it as it prints. */
export const plain = (text: string, limit: number = MAX_VALUE): string => {
  let printed = ""
  let used = 0
  /** The longest prefix that leaves room for the ellipsis. */
  let short = ""
  for (const character of text) {
    const shown = unprintable.test(character) ? escapeCharacter(character) : character
    used += columns(shown)
    if (used > limit) {
      return `${short}…`
    }
    printed += shown
    if (used <= limit - 1) {
      short = printed
    }
  }
  return printed
}

/** Escapes a text and puts it in quotes. */
export const quote = (text: string, limit: number = MAX_VALUE): string => `"${plain(text, limit - 2)}"`

/** Escapes several lines, such as a formatted report, except for the line breaks. */
export const lines = (text: string): string =>
  text
    .split("\n")
    .map((line) => plain(line, Number.POSITIVE_INFINITY))
    .join("\n")

/** Escapes JSON text: all characters that a terminal could interpret, which in JSON occur only in strings. */
export const jsonText = (text: string): string =>
  text.replace(everyUnprintable, (character) =>
    character === "\n" || character === "\t" || character === "\r"
      ? character
      : Array.from(
          { length: character.length },
          (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`
        ).join("")
  )

/** A value as JSON that is safe to print. */
export const json = (value: unknown, indent?: number): string =>
  jsonText(JSON.stringify(value, undefined, indent) ?? "null")

export const plural = (count: number, noun: string, plural: string = `${noun}s`): string =>
  `${count} ${count === 1 ? noun : plural}`

/** Wraps a text into lines of `width` columns. */
export const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const wrapped: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && columns(line) + 1 + columns(word) > width) {
      wrapped.push(line)
      line = word
    } else {
      line = line === "" ? word : `${line} ${word}`
    }
  }
  wrapped.push(line)
  return wrapped
}

export const pad = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - columns(text)))

const GAP = 2
const NARROWEST = 4

/** Shrinks the widest columns until the table fits, but not below a useful minimum. */
const fit = (natural: ReadonlyArray<number>, width: number): ReadonlyArray<number> => {
  const available = width - GAP * (natural.length - 1)
  let limit = Math.max(...natural)
  const total = (most: number) => natural.reduce((sum, it) => sum + Math.min(it, most), 0)
  while (limit > NARROWEST && total(limit) > available) {
    limit--
  }
  return natural.map((it) => Math.min(it, limit))
}

/**
 * Formats rows of raw texts as a table. Cells are escaped, and shortened if the table would be wider than `width`.
 * `style` colors a padded cell.
 */
export const table = (
  headers: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  width: number | undefined,
  style: (cell: string, column: number, row: number) => string = (cell) => cell
): string => {
  const escaped = [headers, ...rows].map((row) => row.map((cell) => plain(cell)))
  const natural = headers.map((_, column) =>
    escaped.reduce((most, row) => Math.max(most, columns(row[column] ?? "")), 0)
  )
  const widths = width === undefined ? natural : fit(natural, width)
  return escaped
    .map((row, index) =>
      row
        .map((cell, column) => {
          const cut = plain(cell, widths[column])
          const isLast = column === row.length - 1
          return style(isLast ? cut : pad(cut, widths[column] ?? 0), column, index - 1)
        })
        .join(" ".repeat(GAP))
        .trimEnd()
    )
    .join("\n")
}
