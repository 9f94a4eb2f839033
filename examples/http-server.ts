/**
 * An HTTP service whose responses depend on flags. Flags are evaluated for the user of the request, each request sees one
 * state of the flags from start to end, and a shutdown completes the requests in progress.
 *
 *     npm run build
 *     FLIPT_URL=http://localhost:8080 CATALOGUE_URL=http://localhost:9000 node build/examples/http-server.js
 *     curl -H 'x-user-id: ada' localhost:3000/products/chair
 *
 * The catalogue is another service, which this one calls: `GET /prices/chair` returns `{"price":100}`. Further variables:
 * those of `FliptClient.layerConfig`, `PORT`, `OTEL_EXPORTER_OTLP_ENDPOINT` for a collector, and `SHUTDOWN_PATIENCE`, the
 * time limit for requests in progress at shutdown.
 */
import { createServer } from "node:http"
import * as Otlp from "@effect/opentelemetry/Otlp"
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Flag from "flipt-client-effect/Flag"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Telemetry from "flipt-client-effect/Telemetry"

// The flags.

const Discount = Flag.boolean("discount", { default: false })

const Banner = Flag.variant("banner", ["none", "regular", "sale"], { default: "none" })

// The API.

class Unauthorized extends Schema.TaggedError<Unauthorized>()(
  "Unauthorized",
  {},
  HttpApiSchema.annotations({ status: 401 })
) {}

class CatalogueAway extends Schema.TaggedError<CatalogueAway>()(
  "CatalogueAway",
  {},
  HttpApiSchema.annotations({ status: 503 })
) {}

/** The user of the request, as the entity for flags. */
class User extends HttpApiMiddleware.Tag<User>()("User", { provides: Flag.Entity, failure: Unauthorized }) {}

/** One state of the flags for the whole request, even if an update arrives meanwhile. */
class OneState extends HttpApiMiddleware.Tag<OneState>()("OneState", { provides: FliptClient.FliptClient }) {}

const Product = Schema.Struct({
  id: Schema.String,
  price: Schema.Number,
  banner: Schema.Literal(...Banner.values)
})

const Health = Schema.Struct({
  flags: Schema.Literal("Starting", "Ready", "Stale", "Failed"),
  version: Schema.optional(Schema.String)
})

class Shop extends HttpApi.make("shop")
  .add(
    HttpApiGroup.make("products")
      .add(
        HttpApiEndpoint.get("product", "/products/:id")
          .setPath(Schema.Struct({ id: Schema.String }))
          .addSuccess(Product)
          .addError(CatalogueAway)
      )
      .middleware(User)
      .middleware(OneState)
  )
  .add(HttpApiGroup.make("operations").add(HttpApiEndpoint.get("health", "/health").addSuccess(Health))) {}

/** The headers come from a gateway that has authenticated the user. Nobody else may reach this service. */
const UserLive = Layer.succeed(
  User,
  HttpServerRequest.schemaHeaders(
    Schema.Struct({ "x-user-id": Schema.NonEmptyString, "x-plan": Schema.optional(Schema.String) })
  ).pipe(
    Effect.mapBoth({
      onFailure: () => new Unauthorized(),
      onSuccess: (headers) => ({ entityId: headers["x-user-id"], context: { plan: headers["x-plan"] ?? "free" } })
    })
  )
)

/** Uses the Scope of the request, which ends when the response has been sent. */
const OneStateLive = Layer.effect(
  OneState,
  Effect.map(FliptClient.FliptClient, (client) => client.pinned)
)

// What the service does.

/** The methods require the client and the entity, not the layer, because both belong to the request. */
class Prices extends Context.Tag("Prices")<
  Prices,
  { readonly of: (id: string) => Effect.Effect<number, CatalogueAway, FliptClient.FliptClient | Flag.Entity> }
