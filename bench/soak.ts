/**
 * Runs clients with both engines and in both modes against an unreliable server: it restarts, cuts bodies and frames,
 * sends errors and malformed documents, and keeps changing its flags. Meanwhile clients open and close, listeners come
 * and go, and snapshots stay in use. Every ten seconds everything temporary ends, and the remaining resources are
 * counted. Exits with code 1 if something grows, leaks or ends up wrong. `npm run soak [minutes]`.
 */
import { fork } from "node:child_process"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import process from "node:process"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as Auth from "flipt-client-effect/Auth"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Tls from "flipt-client-effect/Tls"
import { load, Stat } from "../test/support/internals.js"

const ROUND_MILLIS = 8000
const PAUSE_MILLIS = 700
/** How far the median of the last third of the samples may exceed the median of the second third. */
const TOLERANCE = { heap: { bytes: 2e6, part: 0.05 }, rss: { bytes: 12e6, part: 0.1 } }
/** A client waits up to 30 s before it reopens a stream, and a request with retries may precede that. */
const RECOVERY_MILLIS = 90_000

const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))
const pick = <A>(values: ReadonlyArray<A>): A => values[Math.floor(Math.random() * values.length)]!
const between = (from: number, to: number): number => from + Math.random() * (to - from)

const documentOf = (revision: number): string => {
  const rules = [
    {
      segmentOperator: "OR_SEGMENT_OPERATOR",
      segments: [{ key: "everyone", matchType: "ALL_SEGMENT_MATCH_TYPE", constraints: [] }],
      distributions: [{ variantKey: `r${revision}`, rollout: 100 }]
    }
  ]
  const flags = Array.from({ length: 200 }, (_, index) => ({
    key: `flag-${index}`,
    name: "",
    enabled: (index + revision) % 3 === 0,
    type: "BOOLEAN_FLAG_TYPE",
    rollouts: []
  }))
  return JSON.stringify({
    digest: String(revision).padStart(40, "0"),
    namespace: { key: "default" },
    flags: [...flags, { key: "revision", name: "", enabled: true, type: "VARIANT_FLAG_TYPE", rules }]
  })
}

const serve = async () => {
  let revision = 1
  let flapping = true
  let faults = 0
  const streams = new Set<Http.ServerResponse>()
  const etag = () => String(revision).padStart(40, "0")
  const json = { "content-type": "application/json" }
  const bad = () =>
    pick(["", "{", "null", '{"namespace":{"key":"default"}}', '{"flags":[{"key":1}]}', `${documentOf(revision)}}`])

  const spoil = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
    faults++
    const body = documentOf(revision)
    switch (pick(["status", "bad", "cut", "slow", "reset"])) {
      case "status":
        response.writeHead(pick([500, 502, 503, 429]), { ...json, "retry-after": "0" }).end('{"message":"flapping"}')
        return
      case "bad":
        response.writeHead(200, { ...json, etag: `bad-${faults}` }).end(bad())
        return
      case "cut":
        response.writeHead(200, { ...json, etag: etag(), "content-length": body.length })
        response.write(body.slice(0, body.length / 2), () => request.socket.destroy())
        return
      case "slow": {
        const tag = etag()
        response.writeHead(200, { ...json, etag: tag })
        let sent = 0
        const timer = setInterval(() => {
          response.write(body.slice(sent, sent + 4000))
          sent += 4000
          if (sent >= body.length) {
            clearInterval(timer)
            response.end()
          }
        }, 20)
        response.once("close", () => clearInterval(timer))
        return
      }
      default:
        request.socket.resetAndDestroy()
    }
  }

  const server = Http.createServer((request, response) => {
    if (flapping && Math.random() < 0.3) {
      spoil(request, response)
    } else if (request.url?.includes("/stream")) {
      response.writeHead(200, json).flushHeaders()
      streams.add(response)
      response.once("close", () => streams.delete(response))
      if (!request.url?.includes(etag())) response.write(`{"result":${documentOf(revision)}}\n`)
    } else if (request.headers["if-none-match"] === etag()) {
      response.writeHead(304, { etag: etag() }).end()
    } else {
      response.writeHead(200, { ...json, etag: etag() }).end(documentOf(revision))
    }
  })
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo

  const push = () => {
    for (const stream of streams) {
      const frame = `{"result":${documentOf(revision)}}\n`
      const what = flapping ? pick(["whole", "whole", "whole", "whole", "half", "error", "bad", "end"]) : "whole"
      if (what !== "whole") faults++
      if (what === "whole") stream.write(frame)
      else if (what === "half") stream.write(frame.slice(0, 5000), () => stream.socket?.destroy())
      else if (what === "error") stream.end('{"error":{"code":14,"message":"flapping"}}\n')
      else if (what === "bad") stream.write(`{"result":${bad()}}\n`)
      else stream.end()
    }
  }
  const restart = async () => {
    faults++
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
    await wait(between(20, 500))
    await listen(port)
  }
  const flap = async () => {
    while (flapping) {
      await wait(between(50, 300))
      if (Math.random() < 0.05) await restart()
      revision++
      push()
    }
    process.send!({ revision, faults })
  }
  process.on("message", () => {
    flapping = false
  })
  process.on("disconnect", () => process.exit())
  process.send!({ port })
  await flap()
}

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)

