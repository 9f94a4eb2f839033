/** Imports the package and evaluates a flag out of a file; tells its parent what that took. */
import process from "node:process"

const [engine, path] = process.argv.slice(2)
const wall = performance.now()
const own = process.cpuUsage()
const [{ Engine, Fetcher, FliptClient }, Effect, Layer] = await Promise.all([
  import("../../dist/index.js"),
  import("effect/Effect"),
  import("effect/Layer")
])
const client = FliptClient.layerWithoutDependencies().pipe(
  Layer.provide([engine === "native" ? Engine.layerNative : Engine.layerPortable, Fetcher.layerFile(path)])
)
const { flagKey } = await Effect.runPromise(
  FliptClient.evaluateBoolean({ flagKey: "boolean-0", entityId: "entity" }).pipe(Effect.provide(client))
)
const { system, user } = process.cpuUsage(own)
process.send({ wall: performance.now() - wall, own: (user + system) / 1e3, flagKey }, () => process.exit(0))
