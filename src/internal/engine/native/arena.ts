/**
 * A Snapshot's piece of memory that requests are written into and answers are read from, so that a call into the
 * library hands over numbers alone. It begins with the slots of a request, which are filled for each call, and behind
 * them are texts. A text stays where it is for the next call that needs the same.
 */
import type { Library } from "./library.js"

const WORD = 4
/** Of a text in a request: its offset and its length. */
const SLOT = 2 * WORD
const INITIAL_BYTES = 4 * 1024
const INITIAL_HEAD = 256
/** When so many bytes of texts have been written, it begins anew: most are of entities that will not come again. */
const TEXT_BYTES = 16 * 1024

/** A request may have taken more memory than this, which is given back when the memory begins anew. */
const MAX_IDLE_BYTES = 1024 * 1024

/** Longer texts are written anew for each call. */
const MAX_KEPT = 256

/** A text in the memory: the one of an entity's id, or the value of one property. */
export interface Place {
  /** What stands there: a text, or that of a number. The other one is what no value is. */
  text: string | undefined
  number: number
  offset: number
  length: number
  /** Which of the times that the memory was begun anew this is from. */
  era: number
}

export const makePlace = (): Place => ({ text: undefined, number: Number.NaN, offset: 0, length: 0, era: 0 })

export class Arena {
  private words = new Uint32Array(0)
  private bytes = new Uint8Array(0)
  private readonly encoder = new TextEncoder()
  /** Where the texts begin. */
  private head = INITIAL_HEAD
  /** Behind the last text. */
  private end = INITIAL_HEAD
  private era = 1
  /** The library's handle of the memory. */
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

  /** Begins a call that needs so many words before the texts. Texts that are there from calls before may be gone. */
  begin(words: number): void {
    if (words * WORD > this.head || this.end - this.head > TEXT_BYTES) {
      this.restart(words)
    }
  }

  private restart(words: number): void {
    this.era++
    this.head = Math.max(INITIAL_HEAD, 2 ** Math.ceil(Math.log2(words * WORD)))
    this.end = this.head
    if (this.bytes.length > Math.max(MAX_IDLE_BYTES, this.head)) {
      this.allocate(Math.max(INITIAL_BYTES, this.head))
    }
    this.reserve(this.head)
  }

  /** Makes sure of this many bytes; what is in the memory stays. */
  private reserve(size: number): void {
    if (size > this.bytes.length) {
      this.allocate(2 ** Math.ceil(Math.log2(size)))
    }
  }

  /** Makes the slot at a word point at the value's text, which is written unless it is there. */
  fill(word: number, place: Place, value: string | number): void {
    // apart, since a comparison that meets both types is slow in V8
    if (place.era !== this.era || (typeof value === "string" ? place.text !== value : place.number !== value)) {
      this.write(place, value)
    }
    this.words[word] = place.offset
    this.words[word + 1] = place.length
  }

  private write(place: Place, value: string | number): void {
    const text = typeof value === "string" ? value : String(value)
    const offset = this.end
    // three bytes for a unit of UTF-16 are always enough
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
    this.end = offset + length
    // a long one is not worth being kept alive for
    place.text = typeof value === "string" && length <= MAX_KEPT ? value : undefined
    place.number = typeof value === "number" ? value : Number.NaN
    place.offset = offset
    place.length = length
    place.era = this.era
  }
}

/** How many words the slots of a request take that has so many values beside the entity's id. */
export const slotWords = (values: number): number => ((values + 1) * SLOT) / WORD
