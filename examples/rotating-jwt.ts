/**
 * A JWT of an identity provider, renewed before it expires.
 *
 * The example includes both servers: one issues JWTs that are valid for four seconds, and a Flipt server reports which of
 * them each request carried.
 */
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Auth from "flipt-client-effect/Auth"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Tls from "flipt-client-effect/Tls"

/** Serves on a loopback port until the scope ends. Returns the URL. */
const serve = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.async<ReturnType<typeof createServer>>((resume) => {
      const server = createServer(listener).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url")

let issued = 0
const issuer: RequestListener = (_, response) => {
  issued++
  response.end([encode({ alg: "none" }), encode({ jti: issued, exp: Date.now() / 1000 + 4 }), ""].join("."))
}

let seen: unknown
const flipt: RequestListener = (request, response) => {
  const [, payload = ""] = request.headers.authorization?.split(".") ?? []
  seen = JSON.parse(Buffer.from(payload, "base64url").toString()).jti
  response.end(
    JSON.stringify({
      namespace: { key: "default" },
      flags: [{ key: "new-checkout", name: "", enabled: true, type: "BOOLEAN_FLAG_TYPE" }]
    })
  )
}

/** Runs when the layer is built, and again about a second before the `exp` of the last JWT. */
const layerAuth = (url: string) =>
  Auth.layerProvider({
    acquire: HttpClientRequest.post(url).pipe(
      HttpClient.execute,
      Effect.flatMap(HttpClientResponse.filterStatusOk),
      Effect.flatMap((response) => response.text),
      Effect.map((token) => ({ jwtToken: Redacted.make(token) }))
    ),
    renewBefore: "1 second"
  })

const program = Effect.gen(function* () {
  const client = yield* FliptClient.FliptClient
  const { enabled } = yield* client.evaluateBoolean({ flagKey: "new-checkout", entityId: "user-42" })
  yield* Console.log(`new-checkout is ${enabled}, fetched with JWT ${seen}`)
  yield* Effect.sleep("3500 millis")
  yield* client.refresh
  yield* Console.log(`fetched again with JWT ${seen}`)
})

const layer = Layer.unwrapScoped(
  Effect.gen(function* () {
    const auth = layerAuth(yield* serve(issuer))
    const fetcher = Fetcher.layerPolling({ url: yield* serve(flipt) }).pipe(Layer.provide(auth))
    const http = Layer.provide(Tls.layerHttpClient, Tls.layerSystem)
    return FliptClient.layerWithoutDependencies().pipe(
      Layer.provide([Engine.layerPortable, Layer.provide(fetcher, http)])
    )
  })
)

await Effect.runPromise(Effect.provide(program, layer))
