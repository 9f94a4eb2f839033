/**
 * Streams that send more than a client can load, or alternate good and bad frames.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import * as FliptClients from "../src/FliptClients.js"
import * as FairLock from "../src/internal/util/fairLock.js"
import { onDocument } from "./support/documents.js"
import { engines } from "./support/engines.js"
import { source } from "./support/handed.js"
import { captured } from "./support/logs.js"
import { awaitOn, failedIn, line, listenTo, makeClient, no, pushedIn, scripted, yes } from "./support/streaming.js"
import { awaitSleepOf, awhile, until } from "./support/wait.js"

/** Runs an effect and returns its value and the number of event loop turns that it took. */
const countTurns = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    let turns = 0
    let immediate: NodeJS.Immediate
    const next = () => {
      turns++
      immediate = setImmediate(next)
    }
    next()
    return effect.pipe(
      Effect.map((value) => ({ value, turns })),
      Effect.ensuring(Effect.sync(() => clearImmediate(immediate)))
    )
  })

describe("a chunk of many lines", () => {
  it.scoped("that are garbage is processed in slices and causes one event", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const events = yield* listenTo({ url: server.url })
      const stream = yield* server.awaitStreamRequests(1)
      const { turns } = yield* countTurns(
        Effect.gen(function* () {
          stream.write("a\n".repeat(32_500))
          stream.write(line("{}"))
          yield* until(() => pushedIn(events).length === 1)
        })
      )
      expect(turns).toBeGreaterThan(32_500 / 256)
      expect(failedIn(events)).toHaveLength(1)
    })
  )

  it.scoped("that are documents causes loads of the last one and few others", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      let compiled = 0
      const counting = Layer.map(Engine.layerPortable, (context) => {
        const engine = Context.get(context, Engine.Engine)
        return Context.make(Engine.Engine, {
          ...engine,
          compile: (namespace: string, bytes: ReadonlyArray<Uint8Array>) =>
            Effect.suspend(() => {
              compiled++
              return engine.compile(namespace, bytes)
            })
        })
      })
      const client = yield* makeClient({ url: server.url }, { engine: counting })
      const stream = yield* server.awaitStreamRequests(1)
      const frames = Array.from({ length: 1203 }, (_, n) => line(JSON.stringify({ ...yes, digest: `${n}` })))
      stream.write(`${frames.join("")}${line(JSON.stringify(no))}`)
      yield* awaitOn(client, false)
      // a chunk of 64 KiB has about 400 of them, in two slices
      expect(compiled).toBeLessThan(40)
    })
  )
})

describe("a lock", () => {
  it.effect("is passed to the fiber that has waited longest", () =>
    Effect.gen(function* () {
      const { withLock } = yield* FairLock.make
      const order: Array<string> = []
      const enter = (name: string) => withLock(Effect.sync(() => order.push(name)))
      const gate = yield* Deferred.make<void>()
      const greedy = yield* Effect.fork(
        Effect.zipRight(withLock(Deferred.await(gate)), Effect.repeatN(enter("greedy"), 2))
      )
      yield* Effect.yieldNow()
      const first = yield* Effect.fork(enter("first"))
      yield* Effect.yieldNow()
      const second = yield* Effect.fork(enter("second"))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.joinAll([greedy, first, second])
      expect(order.slice(0, 2)).toEqual(["first", "second"])
    })
  )

  it.effect("is not lost if a fiber that waits for it or just acquired it is interrupted", () =>
    Effect.gen(function* () {
      const { withLock } = yield* FairLock.make
      for (const interruptsAfter of [false, true]) {
        const gate = yield* Deferred.make<void>()
        const holder = yield* Effect.fork(withLock(Deferred.await(gate)))
        yield* Effect.yieldNow()
        const waiter = yield* Effect.fork(withLock(Effect.never))
        yield* Effect.yieldNow()
        if (interruptsAfter) {
          yield* Deferred.succeed(gate, undefined)
          yield* Fiber.interrupt(waiter)
        } else {
          yield* Fiber.interrupt(waiter)
          yield* Deferred.succeed(gate, undefined)
        }
        yield* Fiber.join(holder)
        expect(yield* withLock(Effect.succeed("free"))).toBe("free")
      }
    })
  )

  it.effect("is free again after a failure", () =>
    Effect.gen(function* () {
      const { withLock } = yield* FairLock.make
      expect(Exit.isFailure(yield* Effect.exit(withLock(Effect.fail("no"))))).toBe(true)
      expect(yield* withLock(Effect.succeed("free"))).toBe("free")
    })
  )
})

