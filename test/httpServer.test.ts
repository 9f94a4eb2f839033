/**
 * Runs examples/http-server.ts as a process, with the build that `npm test` makes first. Sends it requests over
 * persistent connections while its flags change, and then shuts it down. Flipt, the catalogue and the collector are
 * stand-ins.
 */
import { spawn } from "node:child_process"
import * as Http from "node:http"
import * as Net from "node:net"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"
import * as FliptServer from "./support/FliptServer.js"
import { listen } from "./support/Listener.js"

const root = fileURLToPath(new URL("..", import.meta.url))

/** Two states, each with two matching flags. The program's defaults differ from both. */
const regular = makeDocument([booleanFlag("discount", false), variantFlag("banner", "regular")])
const sale = makeDocument([booleanFlag("discount", true), variantFlag("banner", "sale")])

const inRegular = (id: string) => ({ status: 200, body: { id, price: 100, banner: "regular" } })
const inSale = (id: string) => ({ status: 200, body: { id, price: 80, banner: "sale" } })

const constraint = (type: string, property: string, value: string) => ({
  type: `${type}_CONSTRAINT_COMPARISON_TYPE`,
  property,
  operator: "eq",
  value
})

/** The discount for a user on a plan. */
const forAdaOnPro = {
  ...booleanFlag("discount", false),
  rollouts: [
    {
      type: "SEGMENT_ROLLOUT_TYPE",
      rank: 1,
      segment: {
        value: true,
        segmentOperator: "OR_SEGMENT_OPERATOR",
        segments: [
          {
            key: "ada-on-pro",
            matchType: "ALL_SEGMENT_MATCH_TYPE",
            constraints: [constraint("ENTITY_ID", "entityId", "ada"), constraint("STRING", "plan", "pro")]
          }
        ]
      }
    }
  ]
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

/** A client with a persistent connection. */
interface Connection {
  readonly get: (path: string, headers?: Http.OutgoingHttpHeaders) => Effect.Effect<Answer, Error>
  /** The number of sockets that it used. */
  readonly sockets: () => number
  /** The header `Connection` of the last response. */
  readonly kept: () => string | undefined
  readonly awaitClose: Effect.Effect<void>
}

const connect = (port: number): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.gen(function* () {
    const agent = yield* Effect.acquireRelease(
      Effect.sync(() => new Http.Agent({ keepAlive: true, maxSockets: 1 })),
      (it) => Effect.sync(() => it.destroy())
    )
    const sockets = new Set<Net.Socket>()
    const closed = yield* Deferred.make<void>()
    let kept: string | undefined
    return {
      get: (path, headers = { "x-user-id": "ada" }) =>
        Effect.async<Answer, Error>((resume) => {
          Http.get({ host: "127.0.0.1", port, path, agent, headers }, (response) => {
            const chunks: Array<Buffer> = []
            kept = response.headers.connection
            response.on("data", (chunk: Buffer) => chunks.push(chunk))
            response.on("error", (error) => resume(Effect.fail(error)))
            response.on("end", () =>
              resume(
                Effect.try({
                  try: () => ({
                    status: response.statusCode ?? 0,
                    body: JSON.parse(Buffer.concat(chunks).toString()) as unknown
                  }),
                  catch: (error) => error as Error
                })
              )
            )
          })
            .on("socket", (socket) => {
              if (sockets.has(socket)) return
              sockets.add(socket)
              socket.once("close", () => Deferred.unsafeDone(closed, Effect.void))
            })
            .on("error", (error) => resume(Effect.fail(error)))
        }),
      sockets: () => sockets.size,
      kept: () => kept,
      awaitClose: Deferred.await(closed)
    }
  })

interface Told {
  readonly traces: ReadonlyArray<{
    readonly resourceSpans: ReadonlyArray<{
      readonly scopeSpans: ReadonlyArray<{
        readonly spans: ReadonlyArray<{
          readonly name: string
          readonly events: ReadonlyArray<{ readonly name: string }>
        }>
      }>
    }>
  }>
  readonly metrics: ReadonlyArray<{
    readonly resourceMetrics: ReadonlyArray<{
      readonly scopeMetrics: ReadonlyArray<{
        readonly metrics: ReadonlyArray<{
          readonly name: string
          readonly sum?: { readonly dataPoints: ReadonlyArray<{ readonly asDouble?: number; readonly asInt?: number }> }
        }>
      }>
    }>
  }>
}

/** The catalogue, where everything costs 100, and the collector, in one server. */
const makeBackend = Effect.gen(function* () {
  const held = yield* Queue.unbounded<() => void>()
  const told = { traces: [] as Array<never>, metrics: [] as Array<never>, logs: [] as Array<never> }
  const server = Http.createServer((request, response) => {
    const [, first, second] = (request.url ?? "").split("/")
    if (first === "prices") {
      const answer = () => response.setHeader("content-type", "application/json").end('{"price":100}')
      if (second === "nothing") {
        response.writeHead(404, { "content-type": "application/json" }).end('{"price":1}')
      } else if (second?.startsWith("held")) {
        Queue.unsafeOffer(held, answer)
      } else {
        answer()
      }
      return
    }
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      told[second as keyof typeof told].push(JSON.parse(Buffer.concat(chunks).toString()) as never)
      response.setHeader("content-type", "application/json").end("{}")
    })
  })
  return {
    url: `http://127.0.0.1:${yield* listen(server)}`,
    /** Waits for this many more requests for `held...`, and returns their responses. */
    awaitHeld: (count: number) => Queue.takeN(held, count),
    told: told as Told
  }
})

