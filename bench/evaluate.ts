/**
 * Compares the time of one evaluation across engines: `npm run bench:evaluate -- [--json] [--check] [--rounds 15]`.
 *
 * Every engine loads the same 1,000 flags. lib/workloads.ts defines the workloads, lib/subjects.ts how each SDK is used.
 * The result is the peer's time divided by ours within a round; reported is the median over the rounds.
 */
import process from "node:process"
import { checkSame, checkValues } from "./lib/check.js"
import { boundGoal, FLOOR, goals } from "./lib/goals.js"
import type * as Loops from "./lib/loops.js"
import {
  argument,
  environment,
  json,
  type Loop,
  medians,
  printEnvironment,
  ratio,
  rounds,
  type Task,
  table
} from "./lib/measure.js"
import { copyOf } from "./lib/modules.js"
import type { Ours } from "./lib/ours.js"
import type { Evaluated } from "./lib/results.js"
import type { Subject } from "./lib/subject.js"
import { engines, peers } from "./lib/subjects.js"
import { FLAGS, flagsOf, type Kind, MIXED, makeEntity, makeOutsiders } from "./lib/workloads.js"

/** Too many for a cache of recent entities, but few enough to fit in the processor's cache. */
const ENTITIES = 4_096
const WORKLOADS = ["a", "b", "c", "d", "e"] as const
const ENGINES = ["portable", "native"] as const
type Engine = (typeof ENGINES)[number]

const flags = flagsOf(FLAGS)
const entities = Array.from({ length: ENTITIES }, (_, index) => makeEntity(index))
const mixed = flags.slice(0, MIXED).map(({ key, kind }) => ({ key, isVariant: kind === "variant" }))
// neither the first nor the last of its kind
const keyOf = (kind: Kind): string => flags.filter((flag) => flag.kind === kind)[200]!.key

const ours: Record<Engine, Ours> = { portable: await engines.portable(flags), native: await engines.native(flags) }
const official = await peers.official(flags)
const subjects: Record<string, Subject> = { ...ours, official }
for (const [name, make] of Object.entries(peers)) {
  subjects[name] ??= await make(flags)
}
const PEERS = Object.keys(peers)

const outsiders = makeOutsiders()
for (const [name, subject] of Object.entries(subjects)) {
  checkValues(name, subject, flags, entities, outsiders)
}
const some = [...entities.slice(0, 50), ...outsiders]
for (const name of ENGINES) {
  checkSame(name, ours[name], official, [...flags.slice(0, 60), ...flags.slice(-6)], some)
}

const tasks: Array<Task> = []
for (const [name, subject] of Object.entries(subjects)) {
  const loops = await copyOf<typeof Loops>("loops", name)
  const bare = entities.map((it) => subject.bare(it))
  const all = entities.map((it) => subject.prepare(it))
  const hundred = all.slice(0, 100)
  const add = (workload: string, loop: Loop) => tasks.push({ name: `${name} ${workload}`, loop })
  const [a, b, c] = [keyOf("boolean"), keyOf("variant"), keyOf("segments")]
  add("a", (from, count) => loops.boolean(subject, a, bare, from, count))
  add("b", (from, count) => loops.variant(subject, b, all, from, count))
  add("c", (from, count) => loops.boolean(subject, c, all, from, count))
  add("d", (from, count) => loops.oneEntity(subject, mixed, all, from / MIXED, count))
  add("e", (from, count) => loops.manyEntities(subject, mixed, hundred, from, count))
  const own = ENGINES.find((engine) => engine === name)
  if (own !== undefined) {
    const prepared = entities.map((it) => ours[own].prepare(it))
    add("bound", (from, count) => loops.bound(ours[own], mixed, prepared, from / MIXED, count))
  }
}
const times = await rounds(tasks, { count: argument("rounds", 15), sliceMillis: argument("slice", 25) })

/** Keyed by engine, peer and workload. */
const ratios = Object.fromEntries(
  ENGINES.map((engine) => [
    engine,
    Object.fromEntries(
      PEERS.map((peer) => [
        peer,
        Object.fromEntries(WORKLOADS.map((it) => [it, ratio(times[`${peer} ${it}`], times[`${engine} ${it}`])]))
      ])
    )
  ])
)
const bound = Object.fromEntries(
  ENGINES.map((engine) => [engine, ratio(times[`${engine} bound`], times[`${engine} d`])])
)

const failures: Array<string> = []
const judge = (engine: Engine, peer: string, workload: (typeof WORKLOADS)[number]): string => {
  const value = ratios[engine]![peer]![workload]!
  const place = WORKLOADS.indexOf(workload)
  const [must, aim] = [goals[engine][peer]?.must[place], goals[engine][peer]?.aim[place]]
  if (must === undefined || aim === undefined) {
    return value.toFixed(1)
  }
  if (value < must * FLOOR) {
    failures.push(`${engine}, ${peer} (${workload}): ${value.toFixed(1)} of ${must}`)
  }
  return `${value.toFixed(1)} of ${must}/${aim} ${value >= aim ? "ok+" : value >= must ? "ok" : "SHORT"}`
}

const at = environment([
  "effect",
  "@flipt-io/flipt-client-js",
  "unleash-client",
  "@growthbook/growthbook",
  "@launchdarkly/node-server-sdk",
  "@openfeature/flagd-core",
  "@configcat/sdk"
])
const nanos = medians(times)
const tables = ENGINES.map(
  (engine) => [engine, PEERS.map((peer) => [peer, ...WORKLOADS.map((it) => judge(engine, peer, it))])] as const
)

const result: Evaluated = { ...at, nanos, ratios, bound, failures }
if (json) {
  console.log(JSON.stringify(result, undefined, 2))
} else {
  printEnvironment(at)
  for (const [engine, rows] of tables) {
    console.log(`\nThe peer's time divided by ours, ${engine} engine: measured, of required/target\n`)
    table([engine, ...WORKLOADS], rows)
  }
  console.log("\nNanoseconds per evaluation, median\n")
  table(
    ["", ...WORKLOADS],
    Object.keys(subjects).map((name) => [name, ...WORKLOADS.map((it) => Math.round(nanos[`${name} ${it}`]!))])
  )
  console.log("\nMany flags for one entity: time when bound, divided by time when unbound\n")
  table(
    ["", "bound / unbound", "at most", "", "bound ns", "unbound ns"],
    ENGINES.map((engine) => [
      engine,
      bound[engine]!.toFixed(2),
      boundGoal,
      bound[engine]! <= boundGoal ? "ok" : "SHORT",
      Math.round(nanos[`${engine} bound`]!),
      Math.round(nanos[`${engine} d`]!)
    ])
  )
}

for (const subject of Object.values(subjects)) {
  await subject.close?.()
}
if (process.argv.includes("--check") && failures.length > 0) {
  console.error(`Below ${100 * FLOOR} % of the required ratio:\n${failures.join("\n")}`)
  process.exit(1)
}
process.exit(0)
