import * as Effect from "effect/Effect"
import { turn } from "./yieldToEventLoop.js"

/** How much is done between two turns of the event loop: a millisecond or two of hashing. */
const SLICE = 256 * 1024

/** Goes over bytes that come in chunks, however large or small these are, and lets the event loop turn in between. */
export const forEachSlice = (
  chunks: ReadonlyArray<Uint8Array>,
  use: (slice: Uint8Array) => void
): Effect.Effect<void> =>
  Effect.gen(function* () {
    let room = SLICE
    for (const chunk of chunks) {
      for (let start = 0; start < chunk.length; ) {
        const slice = chunk.subarray(start, start + room)
        use(slice)
        start += slice.length
        room -= slice.length
        if (room === 0) {
          yield* turn
          room = SLICE
        }
      }
    }
  })
