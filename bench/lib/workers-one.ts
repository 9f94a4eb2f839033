/**
 * A process with several workers, each of which evaluates the flags of a file. Sends the cost to its parent:
 * `workers-one <way> <workers> <file>`.
 *
 * - `shared`: the main thread loads the flags, and the workers share its state on the native engine.
 * - `bytes`: the same with the portable engine, so each worker compiles the document.
 * - `each`: each worker has its own client.
 * - `empty`: the workers import the same modules but load nothing.
 */
import { once } from "node:events"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Workers from "flipt-client-effect/Workers"

export type Way = "shared" | "bytes" | "each" | "empty"

/** Milliseconds until every worker has evaluated a flag, and the bytes that the process occupies by then. */
export interface Measured {
  readonly millis: number
  readonly rss: number
}

const evaluate = Effect.map(
  FliptClient.evaluateBoolean({ flagKey: "boolean-300", entityId: "entity-1" }),
  ({ enabled }) => enabled
)

const collect = async () => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc!()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const quiet = Logger.minimumLogLevel(LogLevel.None)

const clientOf = (file: string, engine: Layer.Layer<Engine.Engine, unknown>) =>
  FliptClient.layerWithoutDependencies().pipe(Layer.provide([Fetcher.layerFile(file), engine]))

const main = async (way: Way, workers: number, file: string): Promise<Measured> => {
  const start = performance.now()
  const engine = way === "bytes" ? Engine.layerPortable : Engine.layerNative
  const isServed = way === "shared" || way === "bytes"
  const runtime = ManagedRuntime.make(
    isServed ? Layer.provide(clientOf(file, engine), [Workers.layerServe, quiet]) : Layer.empty
  )
  const loaded = runtime.runPromise(Effect.void)
  const threads = Array.from(
    { length: workers },
    () => new Worker(fileURLToPath(import.meta.url), { workerData: { way, file } })
  )
  const each = async (message: string) => {
    const answers = threads.map((thread) => once(thread, "message"))
    for (const thread of threads) {
      thread.postMessage(message)
    }
    return (await Promise.all(answers)).map(([answer]) => answer as boolean)
  }
  await loaded
  const answers = await each("evaluate")
  const millis = performance.now() - start
  if (new Set(answers).size !== 1) {
    throw new Error(`${way}: the workers differ`)
  }
  await collect()
  await each("collect")
  await new Promise((resolve) => setTimeout(resolve, 300))
  return { millis, rss: process.memoryUsage.rss() }
}

const work = (way: Way, file: string): void => {
  const runtime = ManagedRuntime.make(
    Layer.provide(way === "each" ? clientOf(file, Engine.layer) : Workers.layerClient(), quiet)
  )
  parentPort!.on("message", (message) => {
    const done =
      message === "collect" ? collect() : way === "empty" ? Promise.resolve(true) : runtime.runPromise(evaluate)
    done.then(
      (answer) => parentPort!.postMessage(answer ?? true),
      (error) => {
        console.error(error)
        process.exit(1)
      }
    )
  })
}

if (isMainThread) {
  const [way, workers, file = ""] = process.argv.slice(2)
  const measured = await main(way as Way, Number(workers), file)
  process.send!(measured, () => process.exit(0))
} else {
  const { file, way } = workerData as { readonly file: string; readonly way: Way }
  work(way, file)
}
