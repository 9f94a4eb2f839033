/**
 * A fleet of three processes that share one flag state over Redis. The first one that starts leads: it polls Flipt, here a
 * server of this program. The others read from Redis. Then a flag changes, and the leader is killed.
 *
 * Needs a Redis: `REDIS_URL=redis://localhost:6379 node build/examples/fleet.js`
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { Connection, Relay } from "@flipt-client-effect/redis"
import * as Console from "effect/Console"
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

interface Report {
  readonly mode: string
  readonly enabled: boolean
}

/** One process of the fleet. It reports how it gets its state, and whether the flag is on. */
const member = (fliptUrl: string) => {
  const flipt = Fetcher.layerPolling({ url: fliptUrl, updateInterval: "1 second" }).pipe(
    Layer.provide([Tls.layerHttpClient, Auth.layerNone]),
    Layer.provide(Tls.layerSystem)
  )
  const redis = Connection.layer({ url: process.env.REDIS_URL, prefix: `example-${process.ppid}` })
  const client = FliptClient.layerWithoutDependencies({ errorStrategy: "fallback" }).pipe(
    Layer.provide([Relay.layer({ leaseDuration: "2 seconds", staleAfter: "10 seconds" }), Engine.layer]),
    Layer.provide([flipt, redis])
  )
  return Effect.flatMap(FliptClient.FliptClient, ({ statusChanges, watchBoolean }) =>
    Stream.zipLatest(statusChanges, watchBoolean({ flagKey: "new-checkout", entityId: "user-42" })).pipe(
      Stream.runForEach(([{ mode }, result]) =>
        Effect.sync(() => process.send?.({ mode, enabled: Either.isRight(result) && result.right.enabled }))
      )
    )
  ).pipe(Effect.provide(client))
}

interface Process {
  readonly name: string
  readonly child: ChildProcess
  report: Report | undefined
}

const start = (name: string, fliptUrl: string) =>
  Effect.acquireRelease(
    Effect.sync((): Process => {
      const child = fork(fileURLToPath(import.meta.url), [fliptUrl])
      const started: Process = { name, child, report: undefined }
      child.on("message", (report: Report) => {
        started.report = report
      })
      return started
    }),
    ({ child }) => Effect.sync(() => child.kill())
  )

const until = (condition: () => boolean) =>
  Effect.repeat(Effect.sleep("50 millis"), { until: condition }).pipe(Effect.timeout("60 seconds"))

const main = Effect.gen(function* () {
  let enabled = false
  let requests = 0
  const server = createServer((_, response) => {
    requests++
    response.setHeader("etag", `"${enabled}"`)
    response.end(
      JSON.stringify({
        namespace: { key: "default" },
        flags: [{ key: "new-checkout", name: "", type: "BOOLEAN_FLAG_TYPE", enabled, rules: [], rollouts: [] }]
      })
    )
  }).listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(server, "listening"))
  yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const fleet = [yield* start("one", url)]
  yield* until(() => fleet[0]?.report !== undefined)
  fleet.push(yield* start("two", url), yield* start("three", url))
  const tell = (expected: boolean, members: ReadonlyArray<Process>) =>
    Effect.gen(function* () {
      const leaders = () => members.filter(({ report }) => report !== undefined && report.mode !== "redis")
      yield* until(() => leaders().length === 1 && members.every(({ report }) => report?.enabled === expected))
      yield* Console.log(members.map(({ name, report }) => `${name} (${report?.mode}): ${report?.enabled}`).join(", "))
    })
  yield* tell(false, fleet)

  yield* Console.log("the flag changes")
  enabled = true
  yield* tell(true, fleet)

  yield* Console.log("the leader is killed")
  fleet[0]?.child.kill("SIGKILL")
  const rest = fleet.slice(1)
  yield* until(() => rest.some(({ report }) => report?.mode === "polling"))
  yield* Console.log("another process leads")
  enabled = false
  yield* until(() => rest.every(({ report }) => report?.enabled === false))
  yield* Console.log(
    `the flag is off everywhere; Flipt was asked ${requests < 100 ? "by one process at a time" : "too often"}`
  )
}).pipe(Effect.scoped)

const [, , fliptUrl] = process.argv
if (fliptUrl === undefined) {
  await Effect.runPromise(main)
} else {
  process.once("disconnect", () => process.exit())
  await Effect.runPromise(Effect.provide(member(fliptUrl), Logger.minimumLogLevel(LogLevel.Warning)))
}
