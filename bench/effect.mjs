/**
 * What Effect adds: `npm run bench:effect -- [--json] [--rounds 15] [--starts 15]`.
 *
 * - workload (a) by `client.evaluateBoolean` in a running fiber, against the synchronous call and the official client,
 * - what telemetry adds to it: metrics, and events on the current span,
 * - a flag that there is not: one such key again and again, and more of them than are remembered,
 * - the start of a program: importing the package and evaluating a first flag out of a file, against importing what an
 *   Effect program with HTTP imports anyway; each in a process of its own, in turns.
 */
import { deepStrictEqual } from "node:assert/strict"
import { fork } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Engine from "../dist/Engine.js"
import * as Fetcher from "../dist/Fetcher.js"
import * as FliptClient from "../dist/FliptClient.js"
import * as Telemetry from "../dist/Telemetry.js"
import { argument, environment, json, median, printEnvironment, ratio, rounds, shuffle, table } from "./lib/measure.mjs"
import { officialClient } from "./lib/official.mjs"
import { documentOf, FLAGS, flagsOf, makeEntity } from "./lib/workloads.mjs"

const GOALS = { added: 300, metrics: 100, events: 150, official: 20, unknown: 2, start: 1.3 }
const KEY = "boolean-600"
const layers = { portable: Engine.layerPortable, native: Engine.layerNative }
const document = documentOf(flagsOf(FLAGS))
const entities = Array.from({ length: 4_096 }, (_, index) => ({ entityId: makeEntity(index).id, context: {} }))
const official = await officialClient(document)

const tasks = []
const loopsFor = (name) => import(`./lib/loops-effect.mjs?of=${name}`)
const theirs = await loopsFor("official")
tasks.push({ name: "official", loop: (from, count) => theirs.official(official, KEY, entities, from, count) })
const empty = await loopsFor("nothing")
tasks.push({ name: "nothing", loop: (from, count) => empty.nothing(entities, from, count) })

const unknownKeys = Array.from({ length: 4_096 }, (_, index) => `there-is-no-${index}`)
for (const [name, layer] of Object.entries(layers)) {
  const scope = Effect.runSync(Scope.make())
  const make = (telemetry) =>
    Effect.runPromise(
      FliptClient.makeWithoutDependencies().pipe(
        Effect.provide(Layer.merge(layer, Fetcher.layerStatic(JSON.stringify(document)))),
        Effect.provide(telemetry),
        Scope.extend(scope)
      )
    )
  const client = await make(Layer.empty)
  const counting = await make(Telemetry.layer({ events: "none" }))
  const telling = await make(Telemetry.layer({ metrics: false }))
  const snapshot = await Effect.runPromise(Scope.extend(client.snapshot, scope))
  for (const entity of entities.slice(0, 500)) {
    const { enabled } = await Effect.runPromise(client.evaluateBoolean({ flagKey: KEY, ...entity }))
    deepStrictEqual(enabled, official.evaluateBoolean({ flagKey: KEY, ...entity }).enabled, name)
  }
  const { _tag: tag } = await Effect.runPromise(
    Effect.flip(client.evaluateBoolean({ flagKey: unknownKeys[0], ...entities[0] }))
  )
  deepStrictEqual(tag, "EvaluationError")
  // each from a copy of the loops, since the loops of one are no longer those of an application that has one
  const loops = {}
  for (const kind of ["sync", "fiber", "metrics", "spans", "events", "loop", "again", "others"]) {
    loops[kind] = await loopsFor(`${name}-${kind}`)
  }
  const add = (kind, loop) => tasks.push({ name: `${name} ${kind}`, loop })
  add("sync", (from, count) => loops.sync.synchronous(snapshot, KEY, entities, from, count))
  add("fiber", (from, count) => loops.fiber.inFiber(client, KEY, entities, from, count))
  add("metrics", (from, count) => loops.metrics.inFiber(counting, KEY, entities, from, count))
  add("spans", (from, count) => loops.spans.inSpans(client, KEY, entities, from, count))
  add("events", (from, count) => loops.events.inSpans(telling, KEY, entities, from, count))
  add("loop", (from, count) => loops.loop.inLoop(client, KEY, entities, from, count))
  add("again", (from, count) => loops.again.unknown(client, unknownKeys.slice(0, 1), entities, from, count))
  add("others", (from, count) => loops.others.unknown(client, unknownKeys, entities, from, count))
}
const times = await rounds(tasks, { count: argument("rounds", 15), sliceMillis: argument("slice", 25) })
const nanos = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]))

