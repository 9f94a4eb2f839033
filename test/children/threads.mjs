// Four worker threads compile and evaluate concurrently. Two are terminated meanwhile, and the other two finish. The
// engine of the main thread, which was busy all the time, must then still work.
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Engine from "flipt-client-effect/Engine"
import { load, Stat } from "../../build/test/internals.js"

const flags = Array.from({ length: 300 }, (_, index) => ({
  key: `flag-${index}`,
  name: `flag-${index}`,
  enabled: true,
  type: "VARIANT_FLAG_TYPE",
  rules: [
    {
      segmentOperator: "OR_SEGMENT_OPERATOR",
      segments: ["pro", "trial"].map((value) => ({
        key: `${value}-${index}`,
        matchType: "ALL_SEGMENT_MATCH_TYPE",
        constraints: [{ type: "STRING_CONSTRAINT_COMPARISON_TYPE", property: "plan", operator: "eq", value }]
      })),
      distributions: ["a", "b", "c", "d"].map((variantKey) => ({ variantKey, rollout: 25 }))
    }
  ]
}))
const document = new TextEncoder().encode(JSON.stringify({ namespace: { key: "default" }, flags }))
const requests = Array.from({ length: 20 }, (_, index) => ({
  flagKey: `flag-${index * 13}`,
  entityId: `user-${index}`,
  context: { plan: ["pro", "trial", "free"][index % 3] }
}))

const answers = Effect.flatMap(Engine.Engine, ({ compile }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const snapshot = yield* compile("default", [document])
      return JSON.stringify([...requests.map(snapshot.variant), snapshot.batch(requests)].map(Either.getOrThrow))
    })
  )
)

/** Starts a thread, and waits until it is working. */
const start = async (rounds) => {
  const worker = new Worker(new URL("./thread.mjs", import.meta.url), {
    workerData: { document, expected, requests, rounds }
  })
  const exit = once(worker, "exit")
  const [message] = await once(worker, "message")
  if (message !== "working") {
    throw new Error(`unexpected: ${message}`)
  }
  return { worker, exit }
}

const expected = await Effect.runPromise(Effect.provide(answers, Engine.layerPortable))

const program = Effect.gen(function* () {
  const library = yield* load(process.env.FLIPT_ENGINE_PATH)
  const native = () => Object.values(Stat).map(library.stat)
  const before = native()
  let wrong = 0
  const busy = yield* Effect.fork(
    Effect.forever(
      Effect.map(answers, (it) => {
        wrong += it === expected ? 0 : 1
      })
    )
  )
  const finished = yield* Effect.promise(async () => {
    const [first, second, third, fourth] = await Promise.all([60, 60, Infinity, Infinity].map(start))
    const done = Promise.all([first, second].map(({ worker }) => once(worker, "message")))
    await third.worker.terminate()
    // at a different point of its work
    await new Promise((resolve) => setTimeout(resolve, 7))
    await fourth.worker.terminate()
    const messages = await done
    await Promise.all([first, second].map(({ exit }) => exit))
    return messages.map(([message]) => message)
  })
  yield* Fiber.interrupt(busy)
  const right = (yield* answers) === expected
  return { finished, main: { wrong, right }, before, after: native() }
})

console.log(JSON.stringify(await Effect.runPromise(Effect.provide(program, Engine.layerNative))))