/** The service with everything that it needs. */
const start = Effect.fn(function* (document: object, variables: Readonly<Record<string, string>> = {}) {
  const flipt = yield* FliptServer.make({ documents: { default: document } })
  const backend = yield* makeBackend
  const listening = yield* Deferred.make<number, Error>()
  const ended = yield* Deferred.make<{ readonly code: number | null; readonly output: string }>()
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["build/examples/http-server.js"], {
        cwd: root,
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          PORT: "0",
          FLIPT_URL: flipt.url,
          FLIPT_FETCH_MODE: "streaming",
          CATALOGUE_URL: backend.url,
          OTEL_EXPORTER_OTLP_ENDPOINT: backend.url,
          ...variables
        }
      })
    ),
    (it) => Effect.sync(() => it.kill("SIGKILL"))
  )
  let output = ""
  const read = (chunk: Buffer) => {
    output += chunk.toString()
    const [, port] = /Listening on http:\/\/[^:]+:(\d+)/.exec(output) ?? []
    if (port !== undefined) Deferred.unsafeDone(listening, Effect.succeed(Number(port)))
  }
  child.stdout.on("data", read)
  child.stderr.on("data", read)
  child.once("close", (code) => {
    Deferred.unsafeDone(listening, Effect.fail(new Error(`the service exited with code ${code}:\n${output}`)))
    Deferred.unsafeDone(ended, Effect.succeed({ code, output }))
  })
  const port = yield* Deferred.await(listening)
  expect(port).not.toBe(3000)
  yield* flipt.awaitStreams(1)
  return {
    flipt,
    backend,
    port,
    terminate: Effect.sync(() => child.kill("SIGTERM")),
    ended: Deferred.await(ended),
    output: () => output
  }
})

