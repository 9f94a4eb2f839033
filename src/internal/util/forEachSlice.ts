import * as Effect from "effect/Effect"
import { yieldToEventLoop } from "./yieldToEventLoop.js"

/** How much is done between two turns of the event loop: a millisecond or two of hashing. */
const SLICE_BYTES = 256 * 1024

/** Goes over bytes that come in chunks, however large or small these are, and lets the event loop turn in between. */
export const forEachSlice = (
  chunks: ReadonlyArray<Uint8Array>,
  use: (slice: Uint8Array) => void
): Effect.Effect<void> =>
  Effect.gen(function* () {
    let remaining = SLICE_BYTES
    for (const chunk of chunks) {
      for (let start = 0; start < chunk.length; ) {
        const slice = chunk.subarray(start, start + remaining)
        use(slice)
        start += slice.length
        remaining -= slice.length
        if (remaining === 0) {
          yield* yieldToEventLoop
          remaining = SLICE_BYTES
        }
      }
    }
  })
