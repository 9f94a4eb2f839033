// Evaluates a flag of the server named in the page's URL, and reports the result to the page's own server.
import * as Effect from "effect/Effect"
import * as FliptClient from "flipt-client-effect/FliptClient"

const { url } = Object.fromEntries(new URLSearchParams(location.search))

const program = Effect.gen(function* () {
  const flipt = yield* FliptClient.FliptClient
  const { enabled } = yield* flipt.evaluateBoolean({ flagKey: "on", entityId: "user-1" })
  const { engine } = yield* flipt.status
  return { enabled, engine }
})

const report = (result) => fetch("/report", { method: "POST", body: JSON.stringify(result) })

Effect.runPromise(Effect.provide(program, FliptClient.layer({ url }))).then(report, (error) =>
  report({ error: String(error) })
)
