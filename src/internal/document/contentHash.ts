/**
 * The hash of a document's content. It ignores white space between tokens, because Flipt varies it: two builds of the
 * same server space the same document differently.
 *
 * The hash detects changes. It does not resist someone who constructs a collision.
 */
import * as Effect from "effect/Effect"
import { PRIME_1, PRIME_2, SEED_1, SEED_2, toHex } from "../util/hash64.js"
import { forEachSlice } from "../util/slices.js"

const QUOTE = 0x22
const BACKSLASH = 0x5c
const MAX_SPACE = 0x20

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Another multiplier of MurmurHash3. */
const PRIME_3 = 0x1b873593

/** Spreads the bits of a word. Otherwise a difference in its first byte would reach few bits of the hashes. */
const spread = (word: number): number => {
  const mixed = Math.imul(word, PRIME_2)
  return (mixed << 15) | (mixed >>> 17)
}

const mix1 = (hash: number, spreadWord: number): number => {
  const mixed = Math.imul(hash ^ spreadWord, PRIME_1)
  return (mixed << 15) | (mixed >>> 17)
}

const mix2 = (hash: number, spreadWord: number): number => {
  const mixed = Math.imul(hash ^ spreadWord, PRIME_3)
  return (mixed << 13) | (mixed >>> 19)
}

/**
 * Two 32-bit hashes side by side, over words of four bytes. The result does not depend on how the text is divided into
 * slices.
 */
class ContentHasher {
  private first = SEED_1 | 0
  private second = SEED_2 | 0
  /** The last four bytes, of which `count % 4` have not been mixed yet. */
  private word = 0
  private count = 0
  private isInString = false
  private isEscaped = false

  // Documents can reach a hundred megabytes. One loop per state, with local variables, is three times as fast,
  // so both loops mix.
  update(slice: Uint8Array): void {
    let { count, first, isEscaped, isInString, second, word } = this
    const { length } = slice
    let i = 0
    while (i < length) {
      while (i < length && !isInString) {
        const byte = slice[i++] as number
        if (byte <= MAX_SPACE && isSpace(byte)) {
          continue
        }
        word = (word << 8) | byte
        count = (count + 1) | 0
        if ((count & 3) === 0) {
          const mixed = spread(word)
          first = mix1(first, mixed)
          second = mix2(second, mixed)
        }
        isInString = byte === QUOTE
      }
      while (i < length && isInString) {
        const byte = slice[i++] as number
        word = (word << 8) | byte
        count = (count + 1) | 0
        if ((count & 3) === 0) {
          const mixed = spread(word)
          first = mix1(first, mixed)
          second = mix2(second, mixed)
        }
        if (isEscaped) {
          isEscaped = false
        } else {
          isInString = byte !== QUOTE
          isEscaped = byte === BACKSLASH
        }
      }
    }
    this.first = first
    this.second = second
    this.word = word
    this.count = count
    this.isInString = isInString
    this.isEscaped = isEscaped
  }

  get hex(): string {
    const { count, first, second, word } = this
    // the last bytes, which may not fill a word, and then the size
    const rest = count & 3
    const last = spread(rest === 0 ? 0 : word & ((1 << (8 * rest)) - 1))
    const size = spread(count)
    return toHex(mix1(mix1(first, last), size), mix2(mix2(second, last), size))
  }
}

/** The hash of a JSON text in chunks. Yields to the event loop at regular intervals. */
export const contentHash = (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<string> =>
  Effect.suspend(() => {
    const hasher = new ContentHasher()
    return Effect.map(
      forEachSlice(chunks, (slice) => hasher.update(slice)),
      () => hasher.hex
    )
  })
