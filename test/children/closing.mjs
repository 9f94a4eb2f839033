// Brings clients with the engine in the first argument into the situations in the other arguments, closes their scopes,
// and prints what the application sees and what is left, once per error strategy. The process must then exit by itself.
// Its server is in the same process, so that a connection that a client fails to close keeps the process alive.
import { once } from "node:events"
import { createServer } from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Supervisor from "effect/Supervisor"
import * as Auth from "flipt-client-effect/Auth"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Tls from "flipt-client-effect/Tls"
import { load, Stat } from "../../build/test/internals.js"

const [engine, ...chosen] = process.argv.slice(2)
const library = engine === "native" ? await Effect.runPromise(load(process.env.FLIPT_ENGINE_PATH)) : undefined

/** The number of compilations in progress. The library's own count starts later, once it has the document. */
let compilations = 0
const counted = ({ compile, ...rest }) => ({
  ...rest,
  compile: (...args) =>
    Effect.suspend(() => {
      compilations++
      return Effect.ensuring(
        compile(...args),
        Effect.sync(() => compilations--)
      )
    })
})
const engineLayer = Layer.map(engine === "native" ? Engine.layerNative : Engine.layerPortable, (context) =>
  Context.add(context, Engine.Engine, counted(Context.get(context, Engine.Engine)))
)
const isCompiling = () => compilations === 1 && (library === undefined || library.stat(Stat.jobs) === 1)

const flag = (key, description = "") => ({ key, name: key, description, enabled: true, type: "BOOLEAN_FLAG_TYPE" })
const documentOf = (flags) => JSON.stringify({ namespace: { key: "default" }, flags })
const small = documentOf([flag("on")])
const large = () => documentOf(Array.from({ length: 16_000 }, (_, index) => flag(`flag-${index}`, "x".repeat(950))))