it.scopedLive("answers every request with a single state while the flags change", () =>
  Effect.gen(function* () {
    const { flipt, port } = yield* start(regular)
    const connections = yield* Effect.replicateEffect(connect(port), 6)
    const answers: Array<Answer> = []
    const news = yield* Queue.unbounded<Answer>()
    let changing = true
    const ask = ({ get }: Connection) =>
      Effect.whileLoop({
        while: () => changing,
        body: () => get("/products/chair"),
        step: (answer) => {
          answers.push(answer)
          Queue.unsafeOffer(news, answer)
        }
      })
    /** Waits until a response uses this state. */
    const change = (document: object, expected: Answer) =>
      Effect.gen(function* () {
        yield* flipt.setDocument(document)
        yield* Queue.takeAll(news)
        yield* Effect.repeat(Queue.take(news), {
          until: ({ body }) => (body as { price?: number }).price === (expected.body as { price: number }).price
        })
      })
    const changes = Effect.zipRight(change(sale, inSale("chair")), change(regular, inRegular("chair"))).pipe(
      Effect.repeatN(19),
      Effect.ensuring(
        Effect.sync(() => {
          changing = false
        })
      )
    )
    yield* Effect.all([changes, ...connections.map(ask)], { concurrency: "unbounded" })
    const kinds = new Set(answers.map((answer) => JSON.stringify(answer)))
    expect([...kinds].sort()).toEqual([inRegular("chair"), inSale("chair")].map((it) => JSON.stringify(it)).sort())
    expect(answers.length).toBeGreaterThanOrEqual(40)
    expect(connections.map(({ sockets }) => sockets())).toEqual([1, 1, 1, 1, 1, 1])
  })
)

it.scopedLive(
  "answers a request with the state at its start, however long it takes, and the next one with the new state",
  () =>
    Effect.gen(function* () {
      const { backend, flipt, port } = yield* start(regular)
      const slow = yield* connect(port)
      const quick = yield* connect(port)
      const answer = yield* Effect.fork(slow.get("/products/held"))
      const [release] = yield* backend.awaitHeld(1)
      yield* flipt.setDocument(sale)
      yield* Effect.repeat(quick.get("/products/chair"), {
        until: ({ body }) => (body as { banner?: string }).banner === "sale"
      })
      release?.()
      expect(yield* answer).toEqual(inRegular("held"))
      expect(yield* slow.get("/products/chair")).toEqual(inSale("chair"))
    })
)

it.scopedLive("evaluates flags for the user of the request, and refuses requests without a user", () =>
  Effect.gen(function* () {
    const { port } = yield* start(makeDocument([forAdaOnPro]))
    const { get } = yield* connect(port)
    const price = (headers: Http.OutgoingHttpHeaders) => Effect.map(get("/products/chair", headers), ({ body }) => body)
    const none = { id: "chair", banner: "none" }
    expect(yield* price({ "x-user-id": "ada", "x-plan": "pro" })).toEqual({ ...none, price: 80 })
    expect(yield* price({ "x-user-id": "ada" })).toEqual({ ...none, price: 100 })
    expect(yield* price({ "x-user-id": "bob", "x-plan": "pro" })).toEqual({ ...none, price: 100 })
    const refused = { status: 401, body: { _tag: "Unauthorized" } }
    expect(yield* get("/products/chair", { "x-plan": "pro" })).toEqual(refused)
    expect(yield* get("/products/chair", { "x-user-id": "" })).toEqual(refused)
    expect(yield* get("/products/nothing")).toEqual({ status: 503, body: { _tag: "CatalogueAway" } })
  })
)

it.scopedLive("logs missing flags at startup, and keeps running if Flipt is down", () =>
  Effect.gen(function* () {
    const { flipt, output, port } = yield* start(makeDocument([booleanFlag("discount", true)]))
    expect(output()).toContain("there is no flag banner")
    const { get } = yield* connect(port)
    const health = Effect.map(get("/health", {}), ({ body }) => body as { readonly flags: string })
    expect(yield* health).toEqual({ flags: "Ready", version: expect.stringMatching(/^[0-9a-f]{40}$/) })
    // a refused credential is not retried
    yield* flipt.setToken({ kind: "client", value: "another" })
    yield* flipt.restart
    yield* Effect.repeat(health, { until: ({ flags }) => flags !== "Ready" })
    expect(yield* health).toEqual({ flags: "Stale", version: expect.stringMatching(/^[0-9a-f]{40}$/) })
    expect(yield* get("/products/chair")).toEqual({
      status: 200,
      body: { id: "chair", price: 80, banner: "none" }
    })
  })
)

