// Runs in the folder of an edition. It uses only names that both versions of Effect have.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Telemetry from "flipt-client-effect/Telemetry"

const SLICE_NANOS = 30e6
const WARM_NANOS = 1e9

const document = JSON.stringify({
  namespace: { key: "default" },
  flags: Array.from({ length: 1000 }, (_, index) => ({
    key: `flag-${index}`,
    name: `flag-${index}`,
    description: "",
    enabled: false,
    type: "BOOLEAN_FLAG_TYPE",
    rollouts: [{ type: "THRESHOLD_ROLLOUT_TYPE", rank: 1, threshold: { percentage: 50, value: true } }]
  }))
})
const requests = Array.from({ length: 4096 }, (_, index) => ({
  flagKey: "flag-600",
  entityId: `user-${index}`,
  context: {}
}))
const requestOf = (i) => requests[i & 4095]

const make = (engine, telemetry) =>
  FliptClient.makeWithoutDependencies().pipe(
    Effect.provide(Layer.mergeAll(engine, Fetcher.layerStatic(document), telemetry))
  )

/** One fiber makes all calls, one after the other. */
const inFiber = (client) => (count) =>
  Effect.runPromise(
    Effect.gen(function* () {
      for (let i = 0; i < count; i++) {
        yield* client.evaluateBoolean(requestOf(i))
      }
    })
  )

const unknown = (client) => (count) =>
  Effect.runPromise(
    Effect.gen(function* () {
      for (let i = 0; i < count; i++) {
        yield* Effect.flip(client.evaluateBoolean({ ...requestOf(i), flagKey: "none" }))
      }
    })
  )

const main = Effect.gen(function* () {
  const portable = yield* make(Engine.layerPortable, Layer.empty)
  const native = yield* make(Engine.layerNative, Layer.empty)
  const counting = yield* make(Engine.layerPortable, Telemetry.layer({ events: "none" }))
  const snapshot = yield* portable.snapshot

  const tasks = {
    "`snapshot.boolean`, without Effect": (count) => {
      for (let i = 0; i < count; i++) {
        snapshot.boolean(requestOf(i))
      }
    },
    "`evaluateBoolean` in a running fiber": inFiber(portable),
    "the same, on the native engine": inFiber(native),
    "the same, with metrics": inFiber(counting),
    "the same, for an unknown flag": unknown(portable),
    "`Effect.runPromise` of one `evaluateBoolean`": async (count) => {
      for (let i = 0; i < count; i++) {
        await Effect.runPromise(portable.evaluateBoolean(requestOf(i)))
      }
    },
    "a client of 1,000 flags opened and closed": async (count) => {
      for (let i = 0; i < count; i++) {
        await Effect.runPromise(Effect.scoped(make(Engine.layerPortable, Layer.empty)))
      }
    }
  }
  const slices = {}

  /** Nanoseconds for one call. */
  const timed = async (task, count) => {
    const start = process.hrtime.bigint()
    await tasks[task](count)
    return Number(process.hrtime.bigint() - start) / count
  }

  const warm = async (task) => {
    let count = 1
    for (let spent = 0; spent < WARM_NANOS; ) {
      const nanos = await timed(task, count)
      spent += nanos * count
      count = Math.max(1, Math.min(count * 10, Math.round(SLICE_NANOS / nanos)))
    }
    slices[task] = count
  }

  yield* Effect.promise(
    () =>
      new Promise(() => {
        process.on("message", async (message) => {
          if (message === "describe") {
            process.send({ node: process.versions.node, tasks: Object.keys(tasks) })
          } else if (message.warm !== undefined) {
            await warm(message.warm)
            process.send(0)
          } else {
            globalThis.gc()
            process.send(await timed(message.run, slices[message.run]))
          }
        })
      })
  )
})

await Effect.runPromise(Effect.scoped(main))
