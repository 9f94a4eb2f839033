import * as Fs from "node:fs"
import * as Path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as TestClock from "effect/TestClock"
import * as Engine from "../../src/Engine.js"
import * as Fetcher from "../../src/Fetcher.js"
import * as FliptClient from "../../src/FliptClient.js"
import type { FetchError } from "../../src/FliptError.js"
import * as SnapshotStore from "../../src/SnapshotStore.js"
import type * as Status from "../../src/Status.js"
import { onDocument } from "../support/documents.js"
import { engines } from "../support/engines.js"
import * as FliptServer from "../support/FliptServer.js"
import * as Folder from "../support/Folder.js"
import { captured, type Line } from "../support/logs.js"
import { until } from "../support/wait.js"

const on = { flagKey: "on", entityId: "user-1" } as const

const isOn = (client: FliptClient.Service) =>
  Effect.either(Effect.map(client.evaluateBoolean(on), (result) => result.enabled))

/** All warnings except the one about a missing native engine. */
const warnings = (lines: ReadonlyArray<Line>) =>
  lines.filter(({ level, message }) => level === "WARN" && !message.startsWith("Flipt: using the portable engine"))

/** A client over real sockets that does not retry, with a store. */
const connect = (options: FliptClient.Options, store: SnapshotStore.Service) =>
  FliptClient.make({ errorStrategy: "fallback", ...options }).pipe(
    Effect.provideService(Fetcher.RetryPolicy, Schedule.stop),
    Effect.provideService(SnapshotStore.SnapshotStore, store)
  )

const inFolder = (folder: string) =>
  Effect.map(Layer.build(SnapshotStore.layerFileSystem(folder)), Context.get(SnapshotStore.SnapshotStore))

/** An address without a server. */
const away = "http://127.0.0.1:1"

const target = { environment: "default", namespace: "default" }

const entryOf = (enabled: boolean, version: string): SnapshotStore.Entry => ({
  bytes: [new TextEncoder().encode(JSON.stringify(onDocument(enabled)))],
  version: Option.some(version),
  storedAt: DateTime.unsafeMake(0)
})

const enabledIn = (entry: SnapshotStore.Entry): boolean =>
  JSON.parse(Buffer.concat([...entry.bytes]).toString()).flags[0].enabled

/** A store that records the saved entries. */
const recording = (stored: Option.Option<SnapshotStore.Entry> = Option.none()) => {
  const saved: Array<SnapshotStore.Entry> = []
  const store: SnapshotStore.Service = {
    load: () => Effect.succeed(stored),
    save: (_, entry) => Effect.sync(() => void saved.push(entry))
  }
  return { store, saved }
}

/** A client whose documents come from an effect. */
const over = (fetch: Effect.Effect<string, FetchError>, store: SnapshotStore.Service) =>
  FliptClient.makeWithoutDependencies({ errorStrategy: "fallback" }).pipe(
    Effect.provide(
      Layer.merge(
        Engine.layerPortable,
        Fetcher.layerEffect({ fetch: () => fetch, updateInterval: Number.POSITIVE_INFINITY })
      )
    ),
    Effect.provideService(Fetcher.RetryPolicy, Schedule.stop),
    Effect.provideService(SnapshotStore.SnapshotStore, store)
  )

