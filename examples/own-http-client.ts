/**
 * A client with a custom HttpClient: the global fetch, or Node's http with a custom Agent.
 *
 * The example includes a small server.
 */
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Auth from "flipt-client-effect/Auth"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"

/** Any HttpClient works. If it has timeouts or follows redirects, it does so before the Fetcher. */
const clientOver = (url: string, httpClient: Layer.Layer<HttpClient.HttpClient>) =>
  FliptClient.layerWithoutDependencies().pipe(
    Layer.provide([Engine.layer, Fetcher.layerPolling({ url }).pipe(Layer.provide([httpClient, Auth.layerNone]))])
  )

/** The global fetch, with one log line per request. */
const globalFetch = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(
    HttpClient.HttpClient,
    HttpClient.tapRequest((request) => Console.log(`${request.method} ${new URL(request.url).pathname}`))
  )
).pipe(Layer.provide(FetchHttpClient.layer))

/** An Agent that closes with the layer, and opens at most ten connections. */
const ownAgent = NodeHttpClient.layerWithoutAgent.pipe(
  Layer.provide(NodeHttpClient.makeAgentLayer({ keepAlive: true, maxSockets: 10 }))
)

/** Serves one boolean flag until the scope ends. Returns the URL. */
const serve = Effect.acquireRelease(
  Effect.async<Server>((resume) => {
    const document = {
      namespace: { key: "default" },
      flags: [{ key: "new-checkout", name: "", enabled: true, type: "BOOLEAN_FLAG_TYPE" }]
    }
    const server = createServer((_, response) => response.end(JSON.stringify(document)))
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    })
).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))

const program = Effect.gen(function* () {
  const url = yield* serve
  for (const [name, httpClient] of Object.entries({ globalFetch, ownAgent })) {
    const { enabled } = yield* FliptClient.evaluateBoolean({ flagKey: "new-checkout", entityId: "user-42" }).pipe(
      Effect.provide(clientOver(url, httpClient))
    )
    yield* Console.log(`${name}: new-checkout is ${enabled}`)
  }
})

await Effect.runPromise(Effect.scoped(program))
