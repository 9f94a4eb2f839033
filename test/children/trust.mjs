// Opens a client with the FLIPT_* variables and prints the result. A separate process, because Node reads
// NODE_EXTRA_CA_CERTS only at startup.
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
