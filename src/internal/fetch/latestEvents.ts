/**
 * A queue of events that keeps the latest one of each kind. A pushed document is a whole state, so one that waits is
 * obsolete as soon as a newer one arrives. A slow client therefore skips states and holds few in memory.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Fetcher from "../../Fetcher.js"

export interface LatestEvents {
  readonly offer: (event: Fetcher.Event) => void
  /** Ends the events with a cause, even if some wait. */
  readonly fail: (cause: Cause.Cause<never>) => void
  /** Takes an event only when it is pulled, so that it never emits one that is obsolete by then. */
  readonly events: Stream.Stream<Fetcher.Event>
}

export const make: Effect.Effect<LatestEvents> = Effect.map(Effect.makeLatch(false), (isFilled) => {
  const waiting: Array<Fetcher.Event> = []
  let failure: Cause.Cause<never> | undefined
  let hasEmitted = false
  /**
   * Returns the next event. If none follows, returns an empty list once, because a Stream retains its last element until it
   * emits again.
   */
  const take: Effect.Effect<ReadonlyArray<Fetcher.Event>> = Effect.suspend(() => {
    if (failure !== undefined) {
      return Effect.failCause(failure)
    }
    const event = waiting.shift()
    if (event === undefined && !hasEmitted) {
      // closed in the same step, so that no offer comes in between
      isFilled.unsafeClose()
      return Effect.zipRight(isFilled.await, take)
    }
    hasEmitted = event !== undefined
    return Effect.succeed(event === undefined ? [] : [event])
  })
  return {
    offer: (event) => {
      const obsolete = waiting.findIndex(({ _tag }) => _tag === event._tag)
      if (obsolete >= 0) {
        waiting.splice(obsolete, 1)
      }
      waiting.push(event)
      // Opening the latch can run the waiting fiber at once, but several events can come together.
      queueMicrotask(() => isFilled.unsafeOpen())
    },
    fail: (cause) => {
      failure = cause
      isFilled.unsafeOpen()
    },
    events: Stream.flattenIterables(Stream.repeatEffect(take))
  }
})