describe("a namespace whose stream never stops sending documents", () => {
  for (const [name, engine] of engines) {
    it.scopedLive(`delays the start and refresh of another one by a few compilations (${name} engine)`, () =>
      Effect.gen(function* () {
        let sent = 0
        const encode = (document: object) => [new TextEncoder().encode(JSON.stringify(document))]
        const push = Effect.sync(() => {
          const document = { ...onDocument(true, "fast"), digest: `${++sent}` }
          return Fetcher.Event.Pushed({ bytes: encode(document), version: Option.none() })
        })
        const layer = FliptClients.layerWithoutDependencies({
          client: ({ namespace }) =>
            FliptClient.layerWithoutDependencies().pipe(
              Layer.provide(
                Layer.succeed(Fetcher.Fetcher, {
                  source: { ...source, namespace },
                  fetch: () =>
                    Effect.sync(() =>
                      Fetcher.Document({ bytes: encode(onDocument(true, namespace)), version: Option.none() })
                    ),
                  events: () => (namespace === "fast" ? Stream.repeatEffect(push) : Stream.never)
                })
              )
            )
        })
        const clients = Context.get(yield* Layer.build(Layer.provide(layer, engine)), FliptClients.FliptClients)
        yield* clients.get({ namespace: "fast" })
        yield* until(() => sent > 10)
        const before = sent
        const other = yield* clients.get({ namespace: "other" })
        yield* other.refetch
        expect(sent - before).toBeLessThan(40)
      })
    )
  }
})

describe("a refresh during a stream that never stops sending documents", () => {
  for (const [name, engine] of engines) {
    it.scopedLive(`takes a few compilations (${name} engine)`, () =>
      Effect.gen(function* () {
        let sent = 0
        const encode = (document: object) => [new TextEncoder().encode(JSON.stringify(document))]
        const push = Effect.sync(() =>
          Fetcher.Event.Pushed({ bytes: encode({ ...onDocument(true), digest: `${++sent}` }), version: Option.none() })
        )
        const client = yield* FliptClient.makeWithoutDependencies().pipe(
          Effect.provide(engine),
          Effect.provideService(Fetcher.Fetcher, {
            source,
            fetch: () =>
              Effect.sync(() => Fetcher.Document({ bytes: encode(onDocument(true)), version: Option.none() })),
            events: () => Stream.repeatEffect(push)
          })
        )
        yield* until(() => sent > 10)
        const before = sent
        yield* client.refresh
        expect(sent - before).toBeLessThan(20)
      })
    )
  }
})

describe("alternating good and bad frames", () => {
  for (const [what, bad] of [
    ["no document", "bad\n"],
    ["a document that does not load", line('{"flags":1}')]
  ] as const) {
    it.scoped(`cause few requests and one warning: ${what}`, () =>
      captured((lines) =>
        Effect.gen(function* () {
          const server = yield* scripted
          const client = yield* makeClient({ url: server.url, updateInterval: Number.POSITIVE_INFINITY })
          const stream = yield* server.awaitStreamRequests(1)
          const isStale = Effect.map(client.status, ({ _tag }) => _tag === "Stale")
          for (let round = 0; round < 60; round++) {
            stream.write(bad)
            // a request repairs the first one immediately, and good frames repair the later ones
            yield* round === 0 ? server.awaitSnapshotRequests(2) : until(isStale)
            const document = round % 2 === 0 ? no : yes
            yield* server.setDocument(document)
            stream.push(document)
            yield* awaitOn(client, document === yes)
            yield* TestClock.adjust(250)
          }
          yield* awhile
          // 15 seconds allow five repairs, each repeated up to three times if a push overtakes it
          expect(server.snapshots.length).toBeLessThanOrEqual(1 + 5 * 4)
          const loud = lines.filter(({ level }) => level !== "DEBUG").map(({ level }) => level)
          expect(loud).toEqual(["WARN", "INFO"])

          // a problem that recurs after a minute is a new one
          yield* TestClock.adjust("2 minutes")
          yield* awhile
          stream.write(bad)
          yield* until(() => lines.filter(({ level }) => level === "WARN").length === 2)
        })
      )
    )
  }

  it.scoped("leave no failed state unrepaired for longer than the repair interval", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const client = yield* makeClient({ url: server.url, updateInterval: Number.POSITIVE_INFINITY })
      const stream = yield* server.awaitStreamRequests(1)
      stream.write("bad\n")
      yield* server.awaitSnapshotRequests(2)
      stream.push(no)
      yield* awaitOn(client, false)
      yield* server.setDocument(yes)
      stream.write("bad\n")
      yield* awaitSleepOf(1000)
      yield* TestClock.adjust(1000)
      yield* awaitOn(client, true)
      expect(server.snapshots).toHaveLength(3)
    })
  )
})
