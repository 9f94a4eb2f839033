/**
 * Measures one evaluation through OpenFeature's client: `npm run bench:openfeature -- [--json] [--rounds 15]`.
 *
 * Compares this library's provider with each engine, flagd's in-process provider, which reads its flags from a file, and
 * OpenFeature's no-op provider, which shows the cost of the client itself. The client takes most of the time, so the
 * providers are also called without it. lib/workloads.ts defines the workloads (a), (b) and (c), lib/flagd.ts the flags
 * for flagd.
 */
import { deepStrictEqual, ok } from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { FliptProvider } from "@flipt-client-effect/openfeature"
import { FlagdProvider } from "@openfeature/flagd-provider"
import { type Client, type EvaluationContext, NOOP_PROVIDER, OpenFeature, type Provider } from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import { flagdDocument } from "./lib/flagd.js"
import type * as Loops from "./lib/loops-openfeature.js"
import {
  argument,
  environment,
  json,
  medians,
  printEnvironment,
  ratio,
  rounds,
  type Task,
  table
} from "./lib/measure.js"
import { copyOf } from "./lib/modules.js"
import { documentOf, FLAGS, flagsOf, type Kind, makeEntity, variants } from "./lib/workloads.js"

/** The kind of flag, and the type of its value. */
const WORKLOADS: Readonly<Record<string, readonly [Kind, "boolean" | "string"]>> = {
  a: ["boolean", "boolean"],
  b: ["variant", "string"],
  c: ["segments", "boolean"]
}
const flags = flagsOf(FLAGS)
const document = documentOf(flags)
const keyOf = (kind: Kind): string => flags.filter((flag) => flag.kind === kind)[200]!.key
const entities = Array.from({ length: 4_096 }, (_, index) => makeEntity(index))
const contexts = entities.map(({ attributes, id }) => ({ targetingKey: id, ...attributes }))
const bare = entities.map(({ id }) => ({ targetingKey: id }))

const scope = Effect.runSync(Scope.make())
const clientOver = (engine: typeof Engine.layerNative) =>
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

const providers: Readonly<Record<string, Provider>> = {
  portable: FliptProvider.fromClient(portable),
  native: FliptProvider.fromClient(native),
  flagd: new FlagdProvider({ resolverType: "in-process", offlineFlagSourcePath: path }, silent),
  none: NOOP_PROVIDER
}
const clients: Record<string, Client> = {}
for (const [name, provider] of Object.entries(providers)) {
  await OpenFeature.setProviderAndWait(name, provider)
  clients[name] = OpenFeature.getClient(name)
}

// every provider answers, and ours agrees with the engine
const snapshot = await Effect.runPromise(Scope.extend(portable.snapshot, scope))
const expected = {
  boolean: (flagKey: string, { targetingKey, ...context }: (typeof contexts)[number]) =>
    Either.getOrThrow(snapshot.boolean({ flagKey, entityId: targetingKey, context })).enabled,
  string: (flagKey: string, { targetingKey, ...context }: (typeof contexts)[number]) =>
    Either.getOrThrow(snapshot.variant({ flagKey, entityId: targetingKey, context })).variantKey
}
for (const context of contexts.slice(0, 200)) {
  for (const [kind, type] of Object.values(WORKLOADS)) {
    const key = keyOf(kind)
    const ask = (name: string) =>
      type === "boolean"
        ? clients[name]!.getBooleanDetails(key, false, context)
        : clients[name]!.getStringDetails(key, "none", context)
    for (const name of ["portable", "native"]) {
      deepStrictEqual((await ask(name)).value, expected[type](key, context), `${name} ${key}`)
    }
    const { reason, value } = await ask("flagd")
    deepStrictEqual(reason, "TARGETING_MATCH", `flagd ${key}`)
    ok(
      type === "boolean" ? typeof value === "boolean" : variants.some((variant) => variant === value),
      `flagd ${key}: ${value}`
    )
  }
}

const tasks: Array<Task> = []
for (const [name, client] of Object.entries(clients)) {
  const loops = await copyOf<typeof Loops>("loops-openfeature", name)
  const bareLoops = await copyOf<typeof Loops>("loops-openfeature", `${name}-alone`)
  for (const [workload, [kind, type]] of Object.entries(WORKLOADS)) {
    const key = keyOf(kind)
    const all: ReadonlyArray<EvaluationContext> = workload === "a" ? bare : contexts
    tasks.push({ name: `${name} ${workload}`, loop: (from, count) => loops[type](client, key, all, from, count) })
    if (name !== "none") {
      const provider = providers[name]!
      const loop: Task["loop"] = (from, count) =>
        bareLoops[type === "boolean" ? "providerBoolean" : "providerString"](provider, key, all, from, count)
      tasks.push({ name: `${name} ${workload} alone`, loop })
    }
  }
}
const times = await rounds(tasks, { count: argument("rounds", 15), sliceMillis: argument("slice", 25) })
const nanos = medians(times)

const ratios = Object.fromEntries(
  ["portable", "native"].map((engine) => {
    const of = (suffix: string): Readonly<Record<string, number>> =>
      Object.fromEntries(
        Object.keys(WORKLOADS).map((it) => [
          it,
          ratio(times[`flagd ${it}${suffix}`], times[`${engine} ${it}${suffix}`])
        ])
      )
    return [engine, { client: of(""), provider: of(" alone") }] as const
  })
)

const at = environment(["effect", "@openfeature/server-sdk", "@openfeature/flagd-provider", "@openfeature/flagd-core"])
if (json) {
  console.log(JSON.stringify({ ...at, nanos, ratios }, undefined, 2))
} else {
  printEnvironment(at)
  const columns = Object.keys(WORKLOADS)
  const header = ["", ...columns, ...columns.map((it) => `${it}, provider alone`)]
  const nanosOf = (name: string) => (nanos[name] === undefined ? "" : Math.round(nanos[name]))
  console.log("\nNanoseconds per evaluation through OpenFeature's client, median\n")
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
      ...columns.map((it) => client[it]!.toFixed(2)),
      ...columns.map((it) => provider[it]!.toFixed(2))
    ])
  )
}

await OpenFeature.close()
rmSync(folder, { recursive: true })
process.exit(0)
