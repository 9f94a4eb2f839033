/**
 * Every hub that a client makes, to see what waits in it and how many listen to it. A test file has it recorded with
 * `vi.mock("effect/PubSub", ...)`; the hubs work as ever.
 */
import * as Effect from "effect/Effect"
import type * as PubSub from "effect/PubSub"

/** The hubs made so far in this test file, the oldest first. */
export const hubs: Array<PubSub.PubSub<unknown>> = []

/** The module with each new sliding hub recorded. */
export const recording = (original: typeof PubSub): typeof PubSub => ({
  ...original,
  sliding: <A>(capacity: number | { readonly capacity: number; readonly replay?: number | undefined }) =>
    Effect.tap(original.sliding<A>(capacity), (hub) => Effect.sync(() => hubs.push(hub as PubSub.PubSub<unknown>)))
})

/** How many listen to a hub. */
export const listenersOf = (hub: PubSub.PubSub<unknown>): number =>
  (hub as unknown as { readonly pubsub: { readonly subscriberCount: number } }).pubsub.subscriberCount