const STARTS = argument("starts", 15)
const folder = mkdtempSync(join(tmpdir(), "flipt-bench-"))
const path = join(folder, "flags.json")
writeFileSync(path, JSON.stringify(documentOf(flagsOf(10))))
const start = (name, args) =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL(`./lib/${name}.mjs`, import.meta.url)), args, { execArgv: [] })
    child.once("message", resolve)
    child.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)))
  })
const starters = {
  effect: () => start("start-effect", []),
  portable: () => start("start-ours", ["portable", path]),
  native: () => start("start-ours", ["native", path])
}
const starts = { effect: [], portable: [], native: [] }
for (let round = -1; round < STARTS; round++) {
  for (const name of shuffle(Object.keys(starters))) {
    const result = await starters[name]()
    // the first ones fill the file system's cache
    if (round >= 0) {
      starts[name].push(result)
    }
  }
}
rmSync(folder, { recursive: true })
const startRatio = (name, clock) =>
  ratio(
    starts[name].map((it) => it[clock]),
    starts.effect.map((it) => it[clock])
  )

const at = environment(["effect", "@effect/platform", "@flipt-io/flipt-client-js"])
const results = Object.fromEntries(
  Object.keys(layers).map((name) => [
    name,
    {
      added: median(times[`${name} fiber`].map((value, round) => value - times[`${name} sync`][round])),
      addedInLoop: median(times[`${name} loop`].map((value, round) => value - times[`${name} sync`][round])),
      metrics: median(times[`${name} metrics`].map((value, round) => value - times[`${name} fiber`][round])),
      events: median(times[`${name} events`].map((value, round) => value - times[`${name} spans`][round])),
      official: ratio(times.official, times[`${name} fiber`]),
      unknownAgain: nanos[`${name} again`] / 1e3,
      unknownOthers: nanos[`${name} others`] / 1e3,
      start: { own: startRatio(name, "own"), wall: startRatio(name, "wall") }
    }
  ])
)

if (json) {
  console.log(JSON.stringify({ ...at, nanos, results, starts }, undefined, 2))
} else {
  printEnvironment(at)
  const most = (value, goal, digits) => `${value.toFixed(digits)} ${value <= goal ? "ok" : "SHORT"}`
  const least = (value, goal) => `${value.toFixed(1)} ${value >= goal ? "ok" : "SHORT"}`
  const names = Object.keys(layers)
  console.log(
    `\n(a) in a fiber; the official client takes ${nanos.official.toFixed(0)} ns, an empty \`yield*\` ${nanos.nothing.toFixed(0)} ns\n`
  )
  table(
    ["", ...names, "must be"],
    [
      ["synchronous, ns", ...names.map((name) => nanos[`${name} sync`].toFixed(0)), ""],
      ["in a fiber, ns", ...names.map((name) => nanos[`${name} fiber`].toFixed(0)), ""],
      ["added, ns", ...names.map((name) => most(results[name].added, GOALS.added, 0)), `at most ${GOALS.added}`],
      [
        "added by `Effect.whileLoop` instead of `yield*`, ns",
        ...names.map((it) => results[it].addedInLoop.toFixed(0)),
        ""
      ],
      [
        "added by metrics, ns",
        ...names.map((it) => most(results[it].metrics, GOALS.metrics, 0)),
        `at most ${GOALS.metrics}`
      ],
      [
        "added by span events, ns",
        ...names.map((it) => most(results[it].events, GOALS.events, 0)),
        `at most ${GOALS.events}`
      ],
      ["official / in a fiber", ...names.map((it) => least(results[it].official, GOALS.official)), `${GOALS.official}`],
      [
        "unknown flag, the same again, µs",
        ...names.map((it) => most(results[it].unknownAgain, GOALS.unknown, 2)),
        `at most ${GOALS.unknown}`
      ],
      [
        "unknown flag, of 4,096 keys, µs",
        ...names.map((it) => most(results[it].unknownOthers, GOALS.unknown, 2)),
        `at most ${GOALS.unknown}`
      ]
    ]
  )
  console.log(
    `\nStart: medians of ${STARTS}; the ratio to importing effect/Effect, effect/Layer and HttpClient alone\n`
  )
  const of = (name, clock) => median(starts[name].map((it) => it[clock])).toFixed(0)
  table(
    [
      "",
      "effect alone, ms",
      ...names.map((name) => `${name}, ms`),
      ...names.map((name) => `${name}, ratio`),
      "at most"
    ],
    [
      ["own", "processor time"],
      ["wall", "wall time"]
    ].map(([clock, title]) => [
      title,
      of("effect", clock),
      ...names.map((name) => of(name, clock)),
      ...names.map((name) => most(results[name].start[clock], GOALS.start, 2)),
      GOALS.start
    ])
  )
}
official.close()
process.exit(0)
