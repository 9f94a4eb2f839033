/**
 * Measures loading: `npm run bench:load -- [--json] [--rounds 15] [--large 5] [--loads 500]`.
 *
 * - 10,000 flags with each engine: how long loading takes, and how long it blocks the event loop.
 * - 100,000 flags over HTTP from another process, for the native engine and the official client, each in its own process:
 *   how long until the client is ready, how long the first and a second load block the event loop, and how much memory
 *   the client keeps. Repeated `--large` times.
 * - `--loads` loads in a row, each replacing the previous one: memory must stay flat.
 */
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Engine from "flipt-client-effect/Engine"
import { type Spread, type Watched, watch } from "./lib/held.js"
import type { Loaded } from "./lib/load-one.js"
import { argument, environment, json, median, printEnvironment, shuffle, table } from "./lib/measure.js"
import { start } from "./lib/modules.js"
import { documentOf, flagsOf } from "./lib/workloads.js"

const FLAGS = 10_000
const LARGE_FLAGS = 100_000
const ROUNDS = argument("rounds", 15)
const LARGE_ROUNDS = argument("large", 5)
const LOADS = argument("loads", 500)
/** The goals of the large load: ours divided by the official client's, or milliseconds. */
const LARGE_GOALS = { ready: 1 / 6, held: 15, again: 10, memory: 0.5 }
const PORTABLE_GOALS = { max: 30, p99: 20 }

const bytesOf = (flags: number): Uint8Array => new TextEncoder().encode(JSON.stringify(documentOf(flagsOf(flags))))
const engines: Array<Engine.Service> = []
for (const layer of [Engine.layerNative, Engine.layerPortable]) {
  const engine = await Effect.runPromise(Effect.either(Effect.provide(Engine.Engine, layer)))
  if (Either.isLeft(engine)) {
    console.error(engine.left.message)
  } else {
    engines.push(engine.right)
  }
}

const document = [bytesOf(FLAGS)]
interface Medium {
  readonly millis: number
  readonly held: Spread & { readonly median: number }
  readonly late: { readonly median: number; readonly max: number }
}
const medium: Record<string, Medium> = {}
for (const { compile, name } of engines) {
  const results: Array<Watched<unknown>> = []
  for (let round = 0; round <= ROUNDS; round++) {
    results.push(await watch(() => Effect.runPromise(Effect.scoped(compile("default", document)))))
  }
  // the first load is a warm-up
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

const LARGE = ["native", "official"] as const
const large: Record<(typeof LARGE)[number], Array<Loaded>> = { native: [], official: [] }
let size = 0
if (LARGE_ROUNDS > 0) {
  const { child: server, message: served } = await start<{ readonly url: string; readonly bytes: number }>("server", [
    String(LARGE_FLAGS)
  ])
  size = served.bytes
  for (let round = 0; round < LARGE_ROUNDS; round++) {
    for (const name of shuffle(LARGE)) {
      const { message } = await start<Loaded>("load-one", [name, served.url], {
        execArgv: ["--expose-gc"],
        env: { FLIPT_ENGINE: "native" }
      })
      large[name].push(message)
    }
  }
  server.disconnect()
}

/** The memory in MB after each tenth of the loads. */
const memory = (): Memory => {
  globalThis.gc!()
  const { external, heapUsed, rss } = process.memoryUsage()
  return { rss: rss / 1e6, heap: (heapUsed + external) / 1e6 }
}
interface Memory {
  readonly rss: number
  readonly heap: number
}
const row: Record<string, Array<Memory>> = {}
for (const { compile, name } of engines) {
  const small = [bytesOf(100)]
  let current: Scope.CloseableScope | undefined
  const samples: Array<Memory> = []
  row[name] = samples
  for (let load = 1; load <= LOADS; load++) {
    const scope = Effect.runSync(Scope.make())
    await Effect.runPromise(Scope.extend(compile("default", small), scope))
    if (current !== undefined) {
      await Effect.runPromise(Scope.close(current, Exit.void))
    }
    current = scope
    if (load % Math.ceil(LOADS / 10) === 0) {
      samples.push(memory())
    }
  }
}

const at = environment(["effect", "@flipt-io/flipt-client-js", "koffi"])
type Read = (loaded: Loaded) => number
const pick = (name: keyof typeof large, read: Read): number => median(large[name].map(read))
const most = (name: keyof typeof large, read: Read): number => Math.max(...large[name].map(read))

if (json) {
  console.log(JSON.stringify({ ...at, medium, large, size, row }, undefined, 2))
} else {
  printEnvironment(at)
  console.log(`\n${FLAGS} flags, ${(document[0]!.length / 1e6).toFixed(1)} MB; ${ROUNDS} rounds after a warm-up; ms\n`)
  table(
    ["engine", "load, median", "loop blocked, median", "worst", "99th percentile", "timer late, median", "worst"],
    Object.entries(medium).map(([name, { held, late, millis }]) => {
      const mark = (value: number, goal: number): string =>
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
    const ratioOf = (read: Read): number =>
      median(large.native.map((it, round) => read(it) / read(large.official[round]!)))
    const ready = ratioOf((it) => it.millis)
    const rss = ratioOf((it) => it.rss)
    const mark = (value: number, goal: number): string => (value <= goal ? "ok" : "SHORT")
    const heldMax = most("native", (it) => it.held.max)
    table(
      ["", "native", "official", "native / official", "at most", ""],
      [
        [
          "ready, ms",
          pick("native", (it) => it.millis).toFixed(0),
          pick("official", (it) => it.millis).toFixed(0),
          ready.toFixed(3),
          "1/6",
          mark(ready, LARGE_GOALS.ready)
        ],
        [
          "processor time until ready, all threads, ms",
          pick("native", (it) => it.cpu).toFixed(0),
          pick("official", (it) => it.cpu).toFixed(0),
          ratioOf((it) => it.cpu).toFixed(3),
          "",
          ""
        ],
        [
          "loop blocked, worst, ms",
          heldMax.toFixed(1),
          most("official", (it) => it.held.max).toFixed(0),
          "",
          `${LARGE_GOALS.held} ms`,
          mark(heldMax, LARGE_GOALS.held)
        ],
        [
          "loop blocked, 99th percentile, ms",
          pick("native", (it) => it.held.p99).toFixed(1),
          pick("official", (it) => it.held.p99).toFixed(1),
          "",
          "",
          ""
        ],
        [
          "loop blocked by a second load, worst, ms",
          most("native", (it) => it.again.max).toFixed(1),
          // the official client does not load an unchanged document again
          "",
          "",
          `${LARGE_GOALS.again} ms`,
          mark(
            most("native", (it) => it.again.max),
            LARGE_GOALS.again
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
    console.log(`\n${LOADS} loads of 100 flags in a row: memory after each tenth of the loads, MB\n`)
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
