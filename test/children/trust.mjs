// Opens a client by the FLIPT_* variables and prints what came of it. NODE_EXTRA_CA_CERTS counts when a process starts.
import * as Effect from "effect/Effect"
import * as FliptClient from "flipt-client-effect/FliptClient"

const program = FliptClient.evaluateBoolean({ flagKey: "on", entityId: "user-1" }).pipe(
  Effect.provide(FliptClient.layerConfig()),
  Effect.match({
    onFailure: ({ _tag, message, reason }) => ({ _tag, reason, message }),
    onSuccess: ({ enabled }) => ({ enabled })
  })
)
console.log(JSON.stringify(await Effect.runPromise(program)))