>() {
  static readonly layer = Layer.effect(
    Prices,
    Effect.gen(function* () {
      const url = yield* Config.string("CATALOGUE_URL")
      const catalogue = (yield* HttpClient.HttpClient).pipe(
        HttpClient.mapRequest(HttpClientRequest.prependUrl(url)),
        HttpClient.filterStatusOk
      )
      const fullPrice = (id: string) =>
        catalogue.get(`/prices/${encodeURIComponent(id)}`).pipe(
          Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Struct({ price: Schema.Number }))),
          Effect.timeout("10 seconds"),
          Effect.tapError((error) => Effect.logWarning("no price from the catalogue", error)),
          Effect.mapBoth({ onFailure: () => new CatalogueAway(), onSuccess: ({ price }) => price })
        )
      return Prices.of({
        of: Effect.fn("Prices.of")(function* (id) {
          const price = yield* fullPrice(id)
          return (yield* Discount.get()) ? price * 0.8 : price
        })
      })
    })
  )
}

const ProductsLive = HttpApiBuilder.group(Shop, "products", (handlers) =>
  Effect.gen(function* () {
    const prices = yield* Prices
    return handlers.handle("product", ({ path: { id } }) =>
      Effect.gen(function* () {
        const banner = yield* Banner.get()
        // evaluated with the same state as the banner, however long the catalogue takes
        const price = yield* prices.of(id)
        return { id, price, banner }
      })
    )
  })
)

/** Reports the status of the flags, but is always healthy: flags have defaults, and a restart would not help. */
const OperationsLive = HttpApiBuilder.group(Shop, "operations", (handlers) =>
  Effect.gen(function* () {
    const client = yield* FliptClient.FliptClient
    return handlers.handle("health", () => Effect.map(client.status, ({ _tag, version }) => ({ flags: _tag, version })))
  })
)

const ShopLive = HttpApiBuilder.api(Shop).pipe(
  Layer.provide([ProductsLive, OperationsLive]),
  Layer.provide([UserLive, OneStateLive, Prices.layer])
)

// How it is served.

/**
 * Serves until the Scope ends. Then it accepts no more connections, and completes the requests in progress before the API
 * and its dependencies close. The platform's own server would remove the API first, and wait for idle connections.
 */
const Serving = Layer.unwrapEffect(
  Effect.gen(function* () {
    const port = Config.integer("PORT").pipe(Config.withDefault(3000))
    const patience = yield* Config.duration("SHUTDOWN_PATIENCE").pipe(Config.withDefault("20 seconds"))
    const server = createServer()
    const drain = Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
    }).pipe(
      Effect.interruptible, // finalizers are uninterruptible by default
      Effect.timeoutOption(patience),
      Effect.zipRight(Effect.sync(() => server.closeAllConnections()))
    )
    // the server would wait for clients that keep idle connections
    const lastAnswers = HttpApp.withPreResponseHandler((_, response) =>
      Effect.sync(() => (server.listening ? response : HttpServerResponse.setHeader(response, "connection", "close")))
    )
    return Layer.scopedDiscard(Effect.addFinalizer(() => drain)).pipe(
      Layer.provide(HttpApiBuilder.serve(lastAnswers).pipe(HttpServer.withLogAddress)),
      Layer.provide(NodeHttpServer.layerConfig(() => server, { port }))
    )
  })
)

/** With `fallback` the service starts and runs even if Flipt is away. */
const Flipt = Flag.layerValidate([Discount, Banner]).pipe(
  Layer.provideMerge(
    FliptClient.layerConfig(
      Config.map(FliptClient.config, (options) => ({ ...options, errorStrategy: "fallback" as const }))
    )
  ),
  Layer.provide(Telemetry.layer())
)

/** Sends spans, metrics and logs to a collector, if one is configured. */
const Observability = Layer.unwrapEffect(
  Effect.map(
    Config.option(Config.string("OTEL_EXPORTER_OTLP_ENDPOINT")),
    Option.match({
      onNone: () => Layer.empty,
      onSome: (baseUrl) => Otlp.layerJson({ baseUrl, resource: { serviceName: "shop" } })
    })
  )
)

const Main = Serving.pipe(
  Layer.provide(ShopLive),
  Layer.provide(Flipt),
  Layer.provide(Observability),
  Layer.provide(NodeHttpClient.layer)
)

NodeRuntime.runMain(Layer.launch(Main))
