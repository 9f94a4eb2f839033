/**
 * Flags of many namespaces in one program, one for each tenant of a shop: each client is made when the first request of
 * its tenant comes, and the next ones share it.
 *
 * The server here is a few lines of this file, so that it can tell what it was asked.
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

/** Knows nothing of tenants: it asks the client of its context. */
const freeDelivery = (customer: string) =>
  Effect.map(FliptClient.evaluateBoolean({ flagKey: "free-delivery", entityId: customer }), (result) => result.enabled)

const handle = (tenant: string, customer: string) =>
  freeDelivery(customer).pipe(
    // the tenant's own client in the place of that of the context
    FliptClients.provide({ namespace: tenant }),
    Effect.flatMap((enabled) => Console.log(`${tenant}: free delivery for ${customer} is ${enabled}`)),
    // an unknown namespace fails its own requests alone, and is asked for again by the next
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