const turn = () => new Promise((resolve) => setImmediate(resolve))
const until = async (holds) => {
  while (!(await holds())) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const seen = { gets: 0, streams: 0 }
const answers = { get: undefined, stream: undefined }
const document = (text) => (response) => response.writeHead(200, { etag: String(text.length) }).end(text)
/** Makes the client wait so long that only closing it can end the wait. */
const unavailable = (response) => response.writeHead(503, { "retry-after": "300" }).end()
const server = createServer((request, response) => {
  const kind = request.url.includes("/stream") ? "stream" : "get"
  seen[`${kind}s`]++
  answers[kind](response)
})
server.listen(0, "127.0.0.1")
await once(server, "listening")

/** Each brings a client into the situation in which it is closed. */
const situations = {
  "a request is in flight": {
    run: async ({ refresh }) => {
      answers.get = () => {}
      await refresh(() => seen.gets === 2)
    }
  },
  "a body is read": {
    run: async ({ refresh }) => {
      answers.get = (response) => response.writeHead(200, { "content-length": 1000 }).write("{")
      await refresh(() => seen.gets === 2)
    }
  },
  "it retries": {
    run: async ({ refresh }) => {
      answers.get = unavailable
      await refresh(() => seen.gets === 2)
    }
  },
  "it streams": {
    layer: Fetcher.layerStreaming,
    run: async ({ client }) => {
      answers.stream = (response) => {
        response.writeHead(200)
        response.write(`{"result":${small}}\n{"result":{"namespace":`)
      }
      await until(() => seen.streams === 1)
      await until(async () => (await Effect.runPromise(client.status)).connected)
    }
  },
  "it waits for a stream's first byte": {
    layer: Fetcher.layerStreaming,
    run: async () => {
      answers.stream = () => {}
      await until(() => seen.streams === 1)
    }
  },
  "it compiles": {
    run: async ({ refresh }) => {
      answers.get = document(large())
      await refresh(isCompiling)
    }
  },
  "it compiles what a stream has pushed": {
    layer: Fetcher.layerStreaming,
    run: async () => {
      answers.stream = (response) => response.writeHead(200).write(`{"result":${large()}}\n`)
      await until(isCompiling)
    }
  },
  "it waits to reconnect": {
    layer: Fetcher.layerStreaming,
    run: async ({ client }) => {
      answers.stream = unavailable
      await until(() => seen.streams === 1)
      await until(async () => !(await Effect.runPromise(client.status)).connected)
    }
  },
  "it is degraded to polling": {
    layer: Fetcher.layerStreaming,
    run: async ({ client }) => {
      answers.stream = (response) => response.writeHead(404).end()
      await until(async () => (await Effect.runPromise(client.status)).mode === "polling")
    }
  },
  "its start has failed": {
    before: ({ errorStrategy }) => {
      // with the other strategy, a failure of the server does not fail the start
      answers.get = (response) => response.writeHead(errorStrategy === "fail" ? 404 : 200).end("{}")
    },
    options: ({ errorStrategy }) => (errorStrategy === "fail" ? {} : { snapshot: "bm90aGluZw==" })
  }
}

const tagOf = (effect) =>
  Effect.runPromise(
    Effect.match(effect, {
      onFailure: ({ _tag, reason }) => `${_tag} ${reason}`,
      onSuccess: () => "success"
    })
  )

/** The standard streams become resources at their first use. */
const resources = () => process.getActiveResourcesInfo().filter((name) => name !== "PipeWrap")
const before = resources()
const added = () => {
  const more = resources()
  for (const name of before.filter((name) => more.includes(name))) {
    more.splice(more.indexOf(name), 1)
  }
  return more
}

const close = async (situation, errorStrategy) => {
  const { layer = Fetcher.layerPolling, run, before: prepare, options } = situations[situation]
  seen.gets = 0
  seen.streams = 0
  answers.get = document(small)
  answers.stream = () => {}
  prepare?.({ errorStrategy })
  const supervisor = await Effect.runPromise(Supervisor.track)
  const scope = await Effect.runPromise(Scope.make())
  const start = Layer.buildWithScope(
    FliptClient.layerWithoutDependencies({ errorStrategy, ...options?.({ errorStrategy }) }).pipe(
      Layer.provide([
        engineLayer,
        layer({ url: `http://127.0.0.1:${server.address().port}`, updateInterval: "2 minutes" })
      ]),
      Layer.provide([Layer.provide(Tls.layerHttpClient, Tls.layerSystem), Auth.layerNone])
    ),
    scope
  ).pipe(Effect.map(Context.get(FliptClient.FliptClient)), Effect.either, Effect.supervised(supervisor))
  const started = await Effect.runPromise(start.pipe(Effect.provide(Logger.remove(Logger.defaultLogger))))
  const client = Either.getOrUndefined(started)
  let waiting
  if (client !== undefined) {
    const refresh = async (holds) => {
      waiting = Fiber.join(Effect.runFork(client.refresh))
      await until(holds)
    }
    await run({ client, refresh })
  }
  await Effect.runPromise(Scope.close(scope, Exit.void))
  const fibers = (await Effect.runPromise(supervisor.value)).length
  const result = {
    start: client === undefined ? Either.getOrThrow(Either.flip(started))._tag : "success",
    ...(waiting === undefined ? {} : { waiting: await tagOf(waiting) }),
    ...(client === undefined
      ? {}
      : {
          evaluation: await tagOf(client.evaluateBoolean({ flagKey: "on", entityId: "e" })),
          refresh: await tagOf(client.refresh),
          status: (await Effect.runPromise(client.status))._tag
        })
  }
  const requests = seen.gets + seen.streams
  await until(() => new Promise((resolve) => server.getConnections((_, count) => resolve(count === 0))))
  for (let n = 0; n < 10; n++) {
    await turn()
  }
  return {
    ...result,
    left: {
      fibers,
      requests: seen.gets + seen.streams - requests,
      resources: added(),
      compilations,
      handles:
        library === undefined
          ? 0
          : [Stat.snapshots, Stat.jobs, Stat.arenas, Stat.blobs].reduce((sum, stat) => sum + library.stat(stat), 0)
    }
  }
}

const results = {}
for (const situation of chosen) {
  results[situation] = { fail: await close(situation, "fail"), fallback: await close(situation, "fallback") }
}
server.close()
console.log(JSON.stringify(results))
