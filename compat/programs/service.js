// Evaluates a flag of the server at FLIPT_URL and one of the file at FLAGS, and prints both results with the engine in
// use.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"

const evaluate = Effect.gen(function* () {
  const flipt = yield* FliptClient.FliptClient
  const { enabled } = yield* flipt.evaluateBoolean({ flagKey: "on", entityId: "user-1" })
  const { engine } = yield* flipt.status
  return { enabled, engine }
})

const Server = FliptClient.layer({ url: process.env.FLIPT_URL })

const File = FliptClient.layerWithoutDependencies().pipe(
  Layer.provide([Engine.layer, Fetcher.layerFile(process.env.FLAGS)])
)

const program = Effect.all({
  server: Effect.provide(evaluate, Server),
  file: Effect.provide(evaluate, File)
})

Effect.runPromise(program).then((result) => console.log(`RESULT ${JSON.stringify(result)}`))
