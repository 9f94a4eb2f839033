/**
 * A client for one server, and a Fetcher that the test controls.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Fetcher from "../../src/Fetcher.js"
import * as FliptClient from "../../src/FliptClient.js"
import type { FetchError } from "../../src/FliptError.js"
import { booleanFlag, makeDocument, variantFlag } from "./documents.js"

const noRetries = Effect.provideService(Fetcher.RetryPolicy, Schedule.stop)

/** A client without retries. */
export const makeClient = (options?: FliptClient.Options) => noRetries(FliptClient.make(options))

export const on = { flagKey: "on", entityId: "user-1" } as const

export const document = makeDocument([
  booleanFlag("on", true),
  booleanFlag("off", false),
  variantFlag("theme", "dark", '{"accent":"teal"}')
])

/** A Fetcher whose answers and events the test controls. */
export const makeManual = (initial: object) =>
  Effect.gen(function* () {
    const events = yield* Queue.unbounded<Fetcher.Event>()
    const encode = (document: object) => [new TextEncoder().encode(JSON.stringify(document))]
    const state = {
      answer: Effect.succeed(Fetcher.Document({ bytes: encode(initial), version: Option.some("1") })) as Effect.Effect<
        Fetcher.Update,
        FetchError
      >,
      asked: [] as Array<Option.Option<string>>
    }
    return {
      state,
      encode,
      tell: (event: Fetcher.Event) => Queue.offer(events, event),
      layer: Layer.succeed(Fetcher.Fetcher, {
        source: { kind: "manual", environment: "default", namespace: "default" },
        fetch: (loaded) =>
          Effect.suspend(() => {
            state.asked.push(loaded)
            return state.answer
          }),
        events: () => Stream.fromQueue(events)
      })
    }
  })
