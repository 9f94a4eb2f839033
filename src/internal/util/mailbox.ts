/**
 * A queue that callbacks outside of Effect can fill.
 */
import * as Effect from "effect/Effect"

export interface Mailbox<A> {
  readonly offer: (element: A) => void
  /** The next element. Waits for it. Only one fiber may take. */
  readonly take: Effect.Effect<A>
}

export const make = <A>(): Effect.Effect<Mailbox<A>> =>
  Effect.map(Effect.makeLatch(false), (isFilled) => {
    const waiting: Array<A> = []
    const take: Effect.Effect<A> = Effect.suspend(() => {
      if (waiting.length > 0) {
        return Effect.succeed(waiting.shift() as A)
      }
      // closed in the same step, so that no offer comes in between
      isFilled.unsafeClose()
      return Effect.zipRight(isFilled.await, take)
    })
    return {
      offer: (element) => {
        waiting.push(element)
        isFilled.unsafeOpen()
      },
      take
    }
  })
