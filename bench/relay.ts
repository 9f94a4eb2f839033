/**
 * Measures what a relay over Redis saves and costs: the requests that reach Flipt from fleets with and without it, and
 * how long a change takes to reach the last of 200 clients. Everything except Redis runs in one process, so the times
 * are those of a busy machine. Needs `redis-server`, or its path in `REDIS_SERVER`. Exits with code 1 if a promise is
 * broken. `npm run bench:relay`.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { Connection, Relay } from "@flipt-client-effect/redis"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import * as Auth from "flipt-client-effect/Auth"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Tls from "flipt-client-effect/Tls"
import { onDocument } from "../test/support/documents.js"
import * as FliptServer from "../test/support/FliptServer.js"

const FLEETS = [1, 10, 200]
/** Processes of a fleet that may lead. */
const LEADERS = 3
const POLL_SECONDS = 5
const OBSERVED_SECONDS = 15
const CHANGES = 40
const PAUSE = "50 millis"
/** With a relay, Flipt sees at most this many times the requests of one client. */
const MAX_SHARE = 1.5
const MAX_P99_MILLIS = 1000

const accepts = async (port: number): Promise<boolean> => {
  const socket = Net.connect(port, "127.0.0.1")
  const open = await Promise.race([
    once(socket, "connect").then(() => true),
    once(socket, "close").then(() => false)
  ]).catch(() => false)
  socket.destroy()
  return open
}

const redis = Effect.acquireRelease(
  Effect.promise(async () => {
    const probe = Net.createServer().listen(0, "127.0.0.1")
    await once(probe, "listening")
    const { port } = probe.address() as Net.AddressInfo
    await new Promise((resolve) => probe.close(resolve))
    const folder = mkdtempSync(join(tmpdir(), "flipt-bench-"))
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    const child = spawn(process.env.REDIS_SERVER ?? "redis-server", args, { stdio: "ignore" })
    child.once("error", (error) => {
      console.error(`redis-server does not start: ${error.message}; install it, or set REDIS_SERVER to its path`)
      process.exit(1)
    })
    while (!(await accepts(port))) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return { child, folder, url: `redis://127.0.0.1:${port}` }
  }),
  ({ child, folder }) =>
    Effect.sync(() => {
      child.kill("SIGKILL")
      rmSync(folder, { recursive: true, force: true })
    })
)

interface Fleet {
  readonly clients: number
  readonly flipt: string
  /** Absent for a fleet without a relay. */
  readonly redis: string | undefined
  readonly mode: "polling" | "streaming"
}

const makeClient = ({ flipt, mode, redis }: Fleet, index: number) => {
  const origin = (mode === "polling" ? Fetcher.layerPolling : Fetcher.layerStreaming)({
    url: flipt,
    updateInterval: mode === "polling" ? `${POLL_SECONDS} seconds` : "2 minutes"
  }).pipe(Layer.provide([Tls.layerHttpClient, Auth.layerNone]), Layer.provide(Tls.layerSystem))
  const fetcher =
    redis === undefined
      ? origin
      : Layer.provide(Relay.layer({ lead: index < LEADERS }), [
          origin,
          Connection.layer({ url: redis, requestTimeout: "1 minute" })
        ])
  return Effect.map(
    Layer.build(FliptClient.layerWithoutDependencies().pipe(Layer.provide([fetcher, Engine.layerPortable]))),
    Context.get(FliptClient.FliptClient)
  )
}

const makeFleet = (fleet: Fleet) =>
  Effect.all(
    Array.from({ length: fleet.clients }, (_, index) => makeClient(fleet, index)),
    { concurrency: 5 }
  )