describe("a client with a store", () => {
  it.scopedLive(
    "starts from it while its server is unreachable, and switches to the server as soon as it answers",
    () =>
      Effect.gen(function* () {
        const store = yield* inFolder(yield* Folder.make)
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        yield* Effect.scoped(connect({ url: server.url }, store))
        yield* server.stop

        const client = yield* connect({ url: server.url }, store)
        expect(yield* isOn(client)).toEqual(Either.right(true))
        const stale = yield* client.status
        expect(stale).toMatchObject({ _tag: "Stale", origin: "store" })
        // the time when it was stored, not when this client started
        const { since } = stale as Extract<Status.Status, { _tag: "Stale" }>
        expect(stale.confirmedAt?.epochMillis).toBeLessThan(since.epochMillis)
        expect(stale.version).toMatch(/^[0-9a-f]{40}$/)

        yield* server.setDocument(onDocument(false))
        yield* server.start
        expect(yield* client.refresh).toBe(true)
        expect(yield* isOn(client)).toEqual(Either.right(false))
        expect(yield* client.status).toMatchObject({ _tag: "Ready", origin: "server" })
      })
  )

  it.scopedLive("requests the whole state from its server first, and does not load the stored state again", () =>
    Effect.gen(function* () {
      const store = yield* inFolder(yield* Folder.make)
      // v1 documents have no digest
      const server = yield* FliptServer.make({ version: "v1", documents: { default: onDocument(true) } })
      yield* Effect.scoped(connect({ url: server.url }, store))
      const client = yield* connect({ url: server.url }, store)
      expect(yield* isOn(client)).toEqual(Either.right(true))
      const status = yield* client.status
      expect(status).toMatchObject({ _tag: "Ready", origin: "store" })
      expect(status.confirmedAt).toBeDefined()
      yield* client.refresh
      expect((yield* server.requests).map(({ headers }) => headers["if-none-match"])).toEqual([
        undefined,
        undefined,
        status.version
      ])
    })
  )

  it.scopedLive("prefers it to the option snapshot, which it uses if nothing is stored", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(false) } })
      const seed = yield* Effect.scoped(
        Effect.flatMap(connect({ url: server.url }, recording().store), (client) => client.getSnapshot)
      )
      const stored = yield* connect({ url: away, snapshot: seed }, recording(Option.some(entryOf(true, "v1"))).store)
      expect(yield* isOn(stored)).toEqual(Either.right(true))
      expect((yield* stored.status).origin).toBe("store")
      const seeded = yield* connect({ url: away, snapshot: seed }, recording().store)
      expect(yield* isOn(seeded)).toEqual(Either.right(false))
      expect((yield* seeded.status).origin).toBe("seed")
    })
  )

  it.scopedLive("does not start from it under the strategy fail", () =>
    Effect.gen(function* () {
      let loads = 0
      const load = () =>
        Effect.sync(() => {
          loads++
          return Option.some(entryOf(true, "v1"))
        })
      const exit = yield* Effect.exit(connect({ url: away, errorStrategy: "fail" }, { ...recording().store, load }))
      expect(Exit.isFailure(exit)).toBe(true)
      expect(loads).toBe(0)
    })
  )

  it.scoped("stores every loaded state with its version, and nothing else", () =>
    Effect.gen(function* () {
      let next: Effect.Effect<string, FetchError> = Effect.succeed(JSON.stringify(onDocument(true)))
      const { saved, store } = recording()
      const client = yield* over(
        Effect.suspend(() => next),
        store
      )
      const refreshWith = (text: string) => {
        next = Effect.succeed(text)
        return Effect.zipRight(Effect.ignore(client.refresh), Effect.repeatN(Effect.yieldNow(), 10))
      }
      yield* refreshWith(JSON.stringify(onDocument(true)))
      expect(saved.map(enabledIn)).toEqual([true])
      yield* refreshWith(JSON.stringify(onDocument(false)))
      yield* refreshWith("no document")
      expect(saved.map(enabledIn)).toEqual([true, false])
      expect(Option.getOrThrow((saved[1] as SnapshotStore.Entry).version)).toBe((yield* client.status).version)
    })
  )

  it.scoped("stores the digest of a document without a version", () =>
    Effect.gen(function* () {
      const { saved, store } = recording()
      const bytes = [new TextEncoder().encode(JSON.stringify({ ...onDocument(true), digest: "d1" }))]
      yield* FliptClient.makeWithoutDependencies().pipe(
        Effect.provide(Engine.layerPortable),
        Effect.provideService(Fetcher.Fetcher, {
          source: { kind: "own", ...target },
          fetch: () => Effect.succeed(Fetcher.Document({ bytes, version: Option.none() })),
          events: () => Stream.never
        }),
        Effect.provideService(SnapshotStore.SnapshotStore, store)
      )
      yield* Effect.repeatN(Effect.yieldNow(), 10)
      expect(saved.map(({ version }) => version)).toEqual([Option.some("d1")])
    })
  )

  it.scoped("does not wait for the store, and stores the last state that arrived meanwhile", () =>
    Effect.gen(function* () {
      let count = 0
      const gate = yield* Deferred.make<void>()
      const { saved, store } = recording()
      const fibers = yield* Supervisor.track
      const client = yield* over(
        Effect.sync(() => JSON.stringify({ ...onDocument(count % 2 === 0), count: count++ })),
        { ...store, save: (target, entry) => Effect.zipRight(Deferred.await(gate), store.save(target, entry)) }
      ).pipe(Effect.supervised(fibers))
      for (let i = 0; i < 100; i++) {
        expect(yield* Effect.supervised(client.refresh, fibers)).toBe(true)
      }
      expect(saved.length).toBe(0)
      expect((yield* fibers.value).length).toBeLessThan(10)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.repeatN(Effect.yieldNow(), 10)
      const counts = saved.map((entry) => JSON.parse(Buffer.concat([...entry.bytes]).toString()).count)
      expect(counts).toEqual([0, 100])
    })
  )

  it.scoped("has its last state stored when it closes", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { saved, store } = recording()
      const scope = yield* Scope.make()
      yield* over(Effect.succeed(JSON.stringify(onDocument(true))), {
        ...store,
        save: (target, entry) => Effect.zipRight(Deferred.await(gate), store.save(target, entry))
      }).pipe(Scope.extend(scope))
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Effect.repeatN(Effect.yieldNow(), 10)
      expect(closing.unsafePoll()).toBeNull()
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      expect(saved.length).toBe(1)
    })
  )

  it.scoped("waits five seconds for the last save, then warns", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        let interrupted = false
        yield* over(Effect.succeed(JSON.stringify(onDocument(true))), {
          load: () => Effect.succeedNone,
          save: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
        }).pipe(Scope.extend(scope))
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("4999 millis")
        expect(closing.unsafePoll()).toBeNull()
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(closing)
        expect(interrupted).toBe(true)
        expect(warnings(lines).map(({ message }) => message)).toEqual(["Flipt: the last state was not saved within 5s"])
      })
    )
  )

  it.scoped("starts after ten seconds with a warning if the store hangs", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const making = yield* Effect.fork(
          over(Effect.succeed(JSON.stringify(onDocument(true))), {
            ...recording().store,
            load: () => Effect.uninterruptible(Effect.never)
          })
        )
        yield* TestClock.adjust("9999 millis")
        expect(making.unsafePoll()).toBeNull()
        yield* TestClock.adjust("1 millis")
        const client = yield* Fiber.join(making)
        expect(yield* isOn(client)).toEqual(Either.right(true))
        expect(warnings(lines).map(({ message }) => message)).toEqual([
          "Flipt: ignoring the store: it did not respond within 10s"
        ])
      })
    )
  )

  it.scoped("continues if the store dies", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const client = yield* over(Effect.succeed(JSON.stringify(onDocument(true))), {
          load: () => Effect.dieMessage("load died"),
          save: () => Effect.dieMessage("save died")
        })
        yield* Effect.repeatN(Effect.yieldNow(), 10)
        expect(yield* isOn(client)).toEqual(Either.right(true))
        expect(warnings(lines).map(({ message }) => message)).toEqual([
          expect.stringContaining("load died"),
          expect.stringContaining("save died")
        ])
      })
    )
  )
})

