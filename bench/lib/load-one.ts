/** Loads a namespace over HTTP with one client, as a separate process, and sends the cost to its parent. */
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { type Spread, type Watched, watch } from "./held.js"

const [name, url = ""] = process.argv.slice(2)

interface Request {
  readonly flagKey: string
  readonly entityId: string
  readonly context: Record<string, string>
}

interface Started {
  readonly evaluate: (request: Request) => boolean
  readonly refresh: () => Promise<unknown>
}

/** The cost of a load, in milliseconds and bytes. */
export interface Loaded extends Omit<Watched<unknown>, "value"> {
  readonly cpu: number
  readonly again: Spread
  readonly rss: number
  readonly heap: number
}

const starters: Record<"official" | "ours", () => Promise<() => Promise<Started>>> = {
  official: async () => {
    const { FliptClient } = await import("@flipt-io/flipt-client-js")
    return async () => {
      const client = await FliptClient.init({ url, updateInterval: 0 })
      return { evaluate: (request) => client.evaluateBoolean(request).enabled, refresh: async () => undefined }
    }
  },
  ours: async () => {
    const FliptClient = await import("flipt-client-effect/FliptClient")
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

/** The memory in use after garbage collection. V8 subtracts freed buffers from `external` one collection later. */
const memory = async () => {
  for (let i = 0; i < 10; i++) {
    globalThis.gc!()
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
// the flag is on for half of the entities, so 64 of them see both answers
const answers = new Set(
  Array.from({ length: 64 }, (_, i) =>
    client.evaluate({ flagKey: "boolean-300", entityId: `entity-${i}`, context: {} })
  )
)
if (answers.size !== 2) {
  throw new Error(`${name} does not evaluate the flags that it loaded`)
}
// once more, with all modules loaded and all code warm
const { held: again } = await watch(client.refresh)
const loaded: Loaded = {
  ...result,
  cpu: (system + user) / 1e3,
  again,
  rss: after.rss - before.rss,
  heap: after.heap - before.heap
}
process.send!(loaded, () => process.exit(0))
