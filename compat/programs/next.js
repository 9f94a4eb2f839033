import * as Effect from "effect/Effect"
import * as FliptClient from "flipt-client-effect/FliptClient"

const program = Effect.gen(function* () {
  const flipt = yield* FliptClient.FliptClient
  const { enabled } = yield* flipt.evaluateBoolean({ flagKey: "on", entityId: "user-1" })
  const { engine } = yield* flipt.status
  return { enabled, engine }
})

export const evaluate = () =>
  Effect.runPromise(Effect.provide(program, FliptClient.layer({ url: process.env.FLIPT_URL })))