describe("chaos", () => {
  it.scopedLive("a store that cannot write", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const store = yield* inFolder(folder)
        Fs.rmSync(folder, { recursive: true })
        Fs.writeFileSync(folder, "a file where the folder was")
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        const client = yield* connect({ url: server.url }, store)
        // one for the load at the start, and one for each save
        yield* until(() => warnings(lines).length >= 2)
        yield* server.setDocument(onDocument(false))
        expect(yield* client.refresh).toBe(true)
        expect(yield* isOn(client)).toEqual(Either.right(false))
        expect((yield* client.status)._tag).toBe("Ready")
        yield* until(() => warnings(lines).length >= 3)
        const which = 'Flipt: the stored snapshot of the namespace "default" in the environment "default"'
        expect(warnings(lines).map(({ message }) => message)).toEqual([
          expect.stringMatching(`^${which} is ignored: `),
          expect.stringMatching(`^${which} could not be saved: `),
          expect.stringMatching(`^${which} could not be saved: `)
        ])
      })
    )
  )

  for (const [name, engine] of engines) {
    it.scopedLive(`a store with garbage (${name})`, () =>
      captured((lines) =>
        Effect.gen(function* () {
          const folder = yield* Folder.make
          const store = yield* inFolder(folder)
          const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
          yield* Effect.scoped(connect({ url: server.url }, store))
          const [file] = Fs.readdirSync(folder) as [string]
          const whole = Fs.readFileSync(Path.join(folder, file))
          const contents = [
            Buffer.alloc(0),
            Buffer.from("<html></html>"),
            whole.subarray(0, whole.length - 1),
            Buffer.concat([whole, Buffer.from("}")]),
            Buffer.alloc(100_000, 0xff)
          ]
          for (const content of contents) {
            Fs.writeFileSync(Path.join(folder, file), content)
            const before = warnings(lines).length
            const client = yield* connect({ url: away }, store)
            expect(yield* isOn(client)).toMatchObject(Either.left({ reason: "NotReady" }))
            // one for the store, and one for the outage
            expect(warnings(lines).length - before).toBe(2)
          }
          // a valid entry with an invalid document
          yield* store.save(target, { ...entryOf(true, "v1"), bytes: [Buffer.from('{"flags":1}')] })
          const parts = Layer.merge(engine, Fetcher.layerStatic(JSON.stringify(onDocument(false))))
          const client = yield* FliptClient.makeWithoutDependencies({ errorStrategy: "fallback" }).pipe(
            Effect.provide(parts),
            Effect.provideService(SnapshotStore.SnapshotStore, store)
          )
          expect(yield* isOn(client)).toEqual(Either.right(false))
          expect(warnings(lines).at(-1)?.message).toContain("ignoring the stored state")
          yield* until(() => Fs.readFileSync(Path.join(folder, file)).includes("enabled"))
        })
      )
    )
  }

  it.scopedLive("two writers", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        const client = Effect.flatMap(inFolder(folder), (store) => connect({ url: server.url }, store))
        const clients = yield* Effect.all([client, client])
        // a client saves in the background, first to a temporary file
        yield* until(() => Fs.readdirSync(folder).some((name) => !name.endsWith(".tmp")))
        for (let i = 1; i <= 20; i++) {
          yield* server.setDocument({ ...onDocument(i % 2 === 0), digest: i.toString(16).padStart(40, "0") })
          yield* Effect.forEach(clients, (it) => it.refresh, { concurrency: 2 })
          const read = yield* Effect.flatMap(inFolder(folder), (store) => store.load(target))
          expect(Option.isSome(read)).toBe(true)
        }
        yield* until(() => Fs.readdirSync(folder).length === 1)
        yield* server.stop
        const [late] = yield* Effect.all([client])
        expect((yield* late.status).origin).toBe("store")
        expect(warnings(lines).filter(({ message }) => message.includes("store"))).toEqual([])
      })
    )
  )
})
