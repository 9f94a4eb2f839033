/**
 * Fetches the flags of a namespace and evaluates them in process.
 *
 * If FLIPT_URL is set, it uses that server and the other FLIPT_* variables. Otherwise it reads `flags.json` in this folder.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import type * as Model from "flipt-client-effect/Model"

const fromServer = FliptClient.layerConfig()

const fromFile = FliptClient.layerWithoutDependencies().pipe(
  Layer.provide([Engine.layer, Fetcher.layerFile("examples/flags.json")])
)

const value = (entry: Model.BatchEntry): string => {
  switch (entry._tag) {
    case "Boolean":
      return String(entry.enabled)
    case "Variant":
      return entry.variantKey
    case "Error":
      return entry.reason
  }
}

const program = Effect.gen(function* () {
  const client = yield* FliptClient.FliptClient
  const { engine, origin, version } = yield* client.status
  yield* Console.log(`engine: ${engine}; flags from the ${origin}, version ${version ?? "unknown"}`)

  const flags = yield* client.listFlags
  for (const flag of flags) {
    yield* Console.log(`  ${flag.key} (${flag.type})${flag.description ? `: ${flag.description}` : ""}`)
  }

  const someone = { entityId: "user-42", context: { plan: "pro", beta: true } }
  const variantFlag = flags.find((flag) => flag.type === "VARIANT_FLAG_TYPE")
  const booleanFlag = flags.find((flag) => flag.type === "BOOLEAN_FLAG_TYPE")

  if (variantFlag !== undefined) {
    const result = yield* client.evaluateVariant({ flagKey: variantFlag.key, ...someone })
    yield* Console.log(
      `variant of ${result.flagKey}: ${result.variantKey} ${result.variantAttachment ?? ""} (${result.reason})`
    )
  }
  if (booleanFlag !== undefined) {
    const result = yield* client.evaluateBoolean({ flagKey: booleanFlag.key, ...someone })
    yield* Console.log(`${result.flagKey} enabled: ${result.enabled} (${result.reason})`)
  }
  const entries = yield* client.evaluateBatch(
    [...flags.map((flag) => flag.key), "no-such-flag"].map((flagKey) => ({ flagKey, ...someone }))
  )
  yield* Console.log(`batch: ${entries.map((entry) => `${entry.flagKey} = ${value(entry)}`).join(", ")}`)
})

await program.pipe(Effect.provide(process.env.FLIPT_URL === undefined ? fromFile : fromServer), Effect.runPromise)
