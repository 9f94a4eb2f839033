/**
 * A member of a fleet as a separate process, on the built packages: `member.mjs <redis URL> <Flipt URL>`. Prints a line
 * of JSON whenever its status or the flag `on` changes.
 */
import process from "node:process"
import { Connection, Relay } from "@flipt-client-effect/redis"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Auth from "flipt-client-effect/Auth"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Tls from "flipt-client-effect/Tls"

const [redis, flipt] = process.argv.slice(2)

const origin = Fetcher.layerStreaming({ url: flipt, updateInterval: "1 second" }).pipe(
  Layer.provide([Tls.layerHttpClient, Auth.layerNone]),
  Layer.provide(Tls.layerSystem)
)

const client = FliptClient.layerWithoutDependencies({ errorStrategy: "fallback" }).pipe(
  Layer.provide([
    Relay.layer({ leaseDuration: "1500 millis", staleAfter: "4 seconds", updateInterval: "1 second" }),
    Engine.layerPortable
  ]),
  Layer.provide([origin, Connection.layer({ url: redis, requestTimeout: "2 seconds" })])
)

const program = Effect.gen(function* () {
  const flipt = yield* FliptClient.FliptClient
  const changes = Stream.zipLatest(flipt.statusChanges, flipt.watchBoolean({ flagKey: "on", entityId: "1" }))
  yield* Stream.runForEach(changes, ([{ _tag, mode }, result]) =>
    Effect.sync(() => {
      const on = Either.isRight(result) ? result.right.enabled : result.left.reason
      process.stdout.write(`${JSON.stringify({ status: _tag, mode, on })}\n`)
    })
  )
})

const fiber = Effect.runFork(Effect.provide(program, client))
process.once("SIGTERM", () => fiber.unsafeInterruptAsFork(fiber.id()))
