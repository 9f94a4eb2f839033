/**
 * The memory that a Snapshot shares with the native library, so that a call passes only numbers. It starts with the slots
 * of a request, which are filled for each call. The texts follow; a text stays in place for later calls that need it.
 */
import type { Library } from "./library.js"

const WORD = 4
/** A slot holds the offset and the length of a text. */
const SLOT = 2 * WORD
const INITIAL_BYTES = 4 * 1024
const INITIAL_SLOT_BYTES = 256
/** After this many bytes of texts the arena is reset: most texts belong to entities that do not recur. */
const MAX_TEXT_BYTES = 16 * 1024

/** A reset shrinks an arena that has grown beyond this size. */
const MAX_IDLE_BYTES = 1024 * 1024

/** Longer texts are written again for each call. */
const MAX_REUSED_BYTES = 256

/** A text in the arena: an entity id or the value of one property. */
export interface TextEntry {
  /** The value in the arena. Exactly one of the two is set; the other is `undefined` or NaN. */
  text: string | undefined
  number: number
  offset: number
  length: number
  /** The arena's generation when the text was written. A reset starts a new generation. */
  generation: number
}

export const makeTextEntry = (): TextEntry => ({
  text: undefined,
  number: Number.NaN,
  offset: 0,
  length: 0,
  generation: 0
})

export class Arena {
  private words = new Uint32Array(0)
  private bytes = new Uint8Array(0)
  private readonly encoder = new TextEncoder()
  /** Offset of the first text. */
  private textsStart = INITIAL_SLOT_BYTES
  /** Offset after the last text. */
  private textsEnd = INITIAL_SLOT_BYTES
  private generation = 1
  /** The library's handle for the memory, 0 once freed. */
  handle = 0

  constructor(private readonly library: Library) {
    this.allocate(INITIAL_BYTES)
  }

  private allocate(size: number): void {
    const buffer = new ArrayBuffer(size)
    const bytes = new Uint8Array(buffer)
    const handle = this.library.arenaNew(bytes, size)
    this.free()
    bytes.set(this.bytes.subarray(0, size))
    this.bytes = bytes
    this.words = new Uint32Array(buffer)
    this.handle = handle
  }

  free(): void {
    if (this.handle !== 0) {
      this.library.arenaFree(this.handle)
      this.handle = 0
    }
  }

  word(index: number): number {
    return this.words[index] as number
  }

  setWord(index: number, value: number): void {
    this.words[index] = value
  }

  /** Starts a call that needs this many words before the texts. May reset the arena, which discards all texts. */
  ensureWords(words: number): void {
    if (words * WORD > this.textsStart || this.textsEnd - this.textsStart > MAX_TEXT_BYTES) {
      this.reset(words)
    }
  }

  private reset(words: number): void {
    this.generation++
    this.textsStart = Math.max(INITIAL_SLOT_BYTES, 2 ** Math.ceil(Math.log2(words * WORD)))
    this.textsEnd = this.textsStart
    if (this.bytes.length > Math.max(MAX_IDLE_BYTES, this.textsStart)) {
      this.allocate(Math.max(INITIAL_BYTES, this.textsStart))
    }
    this.reserve(this.textsStart)
  }

  /** Grows the memory to at least this many bytes and keeps its contents. */
  private reserve(size: number): void {
    if (size > this.bytes.length) {
      this.allocate(2 ** Math.ceil(Math.log2(size)))
    }
  }

  /** Points the slot at a word to the text of a value. Writes the text unless it is already in the arena. */
  writeSlot(word: number, entry: TextEntry, value: string | number): void {
    // compared separately by type: a comparison that sees both types is slow in V8
    if (
      entry.generation !== this.generation ||
      (typeof value === "string" ? entry.text !== value : entry.number !== value)
    ) {
      this.writeText(entry, value)
    }
    this.words[word] = entry.offset
    this.words[word + 1] = entry.length
  }

  private writeText(entry: TextEntry, value: string | number): void {
    const text = typeof value === "string" ? value : String(value)
    const offset = this.textsEnd
    // a UTF-16 code unit needs at most three bytes in UTF-8
    this.reserve(offset + text.length * 3)
    const { bytes } = this
    let length = text.length
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) {
        // a lone surrogate becomes U+FFFD
        length = this.encoder.encodeInto(text, bytes.subarray(offset)).written
        break
      }
      bytes[offset + i] = unit
    }
    this.textsEnd = offset + length
    // keeping a long text would keep it alive in memory
    entry.text = typeof value === "string" && length <= MAX_REUSED_BYTES ? value : undefined
    entry.number = typeof value === "number" ? value : Number.NaN
    entry.offset = offset
    entry.length = length
    entry.generation = this.generation
  }
}

/** The number of words for the slots of a request with this many values plus the entity id. */
export const slotWords = (values: number): number => ((values + 1) * SLOT) / WORD
