/**
 * A Snapshot's piece of memory that requests are written into and answers are read from, so that a call into the
 * library hands over numbers alone.
 */
import type { Library } from "./library.js"

const INITIAL_BYTES = 4 * 1024
const WORD = 4

export class Arena {
  private words = new Uint32Array(0)
  private bytes = new Uint8Array(0)
  private readonly encoder = new TextEncoder()
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
    bytes.set(this.bytes)
    this.bytes = bytes
    this.words = new Uint32Array(buffer)
    this.handle = handle
  }

  /** Makes sure of this many bytes; what is in the memory stays. */
  reserve(size: number): void {
    if (size > this.bytes.length) {
      this.allocate(2 ** Math.ceil(Math.log2(size)))
    }
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

  /** Writes a text as UTF-8 from an offset of bytes on; gives the offset behind it. A lone surrogate becomes U+FFFD. */
  writeText(offset: number, text: string): number {
    // three bytes for a unit of UTF-16 are always enough
    this.reserve(offset + text.length * 3)
    const { bytes } = this
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) {
        return offset + this.encoder.encodeInto(text, bytes.subarray(offset)).written
      }
      bytes[offset + i] = unit
    }
    return offset + text.length
  }

  /**
   * Writes an entity's id and the values that a flag reads: their lengths in words, then their texts. `start` is a word.
   * Gives the offset of bytes behind them.
   */
  writeRequest(start: number, entityId: string, values: ReadonlyArray<string>): number {
    const texts = (start + 1 + values.length) * WORD
    this.reserve(texts)
    let offset = this.writeText(texts, entityId)
    this.words[start] = offset - texts
    for (let index = 0; index < values.length; index++) {
      const end = this.writeText(offset, values[index] as string)
      this.words[start + 1 + index] = end - offset
      offset = end
    }
    return offset
  }
}
