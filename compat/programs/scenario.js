// The program for every runtime: opens a client, evaluates a flag, waits until it changes, and closes the client.
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as FliptClient from "flipt-client-effect/FliptClient"

const set = (control, enabled) => Effect.promise(() => fetch(`${control}/${enabled}`, { method: "POST" }))

const one = ({ control, engine, mode, url }) => {
  const provider = ConfigProvider.fromMap(new Map(engine === undefined ? [] : [["FLIPT_ENGINE", engine]]))
  const Flipt = FliptClient.layer({ url, fetchMode: mode, updateInterval: "1 second" }).pipe(
    Layer.provide(Layer.setConfigProvider(provider))
  )
  const request = { flagKey: "on", entityId: "user-1" }
  const program = Effect.gen(function* () {
    const flipt = yield* FliptClient.FliptClient
    const before = yield* flipt.evaluateBoolean(request)
    yield* Effect.fork(Effect.delay(set(control, true), "100 millis"))
    yield* flipt.watchBoolean(request).pipe(
      Stream.filter((result) => Either.isRight(result) && result.right.enabled),
      Stream.runHead
    )
    const after = yield* flipt.evaluateBoolean(request)
    const { engine: used } = yield* flipt.status
    return `${mode} ${used} ${before.enabled} ${after.enabled}`
  })
  return set(control, false).pipe(
    Effect.zipRight(Effect.provide(program, Flipt)),
    Effect.timeout("90 seconds"),
    Effect.catchAll((error) => Effect.succeed(`${mode} failed: ${error.message}`))
  )
}

/** Runs each mode with each engine, one after the other; `undefined` is the default engine. */
export const scenario = ({ control, engines = [undefined], modes = ["polling", "streaming"], url }) =>
  Effect.runPromise(
    Effect.forEach(
      modes.flatMap((mode) => engines.map((engine) => ({ control, engine, mode, url }))),
      one
    )
  )
