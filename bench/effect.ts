/**
 * Measures Effect's overhead: `npm run bench:effect -- [--json] [--rounds 15]`.
 *
 * - workload (a) through `client.evaluateBoolean` in a running fiber, compared with the synchronous call and the
 *   official client,
 * - the cost of telemetry: metrics, and events on the current span,
 * - an unknown flag: the same key every time, and more keys than the client remembers.
 */
import { deepStrictEqual } from "node:assert/strict"
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import type { ValidationError } from "flipt-client-effect/FliptError"
import * as Telemetry from "flipt-client-effect/Telemetry"
import type * as Loops from "./lib/loops-effect.js"
import {
  argument,
  difference,
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
import { officialClient } from "./lib/official.js"
import { documentOf, FLAGS, flagsOf, makeEntity } from "./lib/workloads.js"

const GOALS = { added: 300, metrics: 100, events: 200, official: 20, unknown: 2 }
const KEY = "boolean-600"
const layers = { portable: Engine.layerPortable, native: Engine.layerNative }
const document = documentOf(flagsOf(FLAGS))
const entities = Array.from({ length: 4_096 }, (_, index) => ({ entityId: makeEntity(index).id, context: {} }))
const official = await officialClient(document)

const ENGINES = ["portable", "native"] as const
const tasks: Array<Task> = []
const loopsFor = (name: string): Promise<typeof Loops> => copyOf("loops-effect", name)
const theirs = await loopsFor("official")
tasks.push({ name: "official", loop: (from, count) => theirs.official(official, KEY, entities, from, count) })
const empty = await loopsFor("nothing")
tasks.push({ name: "nothing", loop: (from, count) => empty.nothing(entities, from, count) })

const unknownKeys = Array.from({ length: 4_096 }, (_, index) => `there-is-no-${index}`)
for (const name of ENGINES) {
  const scope = Effect.runSync(Scope.make())
  const make = (telemetry: Layer.Layer<Telemetry.Telemetry, ValidationError> | Layer.Layer<never>) =>
    Effect.runPromise(
      FliptClient.makeWithoutDependencies().pipe(
        Effect.provide(Layer.merge(layers[name], Fetcher.layerStatic(JSON.stringify(document)))),
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
    Effect.flip(client.evaluateBoolean({ flagKey: unknownKeys[0]!, ...entities[0]! }))
  )
  deepStrictEqual(tag, "EvaluationError")
  // each task has its own copy of the loops, so that V8 optimizes a loop for one subject, as in an application
  const copy = (kind: string): Promise<typeof Loops> => loopsFor(`${name}-${kind}`)
  const loops = {
    sync: await copy("sync"),
    fiber: await copy("fiber"),
    metrics: await copy("metrics"),
    spans: await copy("spans"),
    events: await copy("events"),
    loop: await copy("loop"),
    again: await copy("again"),
    others: await copy("others")
  }
  const add = (kind: string, loop: Loop) => tasks.push({ name: `${name} ${kind}`, loop })
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
const nanos = medians(times)

const at = environment(["effect", "@effect/platform", "@flipt-io/flipt-client-js"])
const results = Object.fromEntries(
  ENGINES.map((name) => [
    name,
    {
      added: difference(times[`${name} fiber`], times[`${name} sync`]),
      addedInLoop: difference(times[`${name} loop`], times[`${name} sync`]),
      metrics: difference(times[`${name} metrics`], times[`${name} fiber`]),
      events: difference(times[`${name} events`], times[`${name} spans`]),
      official: ratio(times.official, times[`${name} fiber`]),
      unknownAgain: nanos[`${name} again`]! / 1e3,
      unknownOthers: nanos[`${name} others`]! / 1e3
    }
  ])
)

if (json) {
  console.log(JSON.stringify({ ...at, nanos, results }, undefined, 2))
} else {
  printEnvironment(at)
  const most = (value: number, goal: number, digits: number): string =>
    `${value.toFixed(digits)} ${value <= goal ? "ok" : "SHORT"}`
  const least = (value: number, goal: number): string => `${value.toFixed(1)} ${value >= goal ? "ok" : "SHORT"}`
  const of = (name: string) => results[name]!
  console.log(
    `\nWorkload (a) in a fiber. The official client takes ${nanos.official!.toFixed(0)} ns, a \`yield*\` without an evaluation ${nanos.nothing!.toFixed(0)} ns\n`
  )
  table(
    ["", ...ENGINES, "goal"],
    [
      ["synchronous, ns", ...ENGINES.map((name) => nanos[`${name} sync`]!.toFixed(0)), ""],
      ["in a fiber, ns", ...ENGINES.map((name) => nanos[`${name} fiber`]!.toFixed(0)), ""],
      ["added, ns", ...ENGINES.map((name) => most(of(name).added, GOALS.added, 0)), `at most ${GOALS.added}`],
      [
        "added by `Effect.whileLoop` instead of `yield*`, ns",
        ...ENGINES.map((it) => of(it).addedInLoop.toFixed(0)),
        ""
      ],
      [
        "added by metrics, ns",
        ...ENGINES.map((it) => most(of(it).metrics, GOALS.metrics, 0)),
        `at most ${GOALS.metrics}`
      ],
      [
        "added by span events, ns",
        ...ENGINES.map((it) => most(of(it).events, GOALS.events, 0)),
        `at most ${GOALS.events}`
      ],
      [
        "official / in a fiber",
        ...ENGINES.map((it) => least(of(it).official, GOALS.official)),
        `at least ${GOALS.official}`
      ],
      [
        "unknown flag, always the same key, µs",
        ...ENGINES.map((it) => most(of(it).unknownAgain, GOALS.unknown, 2)),
        `at most ${GOALS.unknown}`
      ],
      [
        "unknown flag, 4,096 keys in turn, µs",
        ...ENGINES.map((it) => most(of(it).unknownOthers, GOALS.unknown, 2)),
        `at most ${GOALS.unknown}`
      ]
    ]
  )
}
official.close()
process.exit(0)
