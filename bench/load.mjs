/**
 * What loading costs: `npm run bench:load -- [--json] [--rounds 15] [--large 5] [--loads 500]`.
 *
 * - 10,000 flags, on each engine: how long it takes, and for how long it holds the event loop,
 * - 100,000 flags over HTTP from another process, the native engine beside the official client, each in a process of its
 *   own: until the client is ready, for how long it holds the event loop, and for how long when it loads them once more,
 *   what memory it keeps. `--large` times,
 * - `--loads` loads in a row, each taking the place of the one before: memory stays flat.
 */
import { fork } from "node:child_process"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Engine from "../dist/Engine.js"
import { watch } from "./lib/held.mjs"
import { argument, environment, json, median, printEnvironment, shuffle, table } from "./lib/measure.mjs"
import { documentOf, flagsOf } from "./lib/workloads.mjs"

const FLAGS = 10_000
const LARGE_FLAGS = 100_000
const ROUNDS = argument("rounds", 15)
const LARGE_ROUNDS = argument("large", 5)
const LOADS = argument("loads", 500)
/** What a "must" of the large load is compared with: ours against the official client's. */
const LARGE_GOALS = { ready: 1 / 8, held: 10, memory: 0.65 }
const PORTABLE_GOALS = { max: 30, p99: 20 }

const bytesOf = (flags) => new TextEncoder().encode(JSON.stringify(documentOf(flagsOf(flags))))
const engines = []
for (const layer of [Engine.layerNative, Engine.layerPortable]) {
  const engine = await Effect.runPromise(Effect.either(Effect.provide(Engine.Engine, layer)))
  if (Either.isLeft(engine)) {
    console.error(engine.left.message)
  } else {
    engines.push(engine.right)
  }
}

const document = [bytesOf(FLAGS)]
const medium = {}
for (const { compile, name } of engines) {
  const results = []
  for (let round = 0; round <= ROUNDS; round++) {
    results.push(await watch(() => Effect.runPromise(Effect.scoped(compile("default", document)))))
  }
  // the first one warms up
  const rest = results.slice(1)
  medium[name] = {
    millis: median(rest.map((it) => it.millis)),
    held: {
      median: median(rest.map((it) => it.held.max)),
      max: Math.max(...rest.map((it) => it.held.max)),
      p99: median(rest.map((it) => it.held.p99))
    },
    late: { median: median(rest.map((it) => it.late.max)), max: Math.max(...rest.map((it) => it.late.max)) }
  }
}

const fileOf = (name) => fileURLToPath(new URL(`./lib/${name}.mjs`, import.meta.url))
const spawn = (name, args, env = {}) =>
  new Promise((resolve, reject) => {
    const child = fork(fileOf(name), args, { execArgv: ["--expose-gc"], env: { ...process.env, ...env } })
    child.once("message", (message) => resolve({ child, message }))
    child.once("exit", (code) => reject(new Error(`${name} ${args.join(" ")} ended with ${code}`)))
  })

const large = { native: [], official: [] }
let size = 0
if (LARGE_ROUNDS > 0) {
  const { child: server, message: served } = await spawn("server", [String(LARGE_FLAGS)])
  size = served.bytes
  for (let round = 0; round < LARGE_ROUNDS; round++) {
    for (const name of shuffle(Object.keys(large))) {
      const { message } = await spawn("load-one", [name, served.url], { FLIPT_ENGINE: "native" })
      large[name].push(message)
    }
  }
  server.disconnect()
}

/** Memory in MB after each tenth of the loads. */
const memory = () => {
  globalThis.gc()
  const { external, heapUsed, rss } = process.memoryUsage()
  return { rss: rss / 1e6, heap: (heapUsed + external) / 1e6 }
}
const row = {}
for (const { compile, name } of engines) {
  const small = [bytesOf(100)]
  let current
  row[name] = []
  for (let load = 1; load <= LOADS; load++) {
    const scope = Effect.runSync(Scope.make())
    await Effect.runPromise(Scope.extend(compile("default", small), scope))
    if (current !== undefined) {
      await Effect.runPromise(Scope.close(current, Exit.void))
    }
    current = scope
    if (load % Math.ceil(LOADS / 10) === 0) {
      row[name].push(memory())
    }
  }
}

