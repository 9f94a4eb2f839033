/**
 * How a client handles the events of any Fetcher.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { EngineError, FetchError } from "../src/FliptError.js"
import { onDocument } from "./support/documents.js"
import { captured } from "./support/logs.js"
import { makeManual, on } from "./support/testClient.js"
import { awhile, until } from "./support/wait.js"

/** The portable engine with a different `compile`. */
const withCompile = (
  wrap: (compile: Engine.Service["compile"]) => Engine.Service["compile"]
): Layer.Layer<Engine.Engine> =>
  Layer.map(Engine.layerPortable, (context) => {
    const engine = Context.get(context, Engine.Engine)
    return Context.add(context, Engine.Engine, { ...engine, compile: wrap(engine.compile) })
  })

describe("a Fetcher that misbehaves", () => {
  const target = { environment: "default", namespace: "default" }

  const over = (fetcher: Partial<Fetcher.Service>, engine: Layer.Layer<Engine.Engine> = Engine.layerPortable) =>
    FliptClient.makeWithoutDependencies({ errorStrategy: "fallback" }).pipe(
      Effect.provide(engine),
      Effect.provideService(Fetcher.Fetcher, {
        source: { kind: "own", ...target },
        fetch: () =>
          Effect.succeed(
            Fetcher.Document({ bytes: [Buffer.from(JSON.stringify(onDocument(true)))], version: Option.some("v1") })
          ),
        events: () => Stream.never,
        ...fetcher
      })
    )

  it.scoped("by answering NotModified before anything is loaded does not make the client ready", () =>
    captured(() =>
      Effect.gen(function* () {
        const client = yield* over({ fetch: () => Effect.succeed(Fetcher.NotModified()) })
        expect(yield* client.status).toMatchObject({ _tag: "Failed", error: { reason: "Source" } })
      })
    )
  )

  for (const [how, events] of [
    ["is interrupted", Stream.fromEffect(Effect.interrupt)],
    ["dies", Stream.die("died")],
    ["ends", Stream.empty]
  ] as const) {
    it.scoped(`and whose events stream ${how} causes an outage, and the stream is run again`, () =>
      captured((lines) =>
        Effect.gen(function* () {
          let listened = 0
          const client = yield* over({
            events: () =>
              Stream.suspend(() => {
                listened++
                return events
              })
          })
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          expect(yield* client.status).toMatchObject({ _tag: "Stale", error: { reason: "Source" } })
          expect(lines.filter(({ level }) => level === "ERROR")).toHaveLength(1)
          yield* TestClock.adjust("30 seconds")
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          expect(listened).toBe(2)
        })
      )
    )
  }

  it.scoped("by pushing a document that kills the engine causes an outage, which a request ends", () =>
    captured(() =>
      Effect.gen(function* () {
        const pushes = yield* Queue.unbounded<Fetcher.Event>()
        const dying = withCompile(
          (compile) => (namespace, bytes) =>
            bytes.length === 0 ? Effect.dieMessage("the engine died") : compile(namespace, bytes)
        )
        let fetches = 0
        const client = yield* over(
          {
            fetch: () => {
              fetches++
              return fetches === 1
                ? Effect.succeed(
                    Fetcher.Document({
                      bytes: [Buffer.from(JSON.stringify(onDocument(true)))],
                      version: Option.some("v1")
                    })
                  )
                : Effect.delay(Effect.succeed(Fetcher.NotModified()), "1 second")
            },
            events: () => Stream.fromQueue(pushes)
          },
          dying
        )
        yield* Queue.offer(pushes, Fetcher.Event.Pushed({ bytes: [], version: Option.none() }))
        yield* Effect.repeatN(Effect.yieldNow(), 50)
        expect(yield* client.status).toMatchObject({ _tag: "Stale", error: { reason: "Source" } })
        yield* TestClock.adjust("1 second")
        yield* Effect.repeatN(Effect.yieldNow(), 50)
        expect((yield* client.status)._tag).toBe("Ready")
        expect(fetches).toBe(2)
      })
    )
  )
})

