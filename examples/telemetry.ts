/**
 * Telemetry from end to end: `@effect/opentelemetry` sends spans and metrics to a collector. The example includes a small
 * collector, and prints the parts about feature flags.
 *
 *     npm run build && node build/examples/telemetry.js
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as Otlp from "@effect/opentelemetry/Otlp"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Telemetry from "flipt-client-effect/Telemetry"

interface Value {
  readonly stringValue?: string
  readonly boolValue?: boolean
}

interface Attribute {
  readonly key: string
  readonly value: Value
}

/** The parts of OTLP over HTTP in JSON that this example reads. */
interface Received {
  readonly resourceSpans?: ReadonlyArray<{
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<{
        readonly name: string
        readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: ReadonlyArray<Attribute> }>
      }>
    }>
  }>
  readonly resourceMetrics?: ReadonlyArray<{
    readonly scopeMetrics: ReadonlyArray<{
      readonly metrics: ReadonlyArray<{
        readonly name: string
        readonly sum?: { readonly dataPoints: ReadonlyArray<Point> }
      }>
    }>
  }>
}

interface Point {
  readonly attributes: ReadonlyArray<Attribute>
  readonly asDouble?: number
  readonly asInt?: string | number
}

const show = (attributes: ReadonlyArray<Attribute>): string =>
  attributes.map(({ key, value }) => `${key}=${value.stringValue ?? value.boolValue}`).join(" ")

/** Formats everything that was received, in lines. */
const linesOf = (received: Received): ReadonlyArray<string> => {
  const spans = (received.resourceSpans ?? []).flatMap((it) => it.scopeSpans).flatMap((it) => it.spans)
  const metrics = (received.resourceMetrics ?? []).flatMap((it) => it.scopeMetrics).flatMap((it) => it.metrics)
  return [
    ...spans.flatMap(({ events, name }) =>
      events.map((event) => `span ${name}, event ${event.name}: ${show(event.attributes)}`)
    ),
    ...metrics
      .filter(({ name }) => name === "flipt_client_evaluations")
      .flatMap(({ name, sum }) =>
        (sum?.dataPoints ?? []).map(
          ({ asDouble, asInt, attributes }) => `metric ${name} ${asDouble ?? asInt}: ${show(attributes)}`
        )
      )
  ]
}

/** A collector on the loopback interface until the Scope ends. `lines` contains what it received. */
const collector = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly lines: Set<string>; readonly close: () => void }>((resume) => {
    const lines = new Set<string>()
    const server = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        for (const line of linesOf(JSON.parse(Buffer.concat(chunks).toString()) as Received)) {
          lines.add(line)
        }
        response.setHeader("Content-Type", "application/json").end("{}")
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resume(
        Effect.succeed({
          url: `http://127.0.0.1:${port}`,
          lines,
          close: () => {
            server.close()
            server.closeAllConnections()
          }
        })
      )
    })
  }),
  ({ close }) => Effect.sync(close)
)

/** Handles a request, in a span like that of an HTTP server. */
const handle = (userId: string) =>
  Effect.gen(function* () {
    const user = { entityId: userId, context: { plan: "pro" } }
    yield* FliptClient.evaluateBoolean({ flagKey: "new-checkout", ...user })
    yield* FliptClient.evaluateVariant({ flagKey: "theme", ...user })
    yield* Effect.ignore(FliptClient.evaluateBoolean({ flagKey: "no-such-flag", ...user }))
  }).pipe(FliptClient.withPinned, Effect.withSpan("GET /checkout"))

const Flipt = FliptClient.layerWithoutDependencies().pipe(
  Layer.provide([Engine.layer, Fetcher.layerFile("examples/flags.json")]),
  // provided to the client; a layer merged beside it would have no effect
  Layer.provide(Telemetry.layer({ entityId: "hash" }))
)

const program = Effect.gen(function* () {
  const { lines, url } = yield* collector
  // closing the layer sends the rest
  yield* handle("user-42").pipe(
    Effect.provide(
      Layer.provideMerge(
        Flipt,
        Otlp.layerJson({ baseUrl: url, resource: { serviceName: "shop" } }).pipe(Layer.provide(FetchHttpClient.layer))
      )
    )
  )
  yield* Effect.forEach([...lines].sort(), (line) => Console.log(line))
})

await Effect.runPromise(Effect.scoped(program))
