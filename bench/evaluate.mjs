/**
 * One evaluation of each engine, side by side: `npm run bench:evaluate -- [--json] [--check] [--rounds 15]`.
 *
 * 1,000 flags are loaded everywhere. The workloads stand in lib/workloads.mjs, how each SDK is used in
 * lib/subjects.mjs. What counts is the peer's time divided by ours, in the same round, and of that the median.
 */
import process from "node:process"
import { checkSame, checkValues } from "./lib/check.mjs"
import { boundGoal, FLOOR, goals } from "./lib/goals.mjs"
import { argument, environment, json, median, printEnvironment, ratio, rounds, table } from "./lib/measure.mjs"
import { FLAGS, flagsOf, MIXED, makeEntity, makeOutsiders } from "./lib/workloads.mjs"

// GrowthBook describes each of its steps to a logger unless it is told that this is no development
process.env.NODE_ENV = "production"
const { engines, peers } = await import("./lib/subjects.mjs")

/** As many that no cache of the last entities helps, and few enough to stay in the processor's. */
const ENTITIES = 4_096
const WORKLOADS = ["a", "b", "c", "d", "e"]

const flags = flagsOf(FLAGS)
const entities = Array.from({ length: ENTITIES }, (_, index) => makeEntity(index))
const mixed = flags.slice(0, MIXED).map(({ key, kind }) => ({ key, isVariant: kind === "variant" }))
// neither the first nor the last of its kind
const keyOf = (kind) => flags.filter((flag) => flag.kind === kind)[200].key

const subjects = {}
for (const [name, make] of Object.entries({ ...engines, ...peers })) {
  subjects[name] = await make(flags)
}

const outsiders = makeOutsiders()
for (const [name, subject] of Object.entries(subjects)) {
  checkValues(name, subject, flags, entities, outsiders)
}
const some = [...entities.slice(0, 50), ...outsiders]
for (const name of Object.keys(engines)) {
  checkSame(name, subjects[name], subjects.official, [...flags.slice(0, 60), ...flags.slice(-6)], some)
}

const tasks = []
for (const [name, subject] of Object.entries(subjects)) {
  const loops = await import(`./lib/loops.mjs?of=${name}`)
  const bare = entities.map(subject.bare)
  const all = entities.map(subject.prepare)
  const hundred = all.slice(0, 100)
  const add = (workload, loop) => tasks.push({ name: `${name} ${workload}`, loop })
  const [a, b, c] = ["boolean", "variant", "segments"].map(keyOf)
  add("a", (from, count) => loops.boolean(subject, a, bare, from, count))
  add("b", (from, count) => loops.variant(subject, b, all, from, count))
  add("c", (from, count) => loops.boolean(subject, c, all, from, count))
  add("d", (from, count) => loops.oneEntity(subject, mixed, all, from / MIXED, count))
  add("e", (from, count) => loops.manyEntities(subject, mixed, hundred, from, count))
  if (name in engines) {
    add("bound", (from, count) => loops.bound(subject, mixed, all, from / MIXED, count))
  }
}
const times = await rounds(tasks, { count: argument("rounds", 15), sliceMillis: argument("slice", 25) })

const ratios = Object.fromEntries(
  Object.keys(engines).map((engine) => [
    engine,
    Object.fromEntries(
      Object.keys(peers).map((peer) => [
        peer,
        Object.fromEntries(WORKLOADS.map((it) => [it, ratio(times[`${peer} ${it}`], times[`${engine} ${it}`])]))
      ])
    )
  ])
)
const bound = Object.fromEntries(
  Object.keys(engines).map((engine) => [engine, ratio(times[`${engine} bound`], times[`${engine} d`])])
)

const failures = []
const judge = (engine, peer, workload) => {
  const value = ratios[engine][peer][workload]
  const goal = goals[engine][peer][WORKLOADS.indexOf(workload)]
  if (goal === undefined) {
    return value.toFixed(1)
  }
  const [must, aim] = goal.split("/").map(Number)
  if (value < must * FLOOR) {
    failures.push(`${engine}, ${peer} (${workload}): ${value.toFixed(1)} of ${must}`)
  }
  return `${value.toFixed(1)} of ${goal} ${value >= aim ? "ok+" : value >= must ? "ok" : "SHORT"}`
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
const nanos = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]))
const tables = Object.keys(engines).map((engine) => [
  engine,
  Object.keys(peers).map((peer) => [peer, ...WORKLOADS.map((workload) => judge(engine, peer, workload))])
])

if (json) {
  console.log(JSON.stringify({ ...at, nanos, ratios, bound, failures }, undefined, 2))
} else {
  printEnvironment(at)
  for (const [engine, rows] of tables) {
    console.log(`\nThe peer's time divided by ours, ${engine} engine: measured of must/aim\n`)
    table([engine, ...WORKLOADS], rows)
  }
  console.log("\nNanoseconds for one evaluation, median\n")
  table(
    ["", ...WORKLOADS],
    Object.keys(subjects).map((name) => [name, ...WORKLOADS.map((it) => Math.round(nanos[`${name} ${it}`]))])
  )
  console.log("\nMany flags for one entity: bound, divided by unbound\n")
  table(
    ["", "bound / unbound", "at most", "", "bound ns", "unbound ns"],
    Object.keys(engines).map((engine) => [
      engine,
      bound[engine].toFixed(2),
      boundGoal,
      bound[engine] <= boundGoal ? "ok" : "SHORT",
      Math.round(nanos[`${engine} bound`]),
      Math.round(nanos[`${engine} d`])
    ])
  )
}

for (const subject of Object.values(subjects)) {
  await subject.close?.()
}
if (process.argv.includes("--check") && failures.length > 0) {
  console.error(`Below ${100 * FLOOR} % of what must be reached:\n${failures.join("\n")}`)
  process.exit(1)
}
process.exit(0)
