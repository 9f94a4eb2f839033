// Terminates worker threads, as many as the last argument says, while they build an engine, and prints which engine then
// loads a large document in a worker and in the main thread. With the argument "native", the workers request the native
// engine.
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { isMainThread, parentPort, Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Engine from "flipt-client-effect/Engine"

const workerCount = Number(process.argv.at(-1))
const layer = !isMainThread && process.argv[2] === "native" ? Engine.layerNative : Engine.layer
const document = new TextEncoder().encode(
  JSON.stringify({ namespace: { key: "default" }, flags: [], padding: "x".repeat(1024 * 1024) })
)
const name = Effect.flatMap(Engine.Engine, (engine) => engine.compile("default", [document])).pipe(
  Effect.map((snapshot) => snapshot.engine),
  Effect.scoped,
  Effect.provide(layer)
)

const start = async () => {
  const worker = new Worker(fileURLToPath(import.meta.url), { argv: process.argv.slice(2) })
  await once(worker, "message")
  return worker
}

if (isMainThread) {
  let ended = 0
  for (let batch = 0; batch < workerCount / 5; batch++) {
    const workers = await Promise.all(Array.from({ length: 5 }, start))
    await Promise.all(
      workers.map(async (worker, index) => {
        // immediately, or a few milliseconds into the start
        const until = performance.now() + index * 2
        while (performance.now() < until) {
          await new Promise(setImmediate)
        }
        await worker.terminate()
        ended++
      })
    )
  }
  const worker = await start()
  const [inWorker] = await once(worker, "message")
  console.log(JSON.stringify({ ended, inWorker, inMain: await Effect.runPromise(name) }))
} else {
  parentPort.postMessage("building")
  parentPort.postMessage(await Effect.runPromise(name))
}
