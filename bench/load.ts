/**
 * Measures loading: `npm run bench:load -- [--json] [--rounds 15] [--large 5] [--loads 500]`.
 *
 * - 10,000 flags with each engine: how long loading takes, and how long it blocks the event loop.
 * - 310 and 100,000 flags over HTTP from another process, for each engine and the official client, each in its own process:
 *   how long until the client is ready after its import, how long the first and a second load block the event loop, and
 *   how much memory the client keeps. Repeated `--rounds` and `--large` times.
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
const SMALL_FLAGS = 310
const LARGE_FLAGS = 100_000
const ROUNDS = argument("rounds", 15)
const LARGE_ROUNDS = argument("large", 5)
const LOADS = argument("loads", 500)

/** The maxima of a load over HTTP: ours divided by the official client's, or milliseconds. */
interface Goals {
  readonly ready?: number
  readonly memory?: number
  readonly held: number
  readonly p99?: number
  readonly again?: number
}

interface Case {
  readonly flags: number
  readonly rounds: number
  readonly goals: Readonly<Record<string, Goals>>
}

const CASES: ReadonlyArray<Case> = [
  { flags: SMALL_FLAGS, rounds: ROUNDS, goals: { automatic: { ready: 1, held: 20 } } },
  {
    flags: LARGE_FLAGS,
    rounds: LARGE_ROUNDS,
    goals: { native: { ready: 1 / 6, memory: 0.5, held: 15, again: 10 }, portable: { held: 30, p99: 20 } }
  }
]
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

interface Measured extends Case {
  readonly bytes: number
  readonly loads: Readonly<Record<string, ReadonlyArray<Loaded>>>
}

const measure = async (it: Case): Promise<Measured> => {
  const { child: server, message: served } = await start<{ readonly url: string; readonly bytes: number }>("server", [
    String(it.flags)
  ])
  const loads: Record<string, Array<Loaded>> = {}
  for (let round = 0; round < it.rounds; round++) {
    for (const name of shuffle([...Object.keys(it.goals), "official"])) {
      const { message } = await start<Loaded>("load-one", [name, served.url], {
        execArgv: ["--expose-gc"],
        ...(name === "automatic" ? {} : { env: { FLIPT_ENGINE: name } })
      })
      loads[name] = [...(loads[name] ?? []), message]
    }
  }
  server.disconnect()
  return { ...it, bytes: served.bytes, loads }
}

const measured: Array<Measured> = []
for (const it of CASES) {
  if (it.rounds > 0) {
    measured.push(await measure(it))
  }
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

const mark = (value: number, goal: number | undefined, digits: number): string => {
  const text = value.toFixed(digits)
  return goal === undefined ? text : `${text} ${value <= goal ? "ok" : "SHORT"} (${Number(goal.toFixed(2))})`
}

/** The cells of one client, in the order of the rows. */
const cellsOf = ({ goals, loads }: Measured, name: string): ReadonlyArray<string> => {
  const ours = loads[name]!
  const official = loads.official!
  const { again, held, memory, p99, ready }: Partial<Goals> = goals[name] ?? {}
  const middle = (read: (loaded: Loaded) => number): number => median(ours.map(read))
  const worst = (read: (loaded: Loaded) => number): number => Math.max(...ours.map(read))
  const ratio = (read: (loaded: Loaded) => number): number =>
    median(ours.map((it, round) => read(it) / read(official[round]!)))
  return [
    middle((it) => it.millis).toFixed(0),
    mark(
      ratio((it) => it.millis),
      ready,
      3
    ),
    middle((it) => it.cpu).toFixed(0),
    ratio((it) => it.cpu).toFixed(3),
    mark(
      worst((it) => it.held.max),
      held,
      1
    ),
    mark(
      middle((it) => it.held.p99),
      p99,
      1
    ),
    // the official client does not load a document again without a timer
    name === "official"
      ? ""
      : mark(
          worst((it) => it.again.max),
          again,
          1
        ),
    worst((it) => it.late.max).toFixed(1),
    (middle((it) => it.rss) / 1e6).toFixed(0),
    mark(
      ratio((it) => it.rss),
      memory,
      2
    ),
    (middle((it) => it.heap) / 1e6).toFixed(0)
  ]
}

const ROWS = [
  "ready, ms",
  "divided by the official client's",
  "processor time until ready, all threads, ms",
  "divided by the official client's",
  "loop blocked, worst, ms",
  "loop blocked, 99th percentile, ms",
  "loop blocked by a second load, worst, ms",
  "timer late, worst, ms",
  "memory kept, RSS, MB",
  "divided by the official client's",
  "memory kept, heap and external, MB"
]

if (json) {
  console.log(JSON.stringify({ ...at, medium, measured, row }, undefined, 2))
} else {
  printEnvironment(at)
  console.log(`\n${FLAGS} flags, ${(document[0]!.length / 1e6).toFixed(1)} MB; ${ROUNDS} rounds after a warm-up; ms\n`)
  table(
    ["engine", "load, median", "loop blocked, median", "worst", "99th percentile", "timer late, median", "worst"],
    Object.entries(medium).map(([name, { held, late, millis }]) => {
      const goal = (value: number, goal: number) => mark(value, name === "portable" ? goal : undefined, 1)
      return [
        name,
        millis.toFixed(0),
        held.median.toFixed(1),
        goal(held.max, PORTABLE_GOALS.max),
        goal(held.p99, PORTABLE_GOALS.p99),
        late.median.toFixed(1),
        late.max.toFixed(1)
      ]
    })
  )
  for (const it of measured) {
    console.log(`\n${it.flags} flags, ${(it.bytes / 1e6).toFixed(1)} MB over HTTP, ${it.rounds} rounds\n`)
    const names = Object.keys(it.loads)
    const columns = names.map((name) => cellsOf(it, name))
    table(
      ["", ...names],
      ROWS.map((row, index) => [row, ...columns.map((cells) => cells[index]!)])
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
