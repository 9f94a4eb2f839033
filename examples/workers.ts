/**
 * Flags in worker threads. The main thread has the only client that loads. Two workers evaluate what it has loaded, and see
 * each change.
 */
import { fileURLToPath } from "node:url"
import { isMainThread, parentPort, Worker } from "node:worker_threads"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Workers from "flipt-client-effect/Workers"

/** In a worker: tells the main thread each result of one flag until the flag is off. */
const inWorker = Effect.gen(function* () {
  const client = yield* FliptClient.FliptClient
  yield* client.watchBoolean({ flagKey: "new-checkout", entityId: "user-42" }).pipe(
    Stream.map(Either.match({ onLeft: ({ reason }) => reason, onRight: ({ enabled }) => (enabled ? "on" : "off") })),
    Stream.tap((result) => Effect.sync(() => parentPort?.postMessage(result))),
    Stream.takeUntil((result) => result === "off"),
    Stream.runDrain
  )
}).pipe(Effect.provide(Workers.layerClient()))

const nextMessage = (worker: Worker) =>
  Effect.async<string>((resume) => {
    worker.once("message", (message) => resume(Effect.succeed(message)))
  })

const documentOf = (enabled: boolean): string =>
  JSON.stringify({
    namespace: { key: "default" },
    flags: [{ key: "new-checkout", name: "", enabled, type: "BOOLEAN_FLAG_TYPE" }]
  })

/** In the main thread. A program would have `FliptClient.layer` here; this source changes when the example wants. */
const inMain = Effect.gen(function* () {
  const document = yield* Ref.make(documentOf(true))
  const flags = FliptClient.layerWithoutDependencies().pipe(
    Layer.provide([Fetcher.layerEffect({ fetch: () => Ref.get(document) }), Engine.layer]),
    Layer.provide(Workers.layerServe)
  )
  yield* Effect.gen(function* () {
    const workers = yield* Effect.sync(() => [1, 2].map(() => new Worker(fileURLToPath(import.meta.url))))
    const results = Effect.all(workers.map(nextMessage), { concurrency: "unbounded" })
    yield* Console.log(`the workers start: ${yield* results}`)
    yield* Ref.set(document, documentOf(false))
    const [later] = yield* Effect.all([results, Effect.flatMap(FliptClient.FliptClient, (client) => client.refresh)], {
      concurrency: "unbounded"
    })
    yield* Console.log(`the flag has changed: ${later}`)
  }).pipe(Effect.provide(flags))
})

await Effect.runPromise(isMainThread ? inMain : inWorker)
