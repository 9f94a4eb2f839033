// Opens and closes many clients on FLIPT_URL in several rounds, and prints what each round leaves behind. Run with
// --expose-gc.
import * as Effect from "effect/Effect"
import * as FliptClient from "flipt-client-effect/FliptClient"

const ROUNDS = 5
const CLIENTS = process.env.FLIPT_TESTS === "all" ? 200 : 80

const one = FliptClient.evaluateBoolean({ flagKey: "on", entityId: "user-1" }).pipe(
  Effect.provide(FliptClient.layer({ url: process.env.FLIPT_URL }))
)
const many = (count) => Effect.runPromise(Effect.replicateEffect(one, count, { concurrency: 10, discard: true }))

const measure = async () => {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    globalThis.gc()
  }
  const { external, heapUsed } = process.memoryUsage()
  return { resources: process.getActiveResourcesInfo().sort(), bytes: heapUsed + external }
}

await many(100)
const rounds = []
for (let round = 0; round < ROUNDS; round++) {
  const before = await measure()
  await many(CLIENTS)
  rounds.push({ before, after: await measure() })
}
console.log(JSON.stringify(rounds))
