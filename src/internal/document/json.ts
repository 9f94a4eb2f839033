/**
 * A JSON reader that keeps what `JSON.parse` discards: the path of each value, duplicate keys, the order of integer-like
 * keys and the nesting depth. It can pause between two values and takes the text in parts, so a large document does not
 * block the event loop: V8 would flatten a text of many megabytes in one step.
 */
import { quoted } from "../util/outsideText.js"

/** The recursion limit of serde_json, the parser of the official engine. */
const MAX_DEPTH = 128

/** The text is not the expected JSON. Callers of this module catch it and return a typed error. */
export class Malformed extends Error {
  constructor(
    readonly kind: "Document" | "Limit",
    readonly path: ReadonlyArray<string | number>,
    readonly problem: string
  ) {
    super(problem)
  }
}

/** Formats a path in JavaScript notation: `flags[3].rules[0].segments`. */
export const formatPath = (path: ReadonlyArray<string | number>): string => {
  let text = ""
  for (const part of path) {
    if (typeof part === "number") {
      text += `[${part}]`
    } else if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(part)) {
      text += text === "" ? part : `.${part}`
    } else {
      text += `[${quoted(part)}]`
    }
  }
  return text
}

const QUOTE = 34
const BACKSLASH = 92
/** In V8, a slice of at least this length keeps the whole source text alive. */
const SLICE_LENGTH = 13

/** The length of `false`, the longest literal. */
const LITERAL_LENGTH = 5

/** Length of the text prefix that memoized values are looked up by. */
const MEMO_KEY_LENGTH = 48

/** A memoized value, with the text and nesting depth that it was read from. */
interface MemoEntry {
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
  /** Keyed by the first `MEMO_KEY_LENGTH` characters of the value's text. */
  private readonly memo = new Map<string, MemoEntry>()

  /** Whether the last string has an escape. */
  private isEscaped = false

  /** The number of characters that are no longer in `text`. */
  private dropped = 0
  /** The start of the text that must not be dropped, beyond what is still to be read. */
  private kept = Number.POSITIVE_INFINITY

  /** `more` returns the next part of the text, of about the given length, and `undefined` at its end. */
  constructor(
    private text: string,
    private more?: ((length: number) => string | undefined) | undefined
  ) {}

  /** The number of characters read so far. */
  get offset(): number {
    return this.dropped + this.position
  }

  /** Calls `read`. Until it returns, everything from here on stays available to `textFrom`. */
  keeping<A>(read: () => A): A {
    this.kept = this.position
    const result = read()
    this.kept = Number.POSITIVE_INFINITY
    return result
  }

  /** The text that is available from an offset on. */
  textFrom(offset: number): string {
    return this.text.slice(offset - this.dropped)
  }

  /** Adds a part to the text, at least as long as what is left of it, so that the work stays linear. */
  private extend(): boolean {
    const drop = Math.min(this.kept, this.position)
    const rest = this.text.slice(drop)
    const part = this.more?.(rest.length)
    if (part === undefined) {
      this.more = undefined
      return false
    }
    this.text = rest + part
    this.position -= drop
    this.kept -= drop
    this.dropped += drop
    return true
  }

  fail(problem: string, kind: "Document" | "Limit" = "Document"): never {
    throw new Malformed(kind, this.path.slice(), problem)
  }

  private unexpected(expected: string): never {
    return this.fail(`expected ${expected}, found ${this.describeNext()}`)
  }