const requestsPerMinute = (clients: number, withRelay: boolean) =>
  Effect.gen(function* () {
    const flipt = yield* FliptServer.make({ documents: { default: onDocument(true) } })
    const { url } = yield* redis
    yield* makeFleet({ clients, flipt: flipt.url, redis: withRelay ? url : undefined, mode: "polling" })
    const commands = Effect.flatMap(Connection.Connection, ({ run }) =>
      Effect.map(
        run((client) => client.info("stats")),
        (text) => Number(/total_commands_processed:(\d+)/.exec(text)?.[1])
      )
    ).pipe(Effect.provide(Connection.layer({ url })))
    const [requestsBefore, commandsBefore] = [(yield* flipt.requests).length, yield* commands]
    yield* Effect.sleep(`${OBSERVED_SECONDS} seconds`)
    const [requestsAfter, commandsAfter] = [(yield* flipt.requests).length, yield* commands]
    return {
      requests: ((requestsAfter - requestsBefore) * 60) / OBSERVED_SECONDS,
      commands: (commandsAfter - commandsBefore) / OBSERVED_SECONDS
    }
  }).pipe(Effect.scoped)

/** How long each change takes to reach the last client, in milliseconds. */
const propagation = (clients: number, withRelay: boolean) =>
  Effect.gen(function* () {
    const flipt = yield* FliptServer.make({ documents: { default: onDocument(false) } })
    const { url } = yield* redis
    const fleet = yield* makeFleet({
      clients,
      flipt: flipt.url,
      redis: withRelay ? url : undefined,
      mode: "streaming"
    })
    yield* flipt.awaitStreams(withRelay ? 1 : clients)
    let expected = false
    let left = clients
    const done = yield* Effect.makeLatch(false)
    yield* Effect.forEach(fleet, (client) =>
      Effect.forkScoped(
        Stream.runForEach(client.watchBoolean({ flagKey: "on", entityId: "1" }), (result) =>
          Either.isRight(result) && result.right.enabled === expected && --left === 0 ? done.open : Effect.void
        )
      )
    )
    yield* done.await
    const times: Array<number> = []
    for (let change = 0; change < CHANGES; change++) {
      yield* Effect.sleep(PAUSE)
      yield* done.close
      expected = !expected
      left = clients
      const start = performance.now()
      yield* flipt.setDocument(onDocument(expected))
      yield* done.await
      times.push(performance.now() - start)
    }
    return times.sort((a, b) => a - b)
  }).pipe(Effect.scoped)

const main = Effect.gen(function* () {
  let kept = true
  console.log(
    `Requests per minute that reach Flipt. Each client polls every ${POLL_SECONDS} s; observed for ${OBSERVED_SECONDS} s`
  )
  const rows: Array<object> = []
  for (const clients of FLEETS) {
    const without = yield* requestsPerMinute(clients, false)
    const withRelay = yield* requestsPerMinute(clients, true)
    kept &&= withRelay.requests <= (60 / POLL_SECONDS) * MAX_SHARE
    rows.push({
      clients,
      "without relay": without.requests,
      "with relay": withRelay.requests,
      "Redis commands/s": withRelay.commands.toFixed(1)
    })
  }
  console.table(rows)

  const last = Math.max(...FLEETS)
  console.log(`Time until a change reaches the last of ${last} clients; ${CHANGES} changes, Flipt streams`)
  const times: Array<object> = []
  for (const withRelay of [false, true]) {
    const sorted = yield* propagation(last, withRelay)
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
    kept &&= !withRelay || at(0.99) <= MAX_P99_MILLIS
    times.push({
      fleet: withRelay ? "with relay" : "without relay",
      "p50 ms": at(0.5).toFixed(1),
      "p99 ms": at(0.99).toFixed(1),
      "max ms": sorted.at(-1)!.toFixed(1)
    })
  }
  console.table(times)
  console.log(
    `${kept ? "kept" : "BROKEN"}: with a relay, Flipt sees at most ${MAX_SHARE} times the requests of one client, and the last ` +
      `client sees a change within ${MAX_P99_MILLIS} ms (p99)`
  )
  process.exitCode = kept ? 0 : 1
})

await Effect.runPromise(Effect.provide(main, Logger.minimumLogLevel(LogLevel.Warning)))