const at = environment(["effect", "@flipt-io/flipt-client-js", "koffi"])
const pick = (name, read) => median(large[name].map(read))
const most = (name, read) => Math.max(...large[name].map(read))

if (json) {
  console.log(JSON.stringify({ ...at, medium, large, size, row }, undefined, 2))
} else {
  printEnvironment(at)
  console.log(`\n${FLAGS} flags, ${(document[0].length / 1e6).toFixed(1)} MB, ${ROUNDS} rounds and one before; ms\n`)
  table(
    ["engine", "loaded, median", "loop held, median", "worst", "99th percentile", "timer late, median", "worst"],
    Object.entries(medium).map(([name, { held, late, millis }]) => {
      const mark = (value, goal) =>
        name === "portable" ? `${value.toFixed(1)} ${value <= goal ? "ok" : "SHORT"}` : value.toFixed(1)
      return [
        name,
        millis.toFixed(0),
        held.median.toFixed(1),
        mark(held.max, PORTABLE_GOALS.max),
        mark(held.p99, PORTABLE_GOALS.p99),
        late.median.toFixed(1),
        late.max.toFixed(1)
      ]
    })
  )
  if (LARGE_ROUNDS > 0) {
    console.log(`\n${LARGE_FLAGS} flags, ${(size / 1e6).toFixed(1)} MB over HTTP, ${LARGE_ROUNDS} rounds\n`)
    const ratioOf = (read) => median(large.native.map((it, round) => read(it) / read(large.official[round])))
    const ready = ratioOf((it) => it.millis)
    const rss = ratioOf((it) => it.rss)
    const mark = (value, goal) => (value <= goal ? "ok" : "SHORT")
    const heldMax = most("native", (it) => it.held.max)
    table(
      ["", "native", "official", "native / official", "at most", ""],
      [
        [
          "ready, ms",
          pick("native", (it) => it.millis).toFixed(0),
          pick("official", (it) => it.millis).toFixed(0),
          ready.toFixed(3),
          "1/8",
          mark(ready, LARGE_GOALS.ready)
        ],
        [
          "processor time until then, all threads, ms",
          pick("native", (it) => it.cpu).toFixed(0),
          pick("official", (it) => it.cpu).toFixed(0),
          ratioOf((it) => it.cpu).toFixed(3),
          "",
          ""
        ],
        [
          "loop held, worst, ms",
          heldMax.toFixed(1),
          most("official", (it) => it.held.max).toFixed(0),
          "",
          "10 ms",
          mark(heldMax, LARGE_GOALS.held)
        ],
        [
          "loop held, 99th percentile, ms",
          pick("native", (it) => it.held.p99).toFixed(1),
          pick("official", (it) => it.held.p99).toFixed(1),
          "",
          "",
          ""
        ],
        [
          "loop held, worst, loading again, ms",
          most("native", (it) => it.again.max).toFixed(1),
          // it takes what it has already for the same again
          "",
          "",
          "10 ms",
          mark(
            most("native", (it) => it.again.max),
            LARGE_GOALS.held
          )
        ],
        [
          "timer late, worst, ms",
          most("native", (it) => it.late.max).toFixed(1),
          most("official", (it) => it.late.max).toFixed(0),
          "",
          "",
          ""
        ],
        [
          "memory kept, RSS, MB",
          (pick("native", (it) => it.rss) / 1e6).toFixed(0),
          (pick("official", (it) => it.rss) / 1e6).toFixed(0),
          rss.toFixed(2),
          LARGE_GOALS.memory,
          mark(rss, LARGE_GOALS.memory)
        ],
        [
          "memory kept, heap and external, MB",
          (pick("native", (it) => it.heap) / 1e6).toFixed(0),
          (pick("official", (it) => it.heap) / 1e6).toFixed(0),
          "",
          "",
          ""
        ]
      ]
    )
  }
  if (LOADS > 0) {
    console.log(`\n${LOADS} loads of 100 flags in a row: memory after each tenth of them, MB\n`)
    table(
      ["", ...Array.from({ length: 10 }, (_, tenth) => `${tenth + 1}/10`)],
      Object.entries(row).flatMap(([name, values]) => [
        [`${name}, heap and external`, ...values.map((it) => it.heap.toFixed(1))],
        [`${name}, RSS`, ...values.map((it) => it.rss.toFixed(0))]
      ])
    )
  }
}
process.exit(0)
