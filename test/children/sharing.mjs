// Workers that evaluate the main thread's states: `sharing.mjs <scenario> <engine>`. Prints the results.
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import { FetchError } from "flipt-client-effect/FliptError"
import * as Workers from "flipt-client-effect/Workers"
import { load, Stat } from "../../build/test/internals.js"

const [, , scenario, engine] = process.argv

const segment = (index, value) => ({
  key: `${value}-${index}`,
  matchType: "ALL_SEGMENT_MATCH_TYPE",
  constraints: [{ type: "STRING_CONSTRAINT_COMPARISON_TYPE", property: "plan", operator: "eq", value }]
})

/** A document of 200 flags that all depend on the version. */
const documentOf = (version) =>
  new TextEncoder().encode(
    JSON.stringify({
      namespace: { key: "default" },
      flags: [
        {
          key: "version",
          name: "",
          enabled: true,
          type: "VARIANT_FLAG_TYPE",
          defaultVariant: { id: "", key: `v${version}` }
        },
        ...Array.from({ length: 200 }, (_, index) => ({
          key: `flag-${index}`,
          name: "",
          enabled: true,
          type: "VARIANT_FLAG_TYPE",
          rules: [
            {
              segmentOperator: "OR_SEGMENT_OPERATOR",
              segments: [segment(index, "pro"), segment(index, "trial")],
              distributions: ["a", "b"].map((key) => ({ variantKey: `${key}${version}`, rollout: 50 }))
            }
          ]
        }))
      ]
    })
  )

const requests = Array.from({ length: 60 }, (_, index) => ({
  flagKey: `flag-${index * 3}`,
  entityId: `user-${index}`,
  context: { plan: ["pro", "trial", "free"][index % 3] }
}))

/** All answers of a client. */
const answers = Effect.gen(function* () {
  const client = yield* FliptClient.FliptClient
  return JSON.stringify([
    yield* Effect.forEach(requests, (request) => Effect.either(client.evaluateVariant(request))),
    yield* client.evaluateBatch(requests),
    yield* client.listFlags,
    yield* Effect.either(client.evaluateBoolean({ flagKey: "nothing", entityId: "e" })),
    yield* client.getSnapshot,
    yield* Effect.scoped(Effect.map(client.snapshot, (snapshot) => [snapshot.engine, snapshot.fingerprint("flag-3")]))
  ])
})

const versionOf = Effect.flatMap(FliptClient.FliptClient, (client) =>
  Effect.map(
    Effect.either(client.evaluateVariant({ flagKey: "version", entityId: "e" })),
    Either.match({ onLeft: ({ reason }) => reason, onRight: ({ variantKey }) => variantKey })
  )
)

const plain = (status) =>
  JSON.parse(JSON.stringify({ ...status, error: status.error?.message, cause: status.error?._tag }))
const statusOf = Effect.flatMap(FliptClient.FliptClient, (client) => Effect.map(client.status, plain))

// ---------------------------------------------------------------------------------------------------------- a worker

const actions = {
  answers,
  version: versionOf,
  status: statusOf,
  refresh: Effect.flatMap(FliptClient.FliptClient, (client) =>
    Effect.map(Effect.either(client.refresh), (result) => (Either.isRight(result) ? result.right : result.left.message))
  ),
  ready: Effect.flatMap(FliptClient.FliptClient, (client) => client.awaitReady)
}

const work = async () => {
  const runtime = ManagedRuntime.make(Workers.layerClient(workerData.options))
  const run = (name) => runtime.runPromise(Effect.either(actions[name]))
  if (workerData.busy) {
    // runs until it is terminated
    for (;;) {
      await run("version")
      await new Promise(setImmediate)
    }
  }
  parentPort.on("message", async ({ id, name }) => {
    if (name === "close") {
      await runtime.dispose()
      parentPort.close()
    } else {
      const result = await run(name).catch((error) => Either.left({ message: String(error) }))
      parentPort.postMessage({
        id,
        ...(Either.isRight(result)
          ? { value: result.right }
          : { error: `${result.left.reason}: ${result.left.message}` })
      })
    }
  })
}

// --------------------------------------------------------------------------------------------------- the main thread

const start = (options, busy = false) => {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { options, busy }, argv: [scenario, engine] })
  const waiting = new Map()
  let next = 0
  worker.on("message", ({ error, id, value }) => waiting.get(id)?.(error === undefined ? value : { error }))
  worker.on("error", (error) => {
    console.error(error)
    process.exit(3)
  })
  return {
    ask: (name) =>
      new Promise((resolve) => {
        waiting.set(next, resolve)
        worker.postMessage({ id: next++, name })
      }),
    terminate: () => worker.terminate(),
    close: () => {
      worker.postMessage({ name: "close" })
      return once(worker, "exit")
    }
  }
}

