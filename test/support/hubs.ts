/**
 * Records every hub that a client makes, to inspect its elements and subscribers. A test file enables this with
 * `vi.mock("effect/PubSub", ...)`, which does not change how hubs work.
 */
import * as Effect from "effect/Effect"
import type * as PubSub from "effect/PubSub"

/** The hubs of this test file so far, the oldest first. */
export const hubs: Array<PubSub.PubSub<unknown>> = []

/** The module, with a `sliding` that records each hub. */
export const recording = (original: typeof PubSub): typeof PubSub => ({
  ...original,
  sliding: <A>(capacity: number | { readonly capacity: number; readonly replay?: number | undefined }) =>
    Effect.tap(original.sliding<A>(capacity), (hub) => Effect.sync(() => hubs.push(hub as PubSub.PubSub<unknown>)))
})

/** The number of subscribers of a hub. */
export const listenersOf = (hub: PubSub.PubSub<unknown>): number =>
  (hub as unknown as { readonly pubsub: { readonly subscriberCount: number } }).pubsub.subscriberCount