describe("events of a Fetcher", () => {
  const sees = (client: FliptClient.Service, enabled: boolean) =>
    client.evaluateBoolean(on).pipe(
      Effect.delay("1 millis"),
      Effect.repeat({ until: (result) => result.enabled === enabled }),
      Effect.map((result) => expect(result.enabled).toBe(enabled))
    )

  it.scopedLive("a pushed document is loaded, and overtakes the answer to an earlier request", () =>
    Effect.gen(function* () {
      const fetcher = yield* makeManual(onDocument(false))
      const client = yield* FliptClient.makeWithoutDependencies({ errorStrategy: "fallback" }).pipe(
        Effect.provide([fetcher.layer, Engine.layerPortable])
      )
      const asked = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<void>()
      fetcher.state.answer = Deferred.succeed(asked, undefined).pipe(
        Effect.zipRight(Deferred.await(answer)),
        Effect.as(Fetcher.Document({ bytes: fetcher.encode(onDocument(false)), version: Option.some("old") }))
      )
      const refresh = yield* Effect.fork(client.refresh)
      yield* Deferred.await(asked)
      yield* fetcher.tell(
        Fetcher.Event.Pushed({ bytes: fetcher.encode(onDocument(true)), version: Option.some("new") })
      )
      yield* sees(client, true)
      fetcher.state.answer = Effect.succeed(Fetcher.NotModified())
      yield* Deferred.succeed(answer, undefined)
      expect(yield* Fiber.join(refresh)).toBe(false)
      expect(fetcher.state.asked.at(-1)).toEqual(Option.some("new"))
      yield* sees(client, true)
      expect((yield* client.status).version).toBe("new")
    })
  )

  it.scopedLive("a pushed document that is loaded already confirms the state, however large it is", () =>
    Effect.gen(function* () {
      for (const padding of ["", "x".repeat(200_000)]) {
        let compiled = 0
        const counting = withCompile((compile) => (namespace, bytes) => {
          compiled++
          return compile(namespace, bytes)
        })
        const documentOf = (enabled: boolean) => ({ ...onDocument(enabled), padding })
        const fetcher = yield* makeManual(documentOf(false))
        const client = yield* FliptClient.makeWithoutDependencies().pipe(Effect.provide([fetcher.layer, counting]))
        const push = (enabled: boolean) =>
          fetcher.tell(Fetcher.Event.Pushed({ bytes: fetcher.encode(documentOf(enabled)), version: Option.none() }))
        for (const enabled of [false, true, true, false, false, true]) {
          yield* push(enabled)
          yield* sees(client, enabled)
        }
        expect(compiled).toBe(4)
        // a new version is loaded even if its content is the same, and the hash of that content is then known
        yield* fetcher.tell(
          Fetcher.Event.Pushed({ bytes: fetcher.encode(documentOf(true)), version: Option.some("new") })
        )
        yield* until(Effect.map(client.status, ({ version }) => version === "new"))
        yield* push(true)
        yield* push(false)
        yield* sees(client, false)
        expect(compiled).toBe(6)
      }
    })
  )

  it.scopedLive("loading a document does not use the log annotations of who loaded the one before", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const fetcher = yield* makeManual(onDocument(false))
        const logging = withCompile(
          (compile) => (namespace, bytes) => Effect.zipRight(Effect.logInfo("compiles"), compile(namespace, bytes))
        )
        const client = yield* FliptClient.makeWithoutDependencies().pipe(Effect.provide([fetcher.layer, logging]))
        fetcher.state.answer = Effect.sync(() =>
          Fetcher.Document({ bytes: fetcher.encode(onDocument(true)), version: Option.some("new") })
        )
        yield* Effect.annotateLogs(client.refresh, "caller", "first")
        yield* fetcher.tell(Fetcher.Event.Pushed({ bytes: fetcher.encode(onDocument(false)), version: Option.none() }))
        yield* sees(client, false)
        const logged = lines.map(({ message }) => message).filter((message) => message.startsWith("compiles"))
        expect(logged).toEqual(["compiles", "compiles caller,first", "compiles"])
      })
    )
  )

  it.scopedLive(
    "a request whose answers are always overtaken ends, because the pushed documents confirm the state",
    () =>
      Effect.gen(function* () {
        const fetcher = yield* makeManual(onDocument(true))
        const client = yield* FliptClient.makeWithoutDependencies().pipe(
          Effect.provide([fetcher.layer, Engine.layerPortable])
        )
        const before = fetcher.state.asked.length
        fetcher.state.answer = Effect.gen(function* () {
          const asked = fetcher.state.asked.length - before
          if (asked > 20) {
            return Fetcher.NotModified()
          }
          const version = `pushed ${asked}`
          const bytes = fetcher.encode({ ...onDocument(true), digest: version })
          yield* fetcher.tell(Fetcher.Event.Pushed({ bytes, version: Option.some(version) }))
          yield* until(Effect.map(client.status, (status) => status.version === version))
          return Fetcher.Document({ bytes: fetcher.encode(onDocument(false)), version: Option.some("old") })
        })
        expect(yield* client.refresh).toBe(false)
        expect(fetcher.state.asked.length - before).toBe(4)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", version: "pushed 4" })
      })
  )

  it.scopedLive("a pushed document is not compiled while a fetched one is", () =>
    Effect.gen(function* () {
      const compiling = new Set<string>()
      let overlaps = 0
      const slow = withCompile((compile) => (namespace, bytes) => {
        const text = Buffer.concat(bytes).toString()
        return Effect.sync(() => {
          overlaps += compiling.size
          compiling.add(text)
        }).pipe(
          // time for another compilation to start
          Effect.zipRight(awhile),
          Effect.zipRight(compile(namespace, bytes)),
          Effect.ensuring(Effect.sync(() => compiling.delete(text)))
        )
      })
      const fetcher = yield* makeManual(onDocument(true))
      const client = yield* FliptClient.makeWithoutDependencies().pipe(Effect.provide([fetcher.layer, slow]))
      const document = (version: string) => ({
        bytes: fetcher.encode({ ...onDocument(true), digest: version }),
        version: Option.some(version)
      })
      fetcher.state.answer = Effect.succeed(Fetcher.Document(document("fetched")))
      const refresh = yield* Effect.fork(client.refresh)
      yield* until(() => compiling.size === 1)
      yield* fetcher.tell(Fetcher.Event.Pushed(document("pushed")))
      expect(yield* Fiber.join(refresh)).toBe(true)
      yield* until(Effect.map(client.status, (status) => status.version === "pushed"))
      expect(overlaps).toBe(0)
    })
  )

  it.scopedLive("the resources of a failed compilation are released immediately", () =>
    captured(() =>
      Effect.gen(function* () {
        let opened = 0
        let closed = 0
        const failing = withCompile(
          () => () =>
            Effect.acquireRelease(
              Effect.sync(() => void opened++),
              () => Effect.sync(() => void closed++)
            ).pipe(Effect.zipRight(Effect.fail(new EngineError({ reason: "Document", message: "it does not load" }))))
        )
        const fetcher = yield* makeManual(onDocument(true))
        const client = yield* FliptClient.makeWithoutDependencies({ errorStrategy: "fallback" }).pipe(
          Effect.provide([fetcher.layer, failing])
        )
        expect(yield* Effect.flip(client.refresh)).toMatchObject({ _tag: "EngineError", reason: "Document" })
        expect(opened).toBe(2)
        expect(closed).toBe(2)
      })
    )
  )

  it.scopedLive("a failure is an outage until a request repairs it", () =>
    captured(() =>
      Effect.gen(function* () {
        const fetcher = yield* makeManual(onDocument(true))
        const client = yield* FliptClient.makeWithoutDependencies().pipe(
          Effect.provide([fetcher.layer, Engine.layerPortable])
        )
        const becomes = (tag: string) =>
          client.status.pipe(
            Effect.delay("1 millis"),
            Effect.repeat({ until: (status) => status._tag === tag }),
            Effect.map((status) => expect(status._tag).toBe(tag))
          )
        const error = new FetchError({ reason: "Body", retryable: false, message: "a bad frame" })
        const repaired = yield* Deferred.make<Fetcher.Update>()
        fetcher.state.answer = Deferred.await(repaired)
        yield* fetcher.tell(Fetcher.Event.Failed({ error }))
        yield* becomes("Stale")
        expect(yield* Effect.flip(client.evaluateBoolean(on))).toMatchObject({ reason: "Unavailable", cause: error })
        yield* Deferred.succeed(repaired, Fetcher.NotModified())
        yield* becomes("Ready")
        yield* fetcher.tell(Fetcher.Event.Mode({ mode: "streaming", connected: true }))
        yield* client.status.pipe(
          Effect.delay("1 millis"),
          Effect.repeat({ until: (status) => status.mode === "streaming" })
        )
        expect((yield* client.status).mode).toBe("streaming")
      })
    )
  )

  it.scoped("that end or die are run again", () =>
    captured((logs) =>
      Effect.gen(function* () {
        let subscriptions = 0
        const fetcher = Layer.succeed(Fetcher.Fetcher, {
          source: { kind: "broken", environment: "default", namespace: "default" },
          fetch: () =>
            Effect.succeed(
              Fetcher.Document({
                bytes: [new TextEncoder().encode(JSON.stringify(onDocument(true)))],
                version: Option.none()
              })
            ),
          events: () =>
            Stream.suspend(() => {
              subscriptions++
              return subscriptions === 1 ? Stream.die(new Error("oops")) : Stream.empty
            })
        })
        yield* FliptClient.makeWithoutDependencies().pipe(Effect.provide([fetcher, Engine.layerPortable]))
        yield* Effect.yieldNow()
        for (let minute = 0; minute < 3; minute++) {
          yield* TestClock.adjust("1 minutes")
        }
        expect(subscriptions).toBeGreaterThanOrEqual(4)
        expect(subscriptions).toBeLessThanOrEqual(8)
        expect(logs.some((line) => line.level === "ERROR" && line.message.includes("oops"))).toBe(true)
      })
    )
  )
})
