// Opens and closes a client with the native engine. The process must then exit by itself. With the argument "middle" it
// calls `process.exit` while a document compiles on another thread.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import { load, make } from "../../build/test/internals.js"

const flag = (key) => ({ key, name: key, enabled: true, type: "BOOLEAN_FLAG_TYPE", rollouts: [] })
const documentOf = (keys) => JSON.stringify({ namespace: { key: "default" }, flags: keys.map(flag) })

const close = async () => {
  // Stdout stays open once something uses it, and the log may be the first.
  void process.stdout
  const before = process.getActiveResourcesInfo()
  const program = FliptClient.evaluateBoolean({ flagKey: "on", entityId: "user-1" }).pipe(
    Effect.provide(
      FliptClient.layerWithoutDependencies().pipe(
        Layer.provide([Engine.layerNative, Fetcher.layerStatic(documentOf(["on"]))])
      )
    )
  )
  const { enabled } = await Effect.runPromise(program)
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  const left = process.getActiveResourcesInfo().filter((resource) => !before.includes(resource))
  console.log(JSON.stringify({ enabled, left }))
}

const middle = async () => {
  const library = await Effect.runPromise(load(process.env.FLIPT_ENGINE_PATH))
  const jobRun = (job) => {
    // in the next turn, while it compiles
    setImmediate(() => process.exit())
    return library.jobRun(job)
  }
  const document = new TextEncoder().encode(documentOf(Array.from({ length: 50_000 }, (_, index) => `flag-${index}`)))
  await Effect.runPromise(
    Effect.scoped(Effect.flatMap(make({ ...library, jobRun }), ({ compile }) => compile("default", [document])))
  )
  console.log(JSON.stringify("compiling ended too early"))
}

await (process.argv[2] === "middle" ? middle() : close())
