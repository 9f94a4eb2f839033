/** Imports the package, evaluates a flag from a file, and sends the cost to its parent. */
import process from "node:process"

const [engine, path = ""] = process.argv.slice(2)
const wall = performance.now()
const own = process.cpuUsage()
const [{ Engine, Fetcher, FliptClient }, Effect, Layer] = await Promise.all([
  import("flipt-client-effect"),
  import("effect/Effect"),
  import("effect/Layer")
])
const layers: Record<string, typeof Engine.layer> = {
  default: Engine.layer,
  native: Engine.layerNative,
  portable: Engine.layerPortable
}
const client = FliptClient.layerWithoutDependencies().pipe(
  Layer.provide([layers[engine ?? "default"]!, Fetcher.layerFile(path)])
)
const { flagKey } = await Effect.runPromise(
  FliptClient.evaluateBoolean({ flagKey: "boolean-0", entityId: "entity" }).pipe(Effect.provide(client))
)
const { system, user } = process.cpuUsage(own)
process.send!({ wall: performance.now() - wall, own: (user + system) / 1e3, flagKey }, () => process.exit(0))
