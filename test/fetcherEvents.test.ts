/**
 * What a client makes of the events of any Fetcher.
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
import { FetchError } from "../src/FliptError.js"
import { onDocument } from "./support/documents.js"
import { captured } from "./support/logs.js"
import { makeManual, on } from "./support/testClient.js"

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

  it.scoped("and answers NotModified before anything is loaded does not make the client ready", () =>
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
    it.scoped(`and whose events stream ${how} is an outage, and is run again`, () =>
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

  it.scoped("and pushes a document that kills the engine is an outage, which a request ends", () =>
    captured(() =>
      Effect.gen(function* () {
        const pushes = yield* Queue.unbounded<Fetcher.Event>()
        const dying = Layer.map(Engine.layerPortable, (context) =>
          Context.add(context, Engine.Engine, {
            ...Context.get(context, Engine.Engine),
            compile: (namespace, bytes) =>
              bytes.length === 0
                ? Effect.dieMessage("the engine died")
                : Context.get(context, Engine.Engine).compile(namespace, bytes)
          })
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
      Effect.repeat({ until: (result) => result.enabled === enabled, times: 1000 }),
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
            Effect.repeat({ until: (status) => status._tag === tag, times: 1000 }),
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
          Effect.repeat({ until: (status) => status.mode === "streaming", times: 1000 })
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
