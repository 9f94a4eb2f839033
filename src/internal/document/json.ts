/**
 * A reader for JSON text that keeps what `JSON.parse` throws away: where a value stands, keys that occur twice, the
 * order of keys that look like integers, and the depth of nesting. It can stop between two values, so that a large
 * document need not hold the event loop.
 */

/** The same depth at which serde_json, the reference's parser, gives up. */
const MAX_DEPTH = 128

/** The text is not what was expected. Thrown inside this module's callers alone, who turn it into a typed error. */
export class Malformed extends Error {
  constructor(
    readonly kind: "Document" | "Limit",
    readonly path: ReadonlyArray<string | number>,
    readonly problem: string
  ) {
    super(problem)
  }
}

/** A path as it is written in code: `flags[3].rules[0].segments`. */
export const formatPath = (path: ReadonlyArray<string | number>): string => {
  let text = ""
  for (const part of path) {
    if (typeof part === "number") {
      text += `[${part}]`
    } else if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(part)) {
      text += text === "" ? part : `.${part}`
    } else {
      text += `[${JSON.stringify(part)}]`
    }
  }
  return text
}

const QUOTE = 34
const BACKSLASH = 92
/** V8 makes a slice of this length or more a view that keeps the whole text alive. */
const SLICE_LENGTH = 13

/** So much of a value's text tells it from most others. */
const HEAD_LENGTH = 48

/** A value that was read, with its text and where that stood. */
interface Known {
  readonly text: string
  readonly depth: number
  readonly read: unknown
  readonly value: unknown
}

const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

export class Reader {
  private position = 0
  private depth = 0
  private readonly path: Array<string | number> = []
  private readonly strings = new Map<string, string>()
  /** By how their text begins. */
  private readonly known = new Map<string, Known>()

  constructor(private readonly text: string) {}

  /** How many characters have been read. */
  get offset(): number {
    return this.position
  }

  fail(problem: string, kind: "Document" | "Limit" = "Document"): never {
    throw new Malformed(kind, this.path.slice(), problem)
  }

  /** Fails with what stands at the present place, in place of what was expected. */
  private unexpected(expected: string): never {
    return this.fail(`expected ${expected}, found ${this.describe()}`)
  }

  private describe(): string {
    const character = this.text[this.position]
    switch (character) {
      case undefined:
        return "the end of the text"
      case "{":
        return "an object"
      case "[":
        return "a list"
      case '"':
        return "a string"
      default:
        if (character === "-" || (character >= "0" && character <= "9")) {
          return "a number"
        }
        for (const literal of ["null", "true", "false"]) {
          if (this.text.startsWith(literal, this.position)) {
            return literal
          }
        }
        return `${JSON.stringify(String.fromCodePoint(this.text.codePointAt(this.position) as number))} at character ${this.position}`
    }
  }

  private space(): number {
    for (;;) {
      const unit = this.text.charCodeAt(this.position)
      if (unit === 32 || unit === 10 || unit === 13 || unit === 9) {
        this.position++
      } else {
        return unit
      }
    }
  }

  private open(unit: number, expected: string): void {
    if (this.space() !== unit) {
      this.unexpected(expected)
    }
    if (++this.depth > MAX_DEPTH) {
      this.fail(`nested deeper than ${MAX_DEPTH} levels`, "Limit")
    }
    this.position++
  }

  /** Moves to the next member; false at the closing bracket, which is consumed. */
  private advance(close: number, first: boolean): boolean {
    const unit = this.space()
    if (unit === close) {
      this.position++
      this.depth--
      return false
    }
    if (!first) {
      if (unit !== 44) {
        this.unexpected(close === 125 ? '"," or "}"' : '"," or "]"')
      }
      this.position++
    }
    return true
  }

  /** An object, key by key: the caller reads the value of each before it asks for the next. */
  *members(): Generator<string, void> {
    this.open(123, "an object")
    for (let first = true; this.advance(125, first); first = false) {
      const key = this.key()
      this.path.push(key)
      yield key
      this.path.pop()
    }
  }

  private key(): string {
    if (this.space() !== QUOTE) {
      this.unexpected("a key in quotes")
    }
    const key = this.string()
    if (this.space() !== 58) {
      this.unexpected('":"')
    }
    this.position++
    return key
  }

  /** An object in which every key may occur once: for maps, whose keys are not known beforehand. */
  *entries(): Generator<string, void> {
    const seen = new Set<string>()
    for (const key of this.members()) {
      if (seen.has(key)) {
        this.fail("occurs twice")
      }
      seen.add(key)
      yield key
    }
  }

  /** A list, element by element: the caller reads each before it asks for the next. */
  *elements(): Generator<number, void> {
    this.open(91, "a list")
    for (let index = 0; this.advance(93, index === 0); index++) {
      this.path.push(index)
      yield index
      this.path.pop()
    }
  }

