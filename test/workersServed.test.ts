/**
 * Clients that are served to workers. These tests use one thread, because a BroadcastChannel works there as well;
 * workersShared.test.ts uses real workers.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import * as FliptClients from "../src/FliptClients.js"
import * as FliptTest from "../src/FliptTest.js"
import * as Workers from "../src/Workers.js"
import { booleanFlag, makeDocument } from "./support/documents.js"
import { untilOf } from "./support/wait.js"

/** A client's result for a flag. */
const enabled = (client: FliptClient.Service, flagKey: string) =>
  Effect.map(Effect.either(client.evaluateBoolean({ flagKey, entityId: "user-1" })), (result) =>
    result._tag === "Right" ? result.right.enabled : result.left.reason
  )

const worker = (options?: Workers.ClientOptions) =>
  Effect.flatMap(Layer.build(Workers.layerClient(options)), (context) =>
    Effect.provide(FliptClient.FliptClient, context)
  )

describe("workers are served", () => {
  it.scopedLive("the state of a test client, which does not come from a document", () =>
    Effect.gen(function* () {
      const client = yield* worker()
      expect(yield* enabled(client, "a")).toBe(true)
      yield* FliptTest.set("a", false)
      yield* untilOf(enabled(client, "a"), (value) => value === false)
    }).pipe(Effect.provide(FliptTest.layer({ flags: { a: true } }).pipe(Layer.provide(Workers.layerServe))))
  )

  it.scopedLive("every client of FliptClients, by its namespace", () =>
    Effect.gen(function* () {
      const clients = yield* FliptClients.FliptClients
      for (const namespace of ["books", "toys"]) {
        yield* clients.get({ namespace })
      }
      const [books, toys] = [yield* worker({ namespace: "books" }), yield* worker({ namespace: "toys" })]
      expect(yield* Effect.all([enabled(books, "books"), enabled(toys, "toys"), enabled(toys, "books")])).toEqual([
        true,
        true,
        "FlagNotFound"
      ])
    }).pipe(
      Effect.provide(
        FliptClients.layerWithoutDependencies({
          client: ({ namespace = "default" }) =>
            FliptClient.layerWithoutDependencies().pipe(
              Layer.provide([
                Fetcher.layerStatic(JSON.stringify(makeDocument([booleanFlag(namespace, true)], namespace)), {
                  namespace
                }),
                Engine.layerPortable
              ])
            )
        }).pipe(Layer.provide(Workers.layerServe))
      )
    )
  )

  it.scopedLive("a seed, unconfirmed, while the main thread's source does not respond", () =>
    Effect.gen(function* () {
      const seed = yield* Effect.flatMap(FliptClient.FliptClient, ({ getSnapshot }) => getSnapshot).pipe(
        Effect.provide(FliptClient.layerMock({ a: true }))
      )
      const silent = Layer.succeed(Fetcher.Fetcher, {
        source: { kind: "polling", environment: "default", namespace: "default" },
        fetch: () => Effect.never,
        events: () => Stream.never
      })
      const main = yield* FliptClient.FliptClient.pipe(
        Effect.provide(
          yield* Layer.build(
            FliptClient.layerWithoutDependencies({ errorStrategy: "fallback", snapshot: seed }).pipe(
              Layer.provide([silent, Engine.layerPortable]),
              Layer.provide(Workers.layerServe)
            )
          )
        )
      )
      const client = yield* worker({ errorStrategy: "fallback" })
      expect(yield* enabled(client, "a")).toBe(true)
      yield* untilOf(Effect.zip(client.status, main.status), ([its, ours]) => its._tag === ours._tag)
      expect(yield* client.status).toMatchObject({ _tag: "Stale", origin: "seed", confirmedAt: undefined })
      expect((yield* client.statusChanges.pipe(Stream.take(1), Stream.runCollect)).length).toBe(1)
    })
  )
})

describe("options", () => {
  it.scopedLive("that are invalid fail with a ValidationError", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(worker({ namespace: "" }))
      expect(error).toMatchObject({ _tag: "ValidationError", reason: "Option" })
    })
  )
})