  private describeNext(): string {
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
        return `${quoted(String.fromCodePoint(this.text.codePointAt(this.position) as number))} at character ${this.offset}`
    }
  }

  /** Skips white space and returns the next character code. The text then has a whole literal, if one follows. */
  private skipSpace(): number {
    for (;;) {
      const unit = this.text.charCodeAt(this.position)
      if (unit === 32 || unit === 10 || unit === 13 || unit === 9) {
        this.position++
      } else if (this.position + LITERAL_LENGTH <= this.text.length || this.more === undefined || !this.extend()) {
        return unit
      }
    }
  }

  /** Whether nothing but white space follows. */
  isAtEnd(): boolean {
    return Number.isNaN(this.skipSpace())
  }

  private open(unit: number, expected: string): void {
    if (this.skipSpace() !== unit) {
      this.unexpected(expected)
    }
    if (++this.depth > MAX_DEPTH) {
      this.fail(`nested deeper than ${MAX_DEPTH} levels`, "Limit")
    }
    this.position++
  }

  /** Moves to the next member. Returns false at the closing bracket, which it consumes. */
  private advance(close: number, first: boolean): boolean {
    const unit = this.skipSpace()
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

  /** Begins an object. Returns its first key, or `undefined` at its end. The caller reads the value, then calls `nextKey`. */
  firstKey(): string | undefined {
    this.open(123, "an object")
    return this.advance(125, true) ? this.enterKey() : undefined
  }

  nextKey(): string | undefined {
    this.path.pop()
    return this.advance(125, false) ? this.enterKey() : undefined
  }

  private enterKey(): string {
    if (this.skipSpace() !== QUOTE) {
      this.unexpected("a key in quotes")
    }
    const key = this.string()
    if (this.skipSpace() !== 58) {
      this.unexpected('":"')
    }
    this.position++
    this.path.push(key)
    return key
  }

  /** Yields the keys of a map. A duplicate key is an error. The caller must read each value before it requests the next key. */
  *entries(): Generator<string, void> {
    const seen = new Set<string>()
    for (let key = this.firstKey(); key !== undefined; key = this.nextKey()) {
      if (seen.has(key)) {
        this.fail("occurs twice")
      }
      seen.add(key)
      yield key
    }
  }

  /** Begins a list. Returns false at its end. Otherwise the caller reads the element, then calls `nextElement`. */
  firstElement(): boolean {
    this.open(91, "a list")
    if (this.advance(93, true)) {
      this.path.push(0)
      return true
    }
    return false
  }

  nextElement(): boolean {
    const index = this.path.pop() as number
    if (this.advance(93, false)) {
      this.path.push(index + 1)
      return true
    }
    return false
  }

  /** Moves past a string, and sets `isEscaped`. Returns where the string starts. */
  private scanString(): number {
    if (this.skipSpace() !== QUOTE) {
      this.unexpected("a string")
    }
    let start = this.position
    this.isEscaped = false
    let end = start + 1
    for (; ; end++) {
      const unit = this.text.charCodeAt(end)
      if (unit === QUOTE) {
        break
      }
      if (unit === BACKSLASH) {
        this.isEscaped = true
        end++
      } else if (!(unit >= 32)) {
        // also true at the end of the text, where charCodeAt returns NaN
        if (end >= this.text.length && this.more !== undefined && this.extend()) {
          end -= start - this.position + 1
          start = this.position
          continue
        }
        this.position = Math.min(end, this.text.length)
        this.fail(
          this.position === this.text.length ? "the text ends inside a string" : "a control character in a string"
        )
      }
    }
    this.position = end + 1
    return start
  }

  string(): string {
    const start = this.scanString()
    if (this.isEscaped) {
      return this.unescape(this.text.slice(start, this.position))
    }
    const raw = this.text.slice(start + 1, this.position - 1)
    const known = this.strings.get(raw)
    if (known !== undefined) {
      return known
    }
    const copy = raw.length < SLICE_LENGTH ? raw : (JSON.parse(this.text.slice(start, this.position)) as string)
    this.strings.set(copy, copy)
    return copy
  }

  private skipString(): void {
    const start = this.scanString()
    if (this.isEscaped) {
      this.unescape(this.text.slice(start, this.position))
    }
  }

  private unescape(quoted: string): string {
    let value: string
    try {
      value = JSON.parse(quoted)
    } catch {
      return this.fail("an invalid escape in a string")
    }
    return value.isWellFormed() ? value : this.fail("a lone surrogate in a string")
  }

  /**
   * Reads a value whose exact text is likely to occur again. If it does, returns the value from the first time, without
   * reading the text again.
   */
  memoized<A>(read: (reader: Reader) => A): A {
    this.skipSpace()
    const start = this.position
    const { offset } = this
    const head = this.text.slice(start, start + MEMO_KEY_LENGTH)
    const known = this.memo.get(head)
    // the depth must be equal because nesting is limited
    if (known?.read === read && known.depth === this.depth && this.text.startsWith(known.text, start)) {
      this.position += known.text.length
      return known.value as A
    }
    const value = read(this)
    this.memo.set(head, { text: this.text.slice(offset - this.dropped, this.position), depth: this.depth, read, value })
    return value
  }

  boolean(): boolean {
    this.skipSpace()
    if (this.literal("true")) {
      return true
    }
    return this.literal("false") ? false : this.unexpected("true or false")
  }

  /** Reads a number in single precision, which the official engine calculates with. */
  float(): number {
    this.skipSpace()
    // normalizes -0 to 0
    const value = Math.fround(Number(this.number())) + 0
    return Number.isFinite(value) ? value : this.fail("a number beyond single precision")
  }

  private number(): string {
    numberPattern.lastIndex = this.position
    const match = numberPattern.exec(this.text)
    if (match === null) {
      return this.unexpected("a number")
    }
    if (this.position + match[0].length === this.text.length && this.more !== undefined && this.extend()) {
      return this.number()
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

  /** Consumes the next value if it is `null`. */
  isNull(): boolean {
    return this.skipSpace() === 110 && this.literal("null")
  }

  /** Skips a value of any kind. */
  skip(): void {
    const unit = this.skipSpace()
    if (unit === 123) {
      for (let key = this.firstKey(); key !== undefined; key = this.nextKey()) {
        this.skip()
      }
    } else if (unit === 91) {
      for (let more = this.firstElement(); more; more = this.nextElement()) {
        this.skip()
      }
    } else if (unit === QUOTE) {
      this.skipString()
    } else if (unit === 45 || (unit >= 48 && unit <= 57)) {
      this.number()
    } else if (!(this.literal("null") || this.literal("true") || this.literal("false"))) {
      this.unexpected("a value")
    }
  }

  /** Fails unless only white space follows. */
  end(): void {
    if (!this.isAtEnd()) {
      this.unexpected("the end of the text")
    }
  }
}