  string(): string {
    if (this.space() !== QUOTE) {
      this.unexpected("a string")
    }
    const start = this.position
    let escaped = false
    let end = start + 1
    for (; ; end++) {
      const unit = this.text.charCodeAt(end)
      if (unit === QUOTE) {
        break
      }
      if (unit === BACKSLASH) {
        escaped = true
        end++
      } else if (!(unit >= 32)) {
        // also at the end of the text, where charCodeAt gives NaN
        this.position = Math.min(end, this.text.length)
        this.fail(
          this.position === this.text.length ? "the text ends inside a string" : "a control character in a string"
        )
      }
    }
    this.position = end + 1
    if (escaped) {
      return this.unescape(this.text.slice(start, end + 1))
    }
    const raw = this.text.slice(start + 1, end)
    const known = this.strings.get(raw)
    if (known !== undefined) {
      return known
    }
    const copy = raw.length < SLICE_LENGTH ? raw : (JSON.parse(this.text.slice(start, end + 1)) as string)
    this.strings.set(copy, copy)
    return copy
  }

  private unescape(quoted: string): string {
    let value: string
    try {
      value = JSON.parse(quoted)
    } catch {
      return this.fail("an escape in a string that JSON does not know")
    }
    return value.isWellFormed() ? value : this.fail("a lone surrogate in a string")
  }

  /**
   * Reads an object of which the same text is likely to come again: then it is not read again, and the value is the one
   * that was given before.
   */
  again<A>(read: (reader: Reader) => A): A {
    this.space()
    const start = this.position
    const head = this.text.slice(start, start + HEAD_LENGTH)
    const known = this.known.get(head)
    // the depth counts, since it is bounded
    if (known?.read === read && known.depth === this.depth && this.text.startsWith(known.text, start)) {
      this.position += known.text.length
      return known.value as A
    }
    const value = read(this)
    this.known.set(head, { text: this.text.slice(start, this.position), depth: this.depth, read, value })
    return value
  }

  boolean(): boolean {
    this.space()
    if (this.literal("true")) {
      return true
    }
    return this.literal("false") ? false : this.unexpected("true or false")
  }

  /** A number in single precision, which is what the reference calculates with. */
  float(): number {
    this.space()
    // of the two zeros there is only one from here on
    const value = Math.fround(Number(this.number())) + 0
    return Number.isFinite(value) ? value : this.fail("a number beyond single precision")
  }

  private number(): string {
    numberPattern.lastIndex = this.position
    const match = numberPattern.exec(this.text)
    if (match === null) {
      return this.unexpected("a number")
    }
    this.position += match[0].length
    return match[0]
  }

  private literal(literal: string): boolean {
    if (this.text.startsWith(literal, this.position)) {
      this.position += literal.length
      return true
    }
    return false
  }

  /** Consumes `null` if it stands here. */
  isNull(): boolean {
    return this.space() === 110 && this.literal("null")
  }

  /** Reads over a value of any kind. */
  skip(): void {
    const unit = this.space()
    if (unit === 123) {
      for (const _ of this.members()) {
        this.skip()
      }
    } else if (unit === 91) {
      for (const _ of this.elements()) {
        this.skip()
      }
    } else if (unit === QUOTE) {
      this.string()
    } else if (unit === 45 || (unit >= 48 && unit <= 57)) {
      this.number()
    } else if (!(this.literal("null") || this.literal("true") || this.literal("false"))) {
      this.unexpected("a value")
    }
  }

  /** Nothing but white space may follow. */
  end(): void {
    if (!Number.isNaN(this.space())) {
      this.unexpected("the end of the text")
    }
  }
}

/** How one known field of a struct is read. */
export interface Field<A> {
  readonly name: string
  readonly read: (reader: Reader) => A
  /** What stands for a field that is absent or null; fields without it are required. */
  readonly absent?: { readonly value: A }
}

export const required = <A>(name: string, read: (reader: Reader) => A): Field<A> => ({ name, read })

export const optional = <A, B>(name: string, read: (reader: Reader) => A, value: B): Field<A | B> => ({
  name,
  read,
  absent: { value }
})

const UNREAD = Symbol()

/**
 * Reads an object by its known fields. Unknown ones are passed over; a known one that is missing or occurs twice is a
 * fault. Every result has its properties in the order of `fields`, so that all of them share one hidden class.
 */
export const struct = <A>(fields: { readonly [K in keyof A]-?: Field<A[K]> }): ((reader: Reader) => A) => {
  const entries = Object.entries<Field<unknown>>(fields)
  const indexes = new Map(entries.map(([, field], index) => [field.name, index]))
  return (reader) => {
    const values: Array<unknown> = entries.map(() => UNREAD)
    for (const name of reader.members()) {
      const index = indexes.get(name)
      if (index === undefined) {
        reader.skip()
        continue
      }
      if (values[index] !== UNREAD) {
        reader.fail("occurs twice")
      }
      const [, field] = entries[index]!
      values[index] = field.absent !== undefined && reader.isNull() ? field.absent.value : field.read(reader)
    }
    const result: Record<string, unknown> = {}
    for (let index = 0; index < entries.length; index++) {
      const [property, field] = entries[index]!
      if (values[index] !== UNREAD) {
        result[property] = values[index]
      } else if (field.absent !== undefined) {
        result[property] = field.absent.value
      } else {
        reader.fail(`"${field.name}" is missing`)
      }
    }
    return result as A
  }
}

export const list =
  <A>(element: (reader: Reader) => A) =>
  (reader: Reader): Array<A> => {
    const values: Array<A> = []
    for (const _ of reader.elements()) {
      values.push(element(reader))
    }
    return values
  }

export const string = (reader: Reader): string => reader.string()

export const boolean = (reader: Reader): boolean => reader.boolean()

export const float = (reader: Reader): number => reader.float()
