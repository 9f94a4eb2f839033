/**
 * Clients that are served to workers. These tests use one thread, because a BroadcastChannel works there as well;
 * workersShared.test.ts uses real workers.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import * as FliptClients from "../src/FliptClients.js"
import * as FliptTest from "../src/FliptTest.js"
import { type HasNativeHandle, nativeHandle } from "../src/internal/snapshot/nativeHandle.js"
import type { Received } from "../src/internal/workers/link.js"
import * as Source from "../src/internal/workers/source.js"
import * as Workers from "../src/Workers.js"
import { booleanFlag, makeDocument } from "./support/documents.js"
import { native, reason } from "./support/engines.js"
import { captured } from "./support/logs.js"
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
      yield* captured((lines) =>
        Effect.gen(function* () {
          const client = yield* worker()
          expect(yield* enabled(client, "a")).toBe(true)
          for (const next of [false, true, false]) {
            yield* FliptTest.set("a", next)
            yield* untilOf(enabled(client, "a"), (value) => value === next)
          }
          expect(lines.filter(({ level }) => level !== "DEBUG")).toEqual([])
        })
      )
    }).pipe(Effect.provide(FliptTest.layer({ flags: { a: true } }).pipe(Layer.provide(Workers.layerServe))))
  )

  it.scopedLive("the last state after its client has closed, and their status says so", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* FliptTest.layer({ flags: { a: true } }).pipe(
        Layer.provide(Workers.layerServe),
        Layer.buildWithScope(scope)
      )
      const client = yield* worker({ errorStrategy: "fallback" })
      yield* untilOf(client.status, ({ _tag }) => _tag === "Ready")
      yield* Scope.close(scope, Exit.void)
      yield* untilOf(client.status, ({ _tag }) => _tag === "Stale")
      expect(yield* client.status).toMatchObject({ mode: "workers", connected: false })
      expect(yield* enabled(client, "a")).toBe(true)
    })
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

describe.skipIf(!native)(`a state that closes before a worker opens it${native ? "" : ` (skipped: ${reason})`}`, () => {
  const bytes = new TextEncoder().encode(JSON.stringify(makeDocument([booleanFlag("a", true)])))

  /** A worker opens a state that is already closed. Then something else is known of the client. */
  const openingThen = (next: Partial<Received>) =>
    Effect.gen(function* () {
      const { compile } = yield* Engine.Engine
      const closed = yield* Effect.scoped(compile("default", [bytes]))
      let received: Received = {
        client: "main",
        state: { id: "1", content: { kind: "native", native: (closed as HasNativeHandle)[nativeHandle]! } },
        error: undefined,
        status: undefined
      }
      let asked = 0
      const change = Effect.sync(() => {
        expect(++asked).toBe(1)
        received = { ...received, ...next }
        return received
      })
      const { engine } = Source.make(
        { received: Effect.sync(() => received), changes: Stream.fromEffect(change), ask: () => Effect.never },
        { environment: "default", namespace: "default" }
      )
      return yield* Effect.either(engine.compile("default", []))
    }).pipe(Effect.provide(Engine.layerNative))

  it.scopedLive("is skipped for the next one", () =>
    Effect.gen(function* () {
      const shared = new SharedArrayBuffer(bytes.length)
      new Uint8Array(shared).set(bytes)
      const opened = yield* openingThen({ state: { id: "2", content: { kind: "document", bytes: shared } } })
      const keys = Either.flatMap(opened, ({ flags }) => Either.map(flags, (all) => all.map(({ key }) => key)))
      expect(keys).toEqual(Either.right(["a"]))
    })
  )

  it.scopedLive("is an error if the client closes, too", () =>
    Effect.gen(function* () {
      const opened = yield* openingThen({ client: undefined })
      expect(Either.getLeft(opened)).toMatchObject({ value: { _tag: "EngineError", reason: "Closed" } })
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
