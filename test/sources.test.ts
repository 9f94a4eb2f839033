import * as Fs from "node:fs"
import * as Path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import { FetchError, ValidationError } from "../src/FliptError.js"
import { onDocument } from "./support/documents.js"
import * as Folder from "./support/Folder.js"
import { idle } from "./support/listeners.js"
import { errorOf, textOf, versionOf } from "./support/updates.js"
import { awaitSleep, turn, until } from "./support/wait.js"

const build = <E, R>(layer: Layer.Layer<Fetcher.Fetcher, E, R>) =>
  Effect.map(Layer.build(layer), Context.get(Fetcher.Fetcher))

const on = JSON.stringify(onDocument(true))
const off = JSON.stringify(onDocument(false))

const refused = <R>(layer: Layer.Layer<Fetcher.Fetcher, ValidationError, R>) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
    expect(error).toBeInstanceOf(ValidationError)
    expect(error.message).toContain(error.path)
    return error
  })

const wrongTargets: ReadonlyArray<readonly [path: string, options: unknown]> = [
  ["namespace", { namespace: "" }],
  ["namespace", { namespace: ".." }],
  ["namespace", { namespace: null }],
  ["environment", { environment: " " }],
  ["environment", { environment: "a b" }],
  ["url", { url: "http://host" }],
  ["options", "default"],
  ["options", []]
]

