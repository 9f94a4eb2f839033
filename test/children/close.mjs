// Opens and closes a client on FLIPT_URL. The process must then exit by itself.
import * as Effect from "effect/Effect"
import * as FliptClient from "flipt-client-effect/FliptClient"

// Stdout stays open once something uses it, and the log may be the first.
void process.stdout
const before = process.getActiveResourcesInfo()
const program = FliptClient.evaluateBoolean({ flagKey: "on", entityId: "user-1" }).pipe(
  Effect.provide(FliptClient.layerConfig())
)
const { enabled } = await Effect.runPromise(program)
// closing a resource may need a few more turns of the event loop
for (let turn = 0; turn < 10; turn++) {
  await new Promise((resolve) => setImmediate(resolve))
}
const left = process.getActiveResourcesInfo().filter((resource) => !before.includes(resource))
console.log(JSON.stringify({ enabled, left }))
