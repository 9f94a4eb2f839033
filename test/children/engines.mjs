// Builds the native engine's layer repeatedly, like clients that do not share it, and prints the resident memory after
// the first ones and at the end. Run with --expose-gc.
import * as Effect from "effect/Effect"
import * as Engine from "flipt-client-effect/Engine"

const build = (count) =>
  Effect.runPromise(Effect.replicateEffect(Effect.provide(Engine.Engine, Engine.layerNative), count, { discard: true }))

const measure = async () => {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    globalThis.gc()
  }
  return process.memoryUsage().rss
}

await build(500)
const before = await measure()
await build(1500)
console.log(JSON.stringify({ before, after: await measure() }))
