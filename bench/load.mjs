/**
 * How long a document of 10,000 flags takes to load, and how late a timer of one millisecond is meanwhile: on each
 * engine, over some rounds. Needs the build: `npm run bench:load`.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Engine from "flipt-client-effect/Engine"

const FLAGS = 10_000
const ROUNDS = 15

const constraint = (type, property, operator, value) => ({
  type: `${type}_CONSTRAINT_COMPARISON_TYPE`,
  property,
  operator,
  value
})

const flag = (index) =>
  index % 2 === 0
    ? {
        key: `boolean-${index}`,
        name: "",
        enabled: true,
        type: "BOOLEAN_FLAG_TYPE",
        rollouts: [{ threshold: { percentage: 50, value: false } }]
      }
    : {
        key: `variant-${index}`,
        name: "",
        enabled: true,
        type: "VARIANT_FLAG_TYPE",
        rules: [
          {
            segmentOperator: "OR_SEGMENT_OPERATOR",
            segments: [
              {
                key: `segment-${index}`,
                matchType: "ALL_SEGMENT_MATCH_TYPE",
                constraints: [
                  constraint("STRING", "plan", "eq", "pro"),
                  constraint("NUMBER", "age", "gt", "18"),
                  constraint("STRING", "country", "isoneof", '["us","de","fr","uk","it","es","nl","se","no","dk"]')
                ]
              }
            ],
            distributions: ["a", "b", "c"].map((variantKey) => ({ variantKey, rollout: 33.33 }))
          }
        ]
      }

const document = [
  new TextEncoder().encode(
    JSON.stringify({ namespace: { key: "default" }, flags: Array.from({ length: FLAGS }, (_, index) => flag(index)) })
  )
]

/** Runs the effect; gives what it took, and by how much a timer of 1 ms was late at worst, in milliseconds. */
const measure = async (effect) => {
  let worst = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    worst = Math.max(worst, now - last - 1)
    last = now
  }, 1)
  const start = performance.now()
  await Effect.runPromise(effect)
  const millis = performance.now() - start
  clearInterval(timer)
  return { millis, worst }
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

const rows = []
for (const layer of [Engine.layerNative, Engine.layerPortable]) {
  const engine = await Effect.runPromise(Effect.either(Effect.provide(Engine.Engine, layer)))
  if (Either.isLeft(engine)) {
    console.log(engine.left.message)
    continue
  }
  const { compile, name } = engine.right
  const results = []
  for (let round = 0; round < ROUNDS; round++) {
    results.push(await measure(Effect.scoped(compile("default", document))))
  }
  rows.push({
    engine: name,
    "loaded in ms (median)": median(results.map((result) => result.millis)).toFixed(0),
    "timer late by ms (median)": median(results.map((result) => result.worst)).toFixed(1),
    "timer late by ms (worst)": Math.max(...results.slice(1).map((result) => result.worst)).toFixed(1)
  })
}
const size = (document[0].length / 1e6).toFixed(1)
console.log(`${FLAGS} flags, ${size} MB, ${ROUNDS} rounds, the first of them left out of the worst`)
console.table(rows)
