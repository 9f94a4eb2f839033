/**
 * Flags of many namespaces in one program, one per tenant of a shop. The first request of a tenant creates its client, and
 * later requests share it.
 *
 * The example includes a small server, which reports the requests that it received.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as FliptClients from "flipt-client-effect/FliptClients"

/** Serves a namespace for each of two tenants, with one boolean flag; gives the URL. */
const serve = Effect.acquireRelease(
  Effect.sync(() =>
    createServer((request, response) => {
      const namespace = request.url?.split("/").at(-1) ?? ""
      console.log(`the server is asked for ${namespace}`)
      if (namespace !== "books" && namespace !== "toys") {
        response.writeHead(404).end()
        return
      }
      const flag = { key: "free-delivery", name: "", enabled: namespace === "books", type: "BOOLEAN_FLAG_TYPE" }
      response.end(JSON.stringify({ namespace: { key: namespace }, flags: [flag] }))
    })
  ),
  (server) =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    })
).pipe(
  Effect.flatMap((server) =>
    Effect.async<string>((resume) => {
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
      )
    })
  )
)

/** Knows nothing about tenants: it uses the client from the context. */
const freeDelivery = (customer: string) =>
  Effect.map(FliptClient.evaluateBoolean({ flagKey: "free-delivery", entityId: customer }), (result) => result.enabled)

const handle = (tenant: string, customer: string) =>
  freeDelivery(customer).pipe(
    // provides the client of the tenant
    FliptClients.provide({ namespace: tenant }),
    Effect.flatMap((enabled) => Console.log(`${tenant}: free delivery for ${customer} is ${enabled}`)),
    // an unknown namespace only fails its own requests, and the next request tries again
    Effect.catchTag("FetchError", (error) => Console.log(`${tenant}: ${error.reason}`))
  )

const program = Effect.gen(function* () {
  yield* handle("books", "ada")
  yield* handle("toys", "ada")
  yield* handle("books", "bob")
  yield* handle("cars", "ada")
})

const layer = Layer.unwrapScoped(Effect.map(serve, (url) => FliptClients.layer({ url, idleTimeToLive: "10 minutes" })))

await Effect.runPromise(Effect.provide(program, layer))
