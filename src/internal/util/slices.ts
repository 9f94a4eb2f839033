/**
 * Long work in slices, which do not block the event loop.
 */
import * as Effect from "effect/Effect"
import { yieldToEventLoop } from "./yieldToEventLoop.js"

/** How many bytes to process before yielding: less than a millisecond of hashing, or a few before V8 optimizes the code. */
const SLICE_BYTES = 64 * 1024

/** The number of bytes in chunks. */
export const sizeOf = (chunks: ReadonlyArray<Uint8Array>): number =>
  chunks.reduce((size, chunk) => size + chunk.length, 0)

/** Whether `forEachSlice` yields before it has processed all chunks. */
export const needsSlices = (chunks: ReadonlyArray<Uint8Array>): boolean => sizeOf(chunks) > SLICE_BYTES

/**
 * Calls `use` for consecutive slices of the chunks, whatever their sizes, and yields to the event loop at regular
 * intervals.
 */
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

/** Runs a slice of work again until it returns true. Yields to the event loop in between. */
export const repeatSlice = <E, R>(slice: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  slice.pipe(
    Effect.tap((isDone) => (isDone ? Effect.void : yieldToEventLoop)),
    Effect.repeat({ until: (isDone) => isDone }),
    Effect.asVoid
  )
