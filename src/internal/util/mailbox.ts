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
    const take: Effect.Effect<A> = Effect.suspend(() =>
      waiting.length === 0
        ? Effect.zipRight(Effect.zipRight(isFilled.close, isFilled.await), take)
        : Effect.succeed(waiting.shift() as A)
    )
    return {
      offer: (element) => {
        waiting.push(element)
        isFilled.unsafeOpen()
      },
      take
    }
  })