describe("layerFile", () => {
  /** Listens to a Fetcher. Returns its events once the file watch is open. */
  const listen = (fetcher: Fetcher.Service) =>
    Effect.gen(function* () {
      const events = yield* Queue.unbounded<Fetcher.Event>()
      yield* Folder.awaitWatches(0)
      yield* fetcher.events(idle).pipe(
        Stream.runForEach((event) => Queue.offer(events, event)),
        Effect.forkScoped
      )
      yield* Folder.awaitWatches(1)
      return events
    })

  /** Fetches after each event, like a client, until the document has changed. */
  const next = (
    fetcher: Fetcher.Service,
    events: Queue.Dequeue<Fetcher.Event>,
    loaded: Option.Option<Fetcher.Version>
  ): Effect.Effect<Fetcher.Update, FetchError> =>
    Effect.gen(function* () {
      expect((yield* Queue.take(events))._tag).toBe("Check")
      const update = yield* fetcher.fetch(loaded)
      return update._tag === "NotModified" ? yield* next(fetcher, events, loaded) : update
    })

  it.scopedLive("reads the file, and returns NotModified for the same content", () =>
    Effect.gen(function* () {
      const file = Path.join(yield* Folder.make, "state.json")
      Fs.writeFileSync(file, on)
      const fetcher = yield* build(Fetcher.layerFile(file, { namespace: "shop", environment: "staging" }))
      expect(fetcher.source).toEqual({ kind: "file", namespace: "shop", environment: "staging" })
      const first = yield* fetcher.fetch(Option.none())
      expect(textOf(first)).toBe(on)
      expect(yield* fetcher.fetch(versionOf(first))).toEqual(Fetcher.NotModified())
      Fs.utimesSync(file, 0, 0)
      Folder.replace(file, on)
      expect(yield* fetcher.fetch(versionOf(first))).toEqual(Fetcher.NotModified())
      Fs.writeFileSync(file, off)
      const second = yield* fetcher.fetch(versionOf(first))
      expect(textOf(second)).toBe(off)
      expect(versionOf(second)).not.toEqual(versionOf(first))
    })
  )

  const changes: { readonly [change: string]: (file: string, content: string) => void } = {
    "written again": (file, content) => Fs.writeFileSync(file, content),
    replaced: Folder.replace,
    "removed and created again": (file, content) => {
      Fs.rmSync(file)
      Fs.writeFileSync(file, content)
    },
    "appended to": (file) => Fs.appendFileSync(file, " ")
  }

  for (const [change, apply] of Object.entries(changes)) {
    it.scopedLive(`reports a file that is ${change}, each time`, () =>
      Effect.gen(function* () {
        const file = Path.join(yield* Folder.make, "state.json")
        Fs.writeFileSync(file, on)
        const fetcher = yield* build(Fetcher.layerFile(file))
        let loaded = versionOf(yield* fetcher.fetch(Option.none()))
        const events = yield* listen(fetcher)
        for (const content of [off, on, off]) {
          apply(file, content)
          const update = yield* next(fetcher, events, loaded)
          expect(textOf(update)).toBe(Fs.readFileSync(file, "utf8"))
          loaded = versionOf(update)
        }
      })
    )
  }

  it.scopedLive("reports a file mounted by Kubernetes each time its content changes", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      Folder.mount(folder, "state.json", on)
      const fetcher = yield* build(Fetcher.layerFile(Path.join(folder, "state.json")))
      const first = yield* fetcher.fetch(Option.none())
      expect(textOf(first)).toBe(on)
      let loaded = versionOf(first)
      const events = yield* listen(fetcher)
      for (const content of [off, on, off]) {
        Folder.mount(folder, "state.json", content)
        const update = yield* next(fetcher, events, loaded)
        expect(textOf(update)).toBe(content)
        loaded = versionOf(update)
      }
    })
  )

  it.scopedLive("fails if there is no file, and reports when it appears", () =>
    Effect.gen(function* () {
      const file = Path.join(yield* Folder.make, "state.json")
      const fetcher = yield* build(Fetcher.layerFile(file))
      const error = yield* errorOf(fetcher.fetch(Option.none()))
      expect(error).toBeInstanceOf(FetchError)
      expect(error).toMatchObject({ reason: "Source", cause: { code: "ENOENT" } })
      expect(error.message).toContain(file)
      const events = yield* listen(fetcher)
      Folder.replace(file, on)
      const taken = Effect.zipRight(Queue.take(events), Effect.option(fetcher.fetch(Option.none())))
      const update = yield* Effect.repeat(taken, { until: Option.isSome })
      expect(Option.map(update, textOf)).toEqual(Option.some(on))
    })
  )

  it.scopedLive("fails if the file is a folder", () =>
    Effect.gen(function* () {
      const fetcher = yield* build(Fetcher.layerFile(yield* Folder.make))
      expect(yield* errorOf(fetcher.fetch(Option.none()))).toMatchObject({
        reason: "Source",
        cause: { code: "EISDIR" }
      })
    })
  )

  /** Watches a folder, so that a test can wait until the Fetcher has probably seen a change too. */
  const witness = (folder: string) =>
    Effect.gen(function* () {
      const names: Array<string> = []
      yield* Effect.acquireRelease(
        Effect.sync(() => Fs.watch(folder, (_, name) => void names.push(String(name)))),
        (watcher) => Effect.sync(() => watcher.close())
      )
      return (name: string, count: number) =>
        Effect.zipRight(
          until(() => names.filter((it) => it === name).length >= count),
          turn
        )
    })

  it.scoped("reports a file that is written in several steps once, and ignores other files", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      const file = Path.join(folder, "state.json")
      const fetcher = yield* build(Fetcher.layerFile(file))
      const events = yield* listen(fetcher)
      const seen = yield* witness(folder)
      yield* TestClock.adjust("1 minute")
      yield* Queue.takeAll(events)

      Fs.writeFileSync(Path.join(folder, "state.json.tmp"), on)
      Fs.writeFileSync(Path.join(folder, ".state.json"), on)
      yield* seen(".state.json", 1)
      yield* TestClock.adjust("1 minute")
      expect(yield* Queue.size(events)).toBe(0)

      for (const [step, part] of [on.slice(0, 9), on.slice(9, 20), on.slice(20)].entries()) {
        Fs.appendFileSync(file, part)
        yield* seen("state.json", step + 1)
        yield* TestClock.adjust(10)
      }
      expect(yield* Queue.size(events)).toBe(0)
      yield* TestClock.adjust("1 minute")
      expect(Chunk.toReadonlyArray(yield* Queue.takeAll(events))).toEqual([Fetcher.Event.Check()])
      expect(textOf(yield* fetcher.fetch(Option.none()))).toBe(on)
    })
  )

  it.scoped("reads the file if there is no folder to watch, and tries to watch again later", () =>
    Effect.gen(function* () {
      const folder = Path.join(yield* Folder.make, "later")
      const file = Path.join(folder, "state.json")
      const fetcher = yield* build(Fetcher.layerFile(file))
      const events = yield* Queue.unbounded<Fetcher.Event>()
      yield* fetcher.events(idle).pipe(
        Stream.runForEach((event) => Queue.offer(events, event)),
        Effect.forkScoped
      )
      expect(yield* Queue.take(events)).toEqual(Fetcher.Event.Check())
      const error = yield* errorOf(fetcher.fetch(Option.none()))
      expect(error).toMatchObject({ _tag: "FetchError", reason: "Source" })
      expect(error.message).toContain(file)

      yield* Folder.awaitWatches(0)
      Fs.mkdirSync(folder)
      Fs.writeFileSync(file, on)
      const { millis, wake } = yield* awaitSleep
      expect(millis).toBeLessThanOrEqual(60_000)
      yield* wake
      yield* Folder.awaitWatches(1)
      yield* TestClock.adjust("1 second")
      expect(textOf(yield* next(fetcher, events, Option.none()))).toBe(on)
    })
  )

  it.scoped("reports a file whose folder was removed and recreated", () =>
    Effect.gen(function* () {
      const folder = Path.join(yield* Folder.make, "flags")
      const file = Path.join(folder, "state.json")
      Fs.mkdirSync(folder)
      Fs.writeFileSync(file, on)
      const fetcher = yield* build(Fetcher.layerFile(file))
      const first = yield* fetcher.fetch(Option.none())
      const events = yield* listen(fetcher)
      const seen = yield* witness(folder)
      Fs.rmSync(folder, { recursive: true })
      yield* seen("flags", 1)
      yield* TestClock.adjust("1 second")
      yield* Queue.takeAll(events)
      Fs.mkdirSync(folder)
      Fs.writeFileSync(file, off)
      let loaded = versionOf(first)
      for (let second = 0; second < 120 && Option.contains(loaded, Option.getOrThrow(versionOf(first))); second++) {
        yield* TestClock.adjust("1 second")
        if (Chunk.some(yield* Queue.takeAll(events), (event) => event._tag === "Check")) {
          loaded = versionOf(yield* Effect.orElseSucceed(fetcher.fetch(loaded), Fetcher.NotModified))
        }
      }
      expect(loaded).toEqual(versionOf(yield* fetcher.fetch(Option.none())))
    })
  )

  it.scopedLive("reports a change between the first fetch and the watch", () =>
    Effect.gen(function* () {
      const file = Path.join(yield* Folder.make, "state.json")
      Fs.writeFileSync(file, on)
      const fetcher = yield* build(Fetcher.layerFile(file))
      const first = yield* fetcher.fetch(Option.none())
      Fs.writeFileSync(file, off)
      const events = yield* listen(fetcher)
      expect(textOf(yield* next(fetcher, events, versionOf(first)))).toBe(off)
    })
  )

  it.live("closes its watch with the listener's scope", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const file = Path.join(yield* Folder.make, "state.json")
          yield* listen(yield* build(Fetcher.layerFile(file)))
        })
      )
      yield* Folder.awaitWatches(0)
    })
  )

  it.effect("rejects an invalid path and invalid options", () =>
    Effect.gen(function* () {
      for (const path of ["", " ", "a\0b", null, undefined, 5, {}]) {
        const error = yield* refused(Fetcher.layerFile(path as string))
        expect(error).toMatchObject({ reason: "Argument", path: "path" })
      }
      for (const [path, options] of wrongTargets) {
        expect(yield* refused(Fetcher.layerFile("state.json", options as {}))).toMatchObject({ reason: "Option", path })
      }
    })
  )
})

