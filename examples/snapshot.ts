/**
 * A service that starts while its Flipt server is away, with the state that it stored in a file.
 *
 * The example includes a small server, so that it can stop and start it.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"

/** Serves one boolean flag on the port until the scope ends. Returns the port. */
const serve = (port: number, enabled: boolean) =>
  Effect.acquireRelease(
    Effect.async<Server>((resume) => {
      const server = createServer((_, response) => {
        response.setHeader("etag", `${enabled}`)
        response.end(
          JSON.stringify({
            namespace: { key: "default" },
            flags: [{ key: "new-checkout", name: "", enabled, type: "BOOLEAN_FLAG_TYPE" }]
          })
        )
      }).listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  ).pipe(Effect.map((server) => (server.address() as AddressInfo).port))

const program = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "flipt-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )
  const file = join(folder, "flags.seed")

  // 1. The server is there: keep its state in a file.
  const port = yield* Effect.scoped(
    Effect.gen(function* () {
      const port = yield* serve(0, true)
      const client = yield* FliptClient.make({ url: `http://127.0.0.1:${port}` })
      const seed = yield* client.getSnapshot
      yield* Effect.promise(() => writeFile(file, seed))
      yield* Console.log("stored the state that the server has")
      return port
    })
  )

  // 2. The server is away: start from the file.
  const snapshot = yield* Effect.promise(() => readFile(file, "utf8"))
  const client = yield* FliptClient.make({
    url: `http://127.0.0.1:${port}`,
    errorStrategy: "fallback",
    updateInterval: "200 millis",
    snapshot
  })
  const report = Effect.gen(function* () {
    const { _tag, origin } = yield* client.status
    const { enabled } = yield* client.evaluateBoolean({ flagKey: "new-checkout", entityId: "user-42" })
    yield* Console.log(`${_tag}, from the ${origin}: new-checkout is ${enabled}`)
  })
  yield* report

  // 3. The server is back with another state, and the next poll replaces the state from the file.
  yield* serve(port, false)
  yield* client.status.pipe(
    Effect.repeat({ until: (status) => status._tag === "Ready", schedule: Schedule.spaced("50 millis") })
  )
  yield* report
})

await Effect.runPromise(
  Effect.scoped(program).pipe(
    // keeps the example short: by default the client would retry three times
    Effect.provide(Layer.succeed(Fetcher.RetryPolicy, Schedule.stop))
  )
)
