// Prints which engine loads a large file, and the log lines.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"

const lines = []
const logger = Logger.make(({ message }) => lines.push(String(message)))

const program = Effect.gen(function* () {
  const flipt = yield* FliptClient.FliptClient
  const { enabled } = yield* flipt.evaluateBoolean({ flagKey: "on", entityId: "user-1" })
  const { engine } = yield* flipt.status
  return { enabled, engine, lines }
})

const File = FliptClient.layerWithoutDependencies().pipe(Layer.provide([Engine.layer, Fetcher.layerFile("flags.json")]))

const result = await Effect.runPromise(
  program.pipe(Effect.provide(File), Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
)
console.log(`RESULT ${JSON.stringify(result)}`)
