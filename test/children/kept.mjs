// Compiles a large document with each engine in the arguments, evaluates, and prints which of the input objects are still
// in memory while the Snapshot is open. Run with --expose-gc.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Scope from "effect/Scope"
import * as Engine from "flipt-client-effect/Engine"

const layers = { native: Engine.layerNative, portable: Engine.layerPortable }

const rollouts = [
  {
    segment: {
      value: true,
      segments: [
        {
          key: "pro",
          matchType: "ALL_SEGMENT_MATCH_TYPE",
          constraints: [{ type: "STRING_CONSTRAINT_COMPARISON_TYPE", property: "plan", operator: "eq", value: "pro" }]
        }
      ]
    }
  }
]

// separate functions, so that no stack frame keeps their objects
const compile = async (engine, refs) => {
  const flags = Array.from({ length: 5000 }, (_, index) => ({
    key: `flag-${index}`,
    name: "x".repeat(200),
    enabled: false,
    type: "BOOLEAN_FLAG_TYPE",
    rollouts
  }))
  const document = [new TextEncoder().encode(JSON.stringify({ namespace: { key: "default" }, flags }))]
  refs.document = new WeakRef(document[0].buffer)
  const scope = Effect.runSync(Scope.make())
  return Effect.runPromise(Scope.extend(engine.compile("default", document), scope)).then((snapshot) => ({
    snapshot,
    scope
  }))
}

const evaluate = (snapshot, refs) => {
  const request = { flagKey: "flag-7", entityId: "e", context: { plan: "pro" } }
  const requests = [{ ...request, context: { ...request.context } }]
  refs.request = new WeakRef(request)
  refs.context = new WeakRef(request.context)
  refs.batch = new WeakRef(requests[0].context)
  const results = [Either.getOrThrow(snapshot.boolean(request)), Either.getOrThrow(snapshot.batch(requests))[0]]
  if (!results.every(({ enabled }) => enabled)) {
    throw new Error("not evaluated")
  }
}

const kept = {}
for (const name of process.argv.slice(2)) {
  const engine = await Effect.runPromise(Effect.provide(Engine.Engine, layers[name]))
  const refs = {}
  const held = await compile(engine, refs)
  evaluate(held.snapshot, refs)
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    globalThis.gc()
  }
  kept[name] = Object.fromEntries(Object.entries(refs).map(([what, ref]) => [what, ref.deref() !== undefined]))
  if (held.snapshot.fingerprint("flag-7") === undefined || held.scope === undefined) {
    throw new Error("the Snapshot was collected")
  }
}
console.log(JSON.stringify(kept))
