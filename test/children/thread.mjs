// A worker thread that compiles and evaluates for `rounds` rounds or until it is terminated. It sends "working" after its
// first rounds, and at the end the number of rounds and of wrong answers.
import { isMainThread, parentPort, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Engine from "flipt-client-effect/Engine"

const { document, expected, requests, rounds } = workerData

const program = Effect.gen(function* () {
  const { compile } = yield* Engine.Engine
  let wrong = 0
  let round = 0
  while (round < rounds) {
    yield* Effect.scoped(
      Effect.gen(function* () {
        const snapshot = yield* compile("default", [document])
        for (let turn = 0; turn < 20; turn++) {
          const results = [...requests.map(snapshot.variant), snapshot.batch(requests)].map(Either.getOrThrow)
          wrong += JSON.stringify(results) === expected ? 0 : 1
        }
      })
    )
    round++
    if (round === 5) {
      parentPort.postMessage("working")
    }
  }
  return { isMainThread, round, wrong }
})

parentPort.postMessage(await Effect.runPromise(Effect.provide(program, Engine.layerNative)))