/** Waits until the condition holds. The test's time limit ends it. */
const until = async (condition) => {
  while (!(await condition())) {
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

const engines = { native: Engine.layerNative, portable: Engine.layerPortable }

/** A client in the main thread, with a source that the scenario controls. */
const serve = async (options) => {
  const events = await Effect.runPromise(Queue.unbounded())
  let document = { bytes: [documentOf(1)], version: Option.some("1") }
  let error
  const fetcher = Layer.succeed(Fetcher.Fetcher, {
    source: { kind: "polling", environment: "default", namespace: "default" },
    fetch: (loaded) =>
      Effect.suspend(() =>
        error !== undefined
          ? Effect.fail(error)
          : Effect.succeed(
              Option.getOrUndefined(loaded) === document.version.value
                ? Fetcher.NotModified()
                : Fetcher.Document(document)
            )
      ),
    events: () => Stream.fromQueue(events)
  })
  const scope = await Effect.runPromise(Scope.make())
  const client = await Effect.runPromise(
    Layer.buildWithScope(
      FliptClient.layerWithoutDependencies(options).pipe(
        Layer.provide([fetcher, engines[engine]]),
        Layer.provide(Workers.layerServe)
      ),
      scope
    )
  )
  return {
    run: (effect) => Effect.runPromise(Effect.provide(effect, client)),
    set: (version) => {
      document = { bytes: [documentOf(version)], version: Option.some(String(version)) }
    },
    push: (version) => {
      document = { bytes: [documentOf(version)], version: Option.some(String(version)) }
      return Effect.runPromise(Queue.offer(events, Fetcher.Event.Pushed(document)))
    },
    fail: (message) => {
      error = message === undefined ? undefined : new FetchError({ reason: "Network", retryable: true, message })
      return Effect.runPromise(Queue.offer(events, Fetcher.Event.Check()))
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const library = engine === "native" ? await Effect.runPromise(load(process.env.FLIPT_ENGINE_PATH)) : undefined
const held = () =>
  library && Object.fromEntries(Object.entries(Stat).map(([name, which]) => [name, library.stat(which)]))

const scenarios = {
  /** Three workers, one of which starts late, use every operation of a client. */
  life: async () => {
    const early = start({})
    const earlyAnswers = early.ask("version")
    const main = await serve({ errorStrategy: "fallback" })
    const failing = start({ errorStrategy: "fail" })
    const seen = { early: await earlyAnswers }
    const all = (workers, name) => Promise.all(workers.map(({ ask }) => ask(name)))
    const same = async (workers) => {
      const expected = await main.run(answers)
      return (await all(workers, "answers")).map((it) => it === expected)
    }
    const sameStatus = async (workers) => {
      const expected = await main.run(statusOf)
      return (await all(workers, "status")).every((it) => JSON.stringify(it) === JSON.stringify(expected))
    }
    const two = [early, failing]
    seen.same = await same(two)
    await until(() => sameStatus(two))
    seen.status = await failing.ask("status")
    await main.push(2)
    await until(async () => (await all(two, "version")).every((it) => it === "v2"))
    const late = start({ errorStrategy: "fallback" })
    const three = [...two, late]
    seen.changed = [await all(three, "version"), await same(three)]
    await main.fail("it is away")
    await until(async () => (await all(three, "status")).every(({ _tag }) => _tag === "Stale"))
    await until(() => sameStatus(three))
    seen.outage = {
      status: await late.ask("status"),
      versions: await all(three, "version"),
      refresh: await late.ask("refresh")
    }
    await main.fail(undefined)
    await all(three, "ready")
    await until(() => sameStatus(three))
    await until(async () => (await all(three, "version")).every((it) => it === "v2"))
    main.set(3)
    seen.refresh = [await late.ask("refresh"), await late.ask("version"), await late.ask("refresh")]
    await until(async () => (await all(three, "version")).every((it) => it === "v3"))
    await main.close()
    await until(async () => (await all(three, "status")).every(({ _tag }) => _tag === "Stale"))
    seen.closed = {
      status: await late.ask("status"),
      versions: await all(three, "version"),
      refresh: await late.ask("refresh")
    }
    const next = await serve({})
    await until(async () => (await all(three, "version")).every((it) => it === "v1"))
    seen.next = [(await late.ask("status"))._tag, await all(three, "version")]
    await next.close()
    await Promise.all(three.map(({ close }) => close()))
    return { seen, held: held() }
  },

  /** Workers come and go while states are loaded. Some end by themselves; the others are terminated at any time. */
  churn: async () => {
    const batches = Number(process.argv.at(-1))
    const warm = await serve({})
    await warm.push(2)
    await warm.close()
    const before = held()
    const main = await serve({})
    const stays = start({})
    let version = 1
    let over = false
    const loads = (async () => {
      while (!over) {
        await main.push(++version)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })()
    const ends = { closed: 0, terminated: 0 }
    for (let batch = 0; batch < batches; batch++) {
      await Promise.all(
        Array.from({ length: 5 }, async (_, index) => {
          const worker = start({}, index === 4)
          if (index === 0) {
            await worker.ask("version")
            await worker.close()
            ends.closed++
            return
          }
          if (index === 1) {
            await worker.ask("version")
          }
          // immediately, or at any time during the start and the evaluations
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 120 * index))
          await worker.terminate()
          ends.terminated++
        })
      )
    }
    over = true
    await loads
    await until(async () => (await stays.ask("version")) === `v${version}`)
    const open = held()
    await stays.terminate()
    await main.close()
    return { ends, loaded: version, before, open, after: held() }
  },

  /** A worker without a client. */
  nobody: async () => {
    const worker = start({})
    const result = await worker.ask("version")
    await worker.terminate()
    return result
  }
}

if (isMainThread) {
  console.log(JSON.stringify(await scenarios[scenario]()))
} else {
  await work()
}