it.scopedLive("completes requests in progress at shutdown, exports all telemetry, and leaves nothing", () =>
  Effect.gen(function* () {
    const { backend, ended, flipt, port, terminate } = yield* start(sale)
    const idle = yield* connect(port)
    expect(yield* idle.get("/products/chair")).toEqual(inSale("chair"))
    // a slow request that started before the others
    const slow = yield* Effect.acquireRelease(
      Effect.async<Net.Socket>((resume) => {
        const socket = Net.connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
        socket.write("GET /products/chair HTTP/1.1\r\n")
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )
    const connections = yield* Effect.replicateEffect(connect(port), 8)
    const answers = yield* Effect.fork(
      Effect.all(
        connections.map(({ get }, index) => get(`/products/held-${index}`)),
        { concurrency: "unbounded" }
      )
    )
    const held = yield* backend.awaitHeld(8)
    yield* terminate
    yield* idle.awaitClose
    const refused = yield* connect(port)
    expect((yield* Effect.flip(refused.get("/health"))).message).toMatch(/ECONNREFUSED|ECONNRESET/)
    const late = yield* Effect.async<string>((resume) => {
      let text = ""
      slow.on("data", (chunk: Buffer) => {
        text += chunk.toString()
      })
      slow.once("close", () => resume(Effect.succeed(text)))
      slow.write("host: localhost\r\nx-user-id: bob\r\n\r\n")
    })
    expect(late).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*"price":80,"banner":"sale"/)
    expect(yield* flipt.connections).toBeGreaterThan(0)
    for (const release of held) release()
    expect(yield* answers).toEqual(connections.map((_, index) => inSale(`held-${index}`)))
    expect(connections.map(({ kept }) => kept())).toEqual(connections.map(() => "close"))
    const { code, output } = yield* ended
    expect(code).toBe(0)
    // except the line about a missing native engine
    expect(output.replaceAll(/^.*using the portable engine.*$/gm, "")).not.toMatch(/WARN|ERROR/)
    yield* flipt.awaitConnections(0)

    const spans = backend.told.traces
      .flatMap(({ resourceSpans }) => resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans)
      .flatMap(({ spans }) => spans)
    const events = spans.flatMap(({ events, name }) => events.map((event) => `${name}: ${event.name}`))
    expect(events.filter((it) => it === "Prices.of: feature_flag.evaluation")).toHaveLength(10)
    expect(events.filter((it) => it === "http.server GET: feature_flag.evaluation")).toHaveLength(10)
    const [evaluations] = backend.told.metrics
      .flatMap(({ resourceMetrics }) => resourceMetrics)
      .flatMap(({ scopeMetrics }) => scopeMetrics)
      .flatMap(({ metrics }) => metrics)
      .filter(({ name }) => name === "flipt_client_evaluations")
      .map(({ sum }) => (sum?.dataPoints ?? []).reduce((all, it) => all + Number(it.asDouble ?? it.asInt), 0))
      .slice(-1)
    expect(evaluations).toBe(20)
  })
)

it.scopedLive("does not wait forever for a request at shutdown", () =>
  Effect.gen(function* () {
    const { backend, ended, flipt, port, terminate } = yield* start(regular, { SHUTDOWN_PATIENCE: "10 millis" })
    const { get } = yield* connect(port)
    const answer = yield* Effect.fork(get("/products/held"))
    yield* backend.awaitHeld(1)
    yield* terminate
    expect((yield* Effect.flip(answer)).message).toMatch(/socket hang up|ECONNRESET/)
    expect((yield* ended).code).toBe(0)
    yield* flipt.awaitConnections(0)
  })
)