describe("layerStatic", () => {
  it.scoped("returns its document, text or bytes, and then NotModified", () =>
    Effect.gen(function* () {
      for (const document of [on, Buffer.from(on), new TextEncoder().encode(on)]) {
        const fetcher = yield* build(Fetcher.layerStatic(document, { namespace: "shop" }))
        expect(fetcher.source).toEqual({ kind: "static", namespace: "shop", environment: "default" })
        const update = yield* fetcher.fetch(Option.none())
        expect(textOf(update)).toBe(on)
        expect(yield* fetcher.fetch(versionOf(update))).toEqual(Fetcher.NotModified())
        expect(textOf(yield* fetcher.fetch(Option.some("another")))).toBe(on)
      }
    })
  )

  it.scoped("has the same version for the same content, and different versions for different content", () =>
    Effect.gen(function* () {
      const versions = []
      for (const document of [on, Buffer.from(on), off, ""]) {
        const fetcher = yield* build(Fetcher.layerStatic(document))
        versions.push(Option.getOrThrow(versionOf(yield* fetcher.fetch(Option.none()))))
      }
      expect(versions[0]).toBe(versions[1])
      expect(new Set(versions).size).toBe(3)
    })
  )

  it.scoped("has an empty document by default, which engines accept", () =>
    Effect.gen(function* () {
      const fetcher = yield* build(Fetcher.layerStatic(undefined, { namespace: 'the "shop"' }))
      const update = yield* fetcher.fetch(Option.none())
      expect(JSON.parse(textOf(update))).toEqual({ namespace: { key: 'the "shop"' }, flags: [] })
      const engine = yield* Engine.Engine
      const snapshot = yield* engine.compile('the "shop"', update._tag === "Document" ? update.bytes : [])
      expect(yield* snapshot.flags).toEqual([])
    }).pipe(Effect.provide(Engine.layer))
  )

  it.scoped("emits no events", () =>
    Effect.gen(function* () {
      const fetcher = yield* build(Fetcher.layerStatic(on))
      const events = yield* Effect.fork(Stream.runCollect(fetcher.events(idle)))
      yield* TestClock.adjust("3650 days")
      expect(events.unsafePoll()).toBeNull()
      yield* Fiber.interrupt(events)
    })
  )

  it.effect("rejects invalid options", () =>
    Effect.gen(function* () {
      for (const [path, options] of wrongTargets) {
        expect(yield* refused(Fetcher.layerStatic(on, options as {}))).toMatchObject({ reason: "Option", path })
      }
    })
  )
})

