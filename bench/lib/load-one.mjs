/** Loads a namespace over HTTP with one client, in a process of its own; tells its parent what that took. */
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { watch } from "./held.mjs"

const [name, url] = process.argv.slice(2)

const starters = {
  official: async () => {
    const { FliptClient } = await import("@flipt-io/flipt-client-js")
    return async () => {
      const client = await FliptClient.init({ url, updateInterval: 0 })
      return { evaluate: (request) => client.evaluateBoolean(request).enabled, refresh: async () => undefined }
    }
  },
  ours: async () => {
    const FliptClient = await import("../../dist/FliptClient.js")
    return async () => {
      const scope = Effect.runSync(Scope.make())
      const client = await Effect.runPromise(Scope.extend(FliptClient.make({ url, updateInterval: "1 hour" }), scope))
      return {
        evaluate: (request) => Effect.runSync(client.evaluateBoolean(request)).enabled,
        refresh: () => Effect.runPromise(client.refresh)
      }
    }
  }
}

/** What is held on to, once the garbage is collected. */
const memory = async () => {
  for (let i = 0; i < 5; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const { external, heapUsed, rss } = process.memoryUsage()
  return { rss, heap: heapUsed + external }
}

const start = await starters[name === "official" ? "official" : "ours"]()
const before = await memory()
const usage = process.cpuUsage()
const { value: client, ...result } = await watch(start)
const { system, user } = process.cpuUsage(usage)
const after = await memory()
// half of the entities are let in: enough of them and both answers occur
const answers = new Set(
  Array.from({ length: 64 }, (_, i) =>
    client.evaluate({ flagKey: "boolean-300", entityId: `entity-${i}`, context: {} })
  )
)
if (answers.size !== 2) {
  throw new Error(`${name} does not evaluate what it has loaded`)
}
// once more, with all modules loaded and all code warm
const { held: again } = await watch(client.refresh)
process.send(
  { ...result, cpu: (system + user) / 1e3, again, rss: after.rss - before.rss, heap: after.heap - before.heap },
  () => process.exit(0)
)
