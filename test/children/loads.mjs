// Loads a document of 1,000 flags repeatedly, and prints the memory after the first half and at the end. Run with
// --expose-gc. It reports the smallest of several samples, because V8's heap grows and shrinks on its own, while leaked
// memory is in all samples.
import * as Effect from "effect/Effect"
import * as Engine from "flipt-client-effect/Engine"
import { load, Stat } from "../../build/test/internals.js"

const loads = process.env.FLIPT_TESTS === "all" ? 10_000 : 1_000

const rules = [
  {
    segmentOperator: "OR_SEGMENT_OPERATOR",
    segments: [
      {
        key: "pro",
        matchType: "ALL_SEGMENT_MATCH_TYPE",
        constraints: [{ type: "STRING_CONSTRAINT_COMPARISON_TYPE", property: "plan", operator: "eq", value: "pro" }]
      }
    ],
    distributions: [{ variantKey: "a", rollout: 100 }]
  }
]
const flags = Array.from({ length: 1000 }, (_, index) => {
  const key = `flag-${index}`
  const flag = { key, name: key, enabled: true }
  return index % 10 === 0
    ? { ...flag, type: "VARIANT_FLAG_TYPE", rules }
    : { ...flag, type: "BOOLEAN_FLAG_TYPE", rollouts: [] }
})
const document = [new TextEncoder().encode(JSON.stringify({ namespace: { key: "default" }, flags }))]

const program = Effect.gen(function* () {
  const { compile } = yield* Engine.Engine
  const library = yield* load(process.env.FLIPT_ENGINE_PATH)
  let right = 0
  const one = Effect.scoped(
    Effect.gen(function* () {
      const snapshot = yield* compile("default", document)
      const { variantKey } = yield* snapshot.variant({ flagKey: "flag-990", entityId: "e", context: { plan: "pro" } })
      right += variantKey === "a" ? 1 : 0
    })
  )
  const repeat = (count) => Effect.replicateEffect(one, count, { discard: true })
  const measure = Effect.promise(async () => {
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      globalThis.gc()
    }
    return { resident: process.memoryUsage().rss, native: Object.values(Stat).map(library.stat) }
  })
  const samples = Effect.map(Effect.replicateEffect(Effect.zipRight(repeat(50), measure), 6), (all) => ({
    resident: Math.min(...all.map(({ resident }) => resident)),
    native: all.at(-1).native
  }))
  const half = Math.floor(loads / 2)
  yield* repeat(half)
  const before = yield* samples
  yield* repeat(half)
  const after = yield* samples
  return { loads: 2 * half + 600, right, before, after }
})

console.log(JSON.stringify(await Effect.runPromise(Effect.provide(program, Engine.layerNative))))