describe("layerEffect", () => {
  const retries = Effect.provideService(Fetcher.RetryPolicy, Schedule.recurs(3))

  it.scoped("accepts strings and bytes, and returns NotModified for equal content", () =>
    Effect.gen(function* () {
      let document: string | Uint8Array = on
      const fetcher = yield* build(Fetcher.layerEffect({ fetch: () => Effect.sync(() => document), namespace: "shop" }))
      expect(fetcher.source).toEqual({ kind: "effect", namespace: "shop", environment: "default" })
      const first = yield* fetcher.fetch(Option.none())
      expect(textOf(first)).toBe(on)
      expect(yield* fetcher.fetch(versionOf(first))).toEqual(Fetcher.NotModified())
      document = Buffer.from(on)
      expect(yield* fetcher.fetch(versionOf(first))).toEqual(Fetcher.NotModified())
      document = off
      const second = yield* fetcher.fetch(versionOf(first))
      expect(textOf(second)).toBe(off)
      expect(versionOf(second)).not.toEqual(versionOf(first))
    })
  )

  it.scoped("passes the loaded version, and returns an Update unchanged", () =>
    Effect.gen(function* () {
      const seen: Array<Option.Option<string>> = []
      const document = Fetcher.Document({ bytes: [Buffer.from(on)], version: Option.some("v7") })
      const fetcher = yield* build(
        Fetcher.layerEffect({
          fetch: (loaded) => {
            seen.push(loaded)
            return Effect.succeed(Option.isSome(loaded) ? Fetcher.NotModified() : document)
          }
        })
      )
      expect(yield* fetcher.fetch(Option.none())).toEqual(document)
      expect(yield* fetcher.fetch(Option.some("v7"))).toEqual(Fetcher.NotModified())
      expect(seen).toEqual([Option.none(), Option.some("v7")])
    })
  )

  it.scoped("compares a Document without a version by its bytes, in any chunks", () =>
    Effect.gen(function* () {
      const pieces = [[on], [on.slice(0, 7), on.slice(7)]]
      const fetcher = yield* build(
        Fetcher.layerEffect({
          fetch: () =>
            Effect.sync(() => {
              const bytes = (pieces.shift() ?? [off]).map((piece) => Buffer.from(piece))
              return Fetcher.Document({ bytes, version: Option.none() })
            })
        })
      )
      const first = yield* fetcher.fetch(Option.none())
      expect(textOf(first)).toBe(on)
      expect(yield* fetcher.fetch(versionOf(first))).toEqual(Fetcher.NotModified())
      expect(textOf(yield* fetcher.fetch(versionOf(first)))).toBe(off)
    })
  )

  it.scoped("retries any failure of the effect, and then fails with reason Source", () =>
    Effect.gen(function* () {
      class NoBucket extends Error {
        readonly _tag = "NoBucket"
      }
      const failures = [new NoBucket("there is no bucket"), "there is no bucket", 404, undefined, { status: 404 }]
      for (const failure of failures) {
        let runs = 0
        const fetch = () =>
          Effect.zipRight(
            Effect.sync(() => runs++),
            Effect.fail(failure)
          )
        const fetcher = yield* retries(build(Fetcher.layerEffect({ fetch })))
        const error = yield* errorOf(fetcher.fetch(Option.none()))
        expect(error).toBeInstanceOf(FetchError)
        expect(error).toMatchObject({ reason: "Source", retryable: true })
        expect(error.cause).toBe(failure)
        expect(error.message).toContain("the effect fetch failed")
        expect(runs).toBe(4)
      }
      const fetcher = yield* build(Fetcher.layerEffect({ fetch: () => Effect.fail(failures[0]) })).pipe(
        Effect.provideService(Fetcher.RetryPolicy, Schedule.stop)
      )
      expect((yield* errorOf(fetcher.fetch(Option.none()))).message).toContain("there is no bucket")
    })
  )

  it.scoped("continues with the result of a retry, after the delays of the default policy", () =>
    Effect.gen(function* () {
      let runs = 0
      const fetch = () => Effect.suspend(() => (++runs < 3 ? Effect.fail("not yet") : Effect.succeed(on)))
      const fetcher = yield* build(Fetcher.layerEffect({ fetch }))
      const fetching = yield* Effect.fork(fetcher.fetch(Option.none()))
      yield* TestClock.adjust(799)
      expect(runs).toBe(1)
      yield* TestClock.adjust(401)
      expect(runs).toBe(2)
      yield* TestClock.adjust(2400)
      expect(textOf(yield* Fiber.join(fetching))).toBe(on)
    })
  )

  it.scoped("passes a FetchError through, and retries it if it is retryable", () =>
    Effect.gen(function* () {
      for (const retryable of [true, false]) {
        let runs = 0
        const failure = new FetchError({ reason: "Forbidden", status: 403, retryable, message: "no" })
        const fetch = () =>
          Effect.zipRight(
            Effect.sync(() => runs++),
            Effect.fail(failure)
          )
        const fetcher = yield* retries(build(Fetcher.layerEffect({ fetch })))
        expect(yield* errorOf(fetcher.fetch(Option.none()))).toBe(failure)
        expect(runs).toBe(retryable ? 4 : 1)
      }
    })
  )

  it.scoped("waits as long as a FetchError requests", () =>
    Effect.gen(function* () {
      let runs = 0
      const busy = new FetchError({
        reason: "Source",
        retryable: true,
        message: "busy",
        retryAfter: Duration.seconds(20)
      })
      const fetch = () => Effect.suspend(() => (++runs === 1 ? Effect.fail(busy) : Effect.succeed(on)))
      const fetcher = yield* build(Fetcher.layerEffect({ fetch }))
      const fetching = yield* Effect.fork(fetcher.fetch(Option.none()))
      yield* TestClock.adjust(19_999)
      expect(runs).toBe(1)
      yield* TestClock.adjust(1)
      expect(textOf(yield* Fiber.join(fetching))).toBe(on)
    })
  )

  it.scoped("uses the services with which it was built", () =>
    Effect.gen(function* () {
      class Bucket extends Context.Tag("test/Bucket")<Bucket, { readonly content: string }>() {}
      const layer: Layer.Layer<Fetcher.Fetcher, ValidationError, Bucket> = Fetcher.layerEffect({
        fetch: () => Effect.map(Bucket, (bucket) => bucket.content)
      })
      const fetcher = yield* build(Layer.provide(layer, Layer.succeed(Bucket, { content: on })))
      expect(textOf(yield* fetcher.fetch(Option.none()))).toBe(on)
      const elsewhere = Effect.provideService(fetcher.fetch(Option.none()), Bucket, { content: off })
      expect(textOf(yield* elsewhere)).toBe(on)
    })
  )

  it.scoped("passes defects and interruptions through without a retry", () =>
    Effect.gen(function* () {
      let runs = 0
      const count = Effect.sync(() => runs++)
      const bug = new Error("a bug")
      const dying = yield* retries(build(Fetcher.layerEffect({ fetch: () => Effect.zipRight(count, Effect.die(bug)) })))
      const died = yield* Effect.exit(dying.fetch(Option.none()))
      expect(Exit.isFailure(died) && Cause.dieOption(died.cause)).toEqual(Option.some(bug))
      const throwing = yield* retries(
        build(
          Fetcher.layerEffect({
            fetch: (): Effect.Effect<string> => {
              runs++
              throw bug
            }
          })
        )
      )
      const threw = yield* Effect.exit(throwing.fetch(Option.none()))
      expect(Exit.isFailure(threw) && Cause.dieOption(threw.cause)).toEqual(Option.some(bug))
      const stopping = yield* retries(
        build(Fetcher.layerEffect({ fetch: () => Effect.zipRight(count, Effect.interrupt) }))
      )
      expect(Exit.isInterrupted(yield* Effect.exit(stopping.fetch(Option.none())))).toBe(true)
      expect(runs).toBe(3)
    })
  )

  it.scoped("runs again at every updateInterval, and never if it is infinite", () =>
    Effect.gen(function* () {
      const checksIn = (updateInterval: Duration.DurationInput | undefined, time: Duration.DurationInput) =>
        Effect.gen(function* () {
          let checks = 0
          const fetcher = yield* build(Fetcher.layerEffect({ fetch: () => Effect.succeed(on), updateInterval }))
          const listening = yield* fetcher.events(idle).pipe(
            Stream.runForEach((event) => Effect.sync(() => (checks += event._tag === "Check" ? 1 : 1000))),
            Effect.fork
          )
          yield* TestClock.adjust(time)
          yield* Fiber.interrupt(listening)
          return checks
        })
      // the first within one interval, and each later one up to a tenth earlier or later
      const every10 = yield* checksIn("10 seconds", "100 seconds")
      expect(every10).toBeGreaterThanOrEqual(9)
      expect(every10).toBeLessThanOrEqual(12)
      const usual = yield* checksIn(undefined, "20 minutes")
      expect(usual).toBeGreaterThanOrEqual(9)
      expect(usual).toBeLessThanOrEqual(12)
      expect(yield* checksIn(Duration.infinity, "36500 days")).toBe(0)
    })
  )

  it.effect("rejects invalid options", () =>
    Effect.gen(function* () {
      const fetch = () => Effect.succeed(on)
      for (const [path, options] of wrongTargets.slice(0, -2)) {
        const error = yield* refused(Fetcher.layerEffect({ fetch, ...(options as {}) }))
        expect(error).toMatchObject({ reason: "Option", path })
      }
      for (const updateInterval of [0, -1, Number.NaN, "soon", null]) {
        const error = yield* refused(Fetcher.layerEffect<never, never>({ fetch, updateInterval } as never))
        expect(error).toMatchObject({ reason: "Option", path: "updateInterval" })
      }
    })
  )

  it.effect("rejects options without an effect to run", () =>
    Effect.gen(function* () {
      for (const fetch of [undefined, null, Effect.succeed(on)]) {
        expect(yield* refused(Fetcher.layerEffect<never, never>({ fetch } as never))).toMatchObject({ path: "fetch" })
      }
    })
  )
})
