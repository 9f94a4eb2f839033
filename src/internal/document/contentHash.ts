/**
 * The hash of a document's content. It ignores white space between tokens, because Flipt varies it: two builds of the
 * same server space the same document differently.
 */
import * as Effect from "effect/Effect"
import { Hasher } from "../util/hash64.js"
import { forEachSlice } from "../util/slices.js"

const QUOTE = 0x22
const BACKSLASH = 0x5c

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Copies a slice without the white space outside of strings. Keeps its place in the text from one slice to the next. */
const makeCompactor = (): ((slice: Uint8Array) => Uint8Array) => {
  let isInString = false
  let isEscaped = false
  return (slice) => {
    const compact = new Uint8Array(slice.length)
    let size = 0
    for (let i = 0; i < slice.length; i++) {
      const byte = slice[i] as number
      if (isEscaped) {
        isEscaped = false
      } else if (byte === QUOTE) {
        isInString = !isInString
      } else if (isInString) {
        isEscaped = byte === BACKSLASH
      } else if (isSpace(byte)) {
        continue
      }
      compact[size++] = byte
    }
    return compact.subarray(0, size)
  }
}

/** The hash of a JSON text in chunks. Yields to the event loop at regular intervals. */
export const contentHash = (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<string> =>
  Effect.suspend(() => {
    const compact = makeCompactor()
    const hasher = new Hasher()
    return Effect.map(
      forEachSlice(chunks, (slice) => hasher.update(compact(slice))),
      () => hasher.hex
    )
  })