const soak = async (minutes: number): Promise<void> => {
  const trouble: Array<string> = []
  for (const event of ["unhandledRejection", "uncaughtException", "warning"]) {
    process.on(event, (error: unknown) => trouble.push(`${event}: ${error instanceof Error ? error.stack : error}`))
  }
  const before = process.getActiveResourcesInfo().length
  const child = fork(new URL(import.meta.url), ["server"])
  const messages: Array<unknown> = []
  child.on("message", (message) => messages.push(message))
  const told = async <Message>(): Promise<Message> => {
    while (messages.length === 0) await wait(10)
    return messages.shift() as Message
  }
  const { port } = await told<{ readonly port: number }>()

  const library = await Effect.runPromise(Effect.either(load(process.env.FLIPT_ENGINE_PATH)))
  const engines: Array<typeof Engine.layerNative> = [Engine.layerPortable]
  if (Either.isRight(library)) engines.push(Engine.layerNative)
  else console.log(`skipping the native engine: ${library.left.message}`)
  const handles = () =>
    Either.match(library, {
      onLeft: () => ({ snapshots: 0, jobs: 0, arenas: 0, blobs: 0 }),
      onRight: ({ stat }) => ({
        snapshots: stat(Stat.snapshots),
        jobs: stat(Stat.jobs),
        arenas: stat(Stat.arenas),
        blobs: stat(Stat.blobs)
      })
    })

  const counts = { clients: 0, evaluations: 0, errors: 0, events: 0, pins: 0 }
  const options: Fetcher.Options = {
    url: `http://127.0.0.1:${port}`,
    updateInterval: "500 millis",
    requestTimeout: "2 seconds"
  }
  const policy = Layer.succeed(
    Fetcher.RetryPolicy,
    Schedule.intersect(Schedule.exponential("50 millis"), Schedule.recurs(2))
  )
  type Client = FliptClient.Service
  type Kind = readonly [mode: "polling" | "streaming", engine: typeof Engine.layerNative]
  const layerOf = ([mode, engine]: Kind) => {
    const fetcher = mode === "streaming" ? Fetcher.layerStreaming(options) : Fetcher.layerPolling(options)
    return FliptClient.layerWithoutDependencies({ errorStrategy: "fallback" }).pipe(
      Layer.provide([
        Layer.provide(fetcher, [Layer.provide(Tls.layerHttpClient, Tls.layerSystem), Auth.layerNone]),
        engine
      ]),
      Layer.provide(policy)
    )
  }
  const kinds = (["polling", "streaming"] as const).flatMap((mode) => engines.map((engine): Kind => [mode, engine]))

  const request = { flagKey: "revision", entityId: "user-1" }
  const evaluate = <A, E, R>(evaluation: Effect.Effect<A, E, R>) =>
    Effect.match(evaluation, {
      onFailure: () => void counts.errors++,
      onSuccess: () => void counts.evaluations++
    })
  const listening = (client: Client) =>
    Effect.suspend(() =>
      pick<Stream.Stream<unknown, unknown>>([
        client.changes,
        client.statusChanges,
        client.watchVariant(request),
        client.watchBoolean({ flagKey: "flag-3", entityId: "user-1" })
      ]).pipe(
        Stream.runForEach(() => Effect.sync(() => void counts.events++)),
        Effect.timeoutOption(between(50, 2000))
      )
    )
  const pinning = (client: Client) =>
    Effect.gen(function* () {
      const snapshot = yield* client.snapshot
      counts.pins++
      yield* Effect.sleep(between(5, 800))
      yield* evaluate(Effect.suspend(() => snapshot.variant(request)))
    }).pipe(Effect.scoped, Effect.ignore)
  const evaluating = (client: Client) =>
    Effect.zipRight(
      Effect.replicateEffect(evaluate(client.evaluateVariant(request)), 20, { discard: true }),
      Effect.sleep(between(5, 50))
    )
  const passing = Effect.suspend(() =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      counts.clients++
      const living = Effect.all([listening(client), pinning(client), evaluating(client)], { concurrency: "unbounded" })
      yield* Effect.timeoutOption(Effect.forever(living), between(20, 1500))
    }).pipe(Effect.provide(layerOf(pick(kinds))), Effect.timeoutOption(between(20, 3000)))
  )

  const supervisor = await Effect.runPromise(Supervisor.track)
  const program = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const clients: Array<Client> = []
    for (const kind of kinds) {
      const context = yield* Layer.buildWithScope(layerOf(kind), scope)
      clients.push(Context.get(context, FliptClient.FliptClient))
    }
    const work = Effect.all(
      [
        ...clients.flatMap((client) => [listening(client), listening(client), pinning(client), evaluating(client)]),
        passing,
        passing,
        passing
      ].map((one: Effect.Effect<unknown, unknown>) => Effect.forever(one)),
      { concurrency: "unbounded", discard: true }
    )
    const sample = Effect.gen(function* () {
      yield* Effect.sleep(PAUSE_MILLIS)
      for (let times = 0; times < 5; times++) {
        globalThis.gc!()
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      const { external, heapUsed, rss } = process.memoryUsage()
      const fibers = (yield* supervisor.value).length
      return {
        heap: heapUsed + external,
        rss,
        fibers,
        handles: handles(),
        resources: process.getActiveResourcesInfo().length
      }
    })
    const samples: Array<Effect.Effect.Success<typeof sample>> = []
    const begun = Date.now()
    console.log(
      "time    heap MB  rss MB  fibers  resources  native snapshots/jobs/arenas/blobs  clients  evaluations  errors  events  pins"
    )
    while (Date.now() - begun < minutes * 60_000) {
      yield* Effect.timeoutOption(work, ROUND_MILLIS)
      const it = yield* sample
      samples.push(it)
      console.log(
        [
          `${Math.round((Date.now() - begun) / 1000)} s`.padEnd(7),
          megabytes(it.heap).padStart(7),
          megabytes(it.rss).padStart(7),
          String(it.fibers).padStart(7),
          String(it.resources).padStart(10),
          Object.values(it.handles).join("/").padStart(35),
          ...Object.values(counts).map((count) => String(count).padStart(9))
        ].join(" ")
      )
    }
    child.send("calm")
    const { faults, revision } = yield* Effect.promise(() =>
      told<{ readonly faults: number; readonly revision: number }>()
    )
    const calmAt = Date.now()
    const right = Effect.forEach(clients, (client) =>
      Effect.match(client.evaluateVariant(request), {
        onFailure: () => false,
        onSuccess: ({ variantKey }) => variantKey === `r${revision}`
      })
    )
    const states = yield* Effect.repeat(Effect.zipLeft(right, Effect.sleep(50)), {
      until: (all) => all.every(Boolean) || Date.now() - calmAt > RECOVERY_MILLIS
    })
    const recovered = Date.now() - calmAt
    yield* Scope.close(scope, Exit.void)
    const after = yield* sample
    return { after, faults, recovered, samples, states }
  }).pipe(Effect.supervised(supervisor), Effect.provide(Logger.remove(Logger.defaultLogger)))
  const { after, faults, recovered, samples, states } = await Effect.runPromise(program)
  child.disconnect()
  await new Promise((resolve) => child.once("exit", resolve))
  await wait(100)

  let broken = 0
  const verdict = (what: string, holds: boolean): void => {
    if (!holds) broken++
    console.log(`${holds ? "kept  " : "BROKEN"} ${what}`)
  }
  const third = Math.floor(samples.length / 3)
  for (const name of ["heap", "rss"] as const) {
    const { bytes, part } = TOLERANCE[name]
    const values = samples.map((it) => it[name])
    const last = median(values.slice(values.length - third))
    const second = median(values.slice(values.length - 2 * third, values.length - third))
    verdict(
      `${name}: median of the last third ${megabytes(last)} MB, of the second third ${megabytes(second)} MB; may grow by ${megabytes(bytes)} MB or ${part * 100} %`,
      third > 0 && last - second <= Math.max(bytes, second * part)
    )
  }
  const natives = kinds.length / 2
  const open = samples.map((it) => it.handles.snapshots)
  verdict(
    `native snapshots while clients are open: at most ${Math.max(...open)}; each client keeps one, and may be loading another`,
    Math.max(...open) <= 2 * natives
  )
  verdict(
    `native handles after the clients closed: ${JSON.stringify(after.handles)}`,
    Object.values(after.handles).every((count) => count === 0)
  )
  const left = process.getActiveResourcesInfo().length - before
  verdict(`event loop resources in addition to those at the start: ${left}`, left <= 0)
  verdict(`fibers after the clients closed: ${after.fibers}`, after.fibers <= 1)
  verdict(
    `all ${states.length} clients have the last state ${(recovered / 1000).toFixed(1)} s after the server recovered: ${states.join(", ")}`,
    states.every(Boolean)
  )
  verdict(`unhandled rejections, uncaught exceptions and warnings: ${trouble.length}`, trouble.length === 0)
  for (const one of new Set(trouble)) console.log(one)
  console.log(
    `${minutes} minutes, ${faults} server faults, Node ${process.version}, ${Duration.format(Duration.millis(Math.round(performance.now())))}`
  )
  process.exitCode = broken === 0 ? 0 : 1
}

if (process.argv[2] === "server") await serve()
else await soak(Number(process.argv[2] ?? 5))
