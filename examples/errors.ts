/**
 * Handles the two kinds of mistakes by their types: an invalid request, and a flag that does not exist.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"

const isEnabled = (flagKey: string) =>
  FliptClient.evaluateBoolean({ flagKey, entityId: "user-42" }).pipe(
    Effect.map((result) => result.enabled),
    Effect.catchTags({
      ValidationError: (error) =>
        Console.log(`the request is wrong: ${error.path}: ${error.message}`).pipe(Effect.as(false)),
      EvaluationError: (error) =>
        Console.log(`no evaluation (${error.reason}): ${error.message}`).pipe(Effect.as(false))
    })
  )

const program = Effect.gen(function* () {
  yield* isEnabled("")
  yield* isEnabled("no-such-flag")
  yield* isEnabled("theme")
  yield* Console.log(`new-checkout: ${yield* isEnabled("new-checkout")}`)
})

const client = FliptClient.layerWithoutDependencies().pipe(
  Layer.provide([Engine.layer, Fetcher.layerFile("examples/flags.json")])
)

await Effect.runPromise(Effect.provide(program, client))
