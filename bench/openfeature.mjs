/**
 * One evaluation through OpenFeature's client: `npm run bench:openfeature -- [--json] [--rounds 15]`.
 *
 * This library's provider over each engine beside flagd's in-process provider, which reads its flags from a file, and
 * OpenFeature's no-op provider: that is what the client costs without any evaluation. Since the client takes most of the
 * time, the providers are also called without it. The workloads (a), (b) and (c) stand in lib/workloads.mjs, flagd's flags
 * in lib/flagd.mjs.
 */
import { deepStrictEqual, ok } from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { FlagdProvider } from "@openfeature/flagd-provider"
import { NOOP_PROVIDER, OpenFeature } from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Engine from "../dist/Engine.js"
import * as Fetcher from "../dist/Fetcher.js"
import * as FliptClient from "../dist/FliptClient.js"
import { FliptProvider } from "../packages/openfeature/dist/index.js"
import { flagdDocument } from "./lib/flagd.mjs"
import { argument, environment, json, median, printEnvironment, ratio, rounds, table } from "./lib/measure.mjs"
import { documentOf, FLAGS, flagsOf, makeEntity, variants } from "./lib/workloads.mjs"

const WORKLOADS = { a: ["boolean", "boolean"], b: ["variant", "string"], c: ["segments", "boolean"] }
const flags = flagsOf(FLAGS)
const document = documentOf(flags)
const keyOf = (kind) => flags.filter((flag) => flag.kind === kind)[200].key
const entities = Array.from({ length: 4_096 }, (_, index) => makeEntity(index))
const contexts = entities.map(({ attributes, id }) => ({ targetingKey: id, ...attributes }))
const bare = entities.map(({ id }) => ({ targetingKey: id }))

const scope = Effect.runSync(Scope.make())
const clientOver = (engine) =>
  Effect.runPromise(
    FliptClient.makeWithoutDependencies().pipe(
      Effect.provide(Layer.merge(engine, Fetcher.layerStatic(JSON.stringify(document)))),
      Scope.extend(scope)
    )
  )
const portable = await clientOver(Engine.layerPortable)
const native = await clientOver(Engine.layerNative)

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const folder = mkdtempSync(join(tmpdir(), "flipt-bench-"))
const path = join(folder, "flags.json")
writeFileSync(path, JSON.stringify(flagdDocument(flags)))

const providers = {
  portable: FliptProvider.fromClient(portable),
  native: FliptProvider.fromClient(native),
  flagd: new FlagdProvider({ resolverType: "in-process", offlineFlagSourcePath: path }, silent),
  none: NOOP_PROVIDER
}
const clients = {}
for (const [name, provider] of Object.entries(providers)) {
  await OpenFeature.setProviderAndWait(name, provider)
  clients[name] = OpenFeature.getClient(name)
}

// everyone answers, ours as the engine does
const snapshot = await Effect.runPromise(Scope.extend(portable.snapshot, scope))
const expected = {
  boolean: (flagKey, { targetingKey, ...context }) =>
    Either.getOrThrow(snapshot.boolean({ flagKey, entityId: targetingKey, context })).enabled,
  string: (flagKey, { targetingKey, ...context }) =>
    Either.getOrThrow(snapshot.variant({ flagKey, entityId: targetingKey, context })).variantKey
}
for (const context of contexts.slice(0, 200)) {
  for (const [kind, type] of Object.values(WORKLOADS)) {
    const key = keyOf(kind)
    const ask = (name) =>
      type === "boolean"
        ? clients[name].getBooleanDetails(key, false, context)
        : clients[name].getStringDetails(key, "none", context)
    for (const name of ["portable", "native"]) {
      deepStrictEqual((await ask(name)).value, expected[type](key, context), `${name} ${key}`)
    }
    const { reason, value } = await ask("flagd")
    deepStrictEqual(reason, "TARGETING_MATCH", `flagd ${key}`)
    ok(type === "boolean" ? typeof value === "boolean" : variants.includes(value), `flagd ${key}: ${value}`)
  }
}

const tasks = []
for (const [name, client] of Object.entries(clients)) {
  const loops = await import(`./lib/loops-openfeature.mjs?of=${name}`)
  const bareLoops = await import(`./lib/loops-openfeature.mjs?of=${name}-alone`)
  for (const [workload, [kind, type]] of Object.entries(WORKLOADS)) {
    const key = keyOf(kind)
    const all = workload === "a" ? bare : contexts
    tasks.push({ name: `${name} ${workload}`, loop: (from, count) => loops[type](client, key, all, from, count) })
    if (name !== "none") {
      const loop = (from, count) =>
        bareLoops[type === "boolean" ? "providerBoolean" : "providerString"](providers[name], key, all, from, count)
      tasks.push({ name: `${name} ${workload} alone`, loop })
    }
  }
}
const times = await rounds(tasks, { count: argument("rounds", 15), sliceMillis: argument("slice", 25) })
const nanos = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]))

const ratios = Object.fromEntries(
  ["portable", "native"].map((engine) => {
    const of = (suffix) =>
      Object.fromEntries(
        Object.keys(WORKLOADS).map((it) => [
          it,
          ratio(times[`flagd ${it}${suffix}`], times[`${engine} ${it}${suffix}`])
        ])
      )
    return [engine, { client: of(""), provider: of(" alone") }]
  })
)

const at = environment(["effect", "@openfeature/server-sdk", "@openfeature/flagd-provider", "@openfeature/flagd-core"])
if (json) {
  console.log(JSON.stringify({ ...at, nanos, ratios }, undefined, 2))
} else {
  printEnvironment(at)
  const columns = Object.keys(WORKLOADS)
  const header = ["", ...columns, ...columns.map((it) => `${it}, provider alone`)]
  const nanosOf = (name) => (nanos[name] === undefined ? "" : Math.round(nanos[name]))
  console.log("\nNanoseconds for one evaluation through OpenFeature's client, median\n")
  table(
    header,
    Object.keys(providers).map((name) => [
      name,
      ...columns.map((it) => nanosOf(`${name} ${it}`)),
      ...columns.map((it) => nanosOf(`${name} ${it} alone`))
    ])
  )
  console.log("\nflagd's time divided by ours\n")
  table(
    header,
    Object.entries(ratios).map(([engine, { client, provider }]) => [
      engine,
      ...columns.map((it) => client[it].toFixed(2)),
      ...columns.map((it) => provider[it].toFixed(2))
    ])
  )
}

await OpenFeature.close()
rmSync(folder, { recursive: true })
process.exit(0)
