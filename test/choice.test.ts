import { existsSync } from "node:fs"
import { describe, expect, it, vi } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Engine from "../src/Engine.js"
import type * as FliptClient from "../src/FliptClient.js"
import * as Automatic from "../src/internal/engine/automatic.js"
import { LARGE_DOCUMENT_BYTES } from "../src/internal/engine/automatic.js"
import { load, Stat } from "../src/internal/engine/native/library.js"
import { portable } from "../src/internal/engine/portable/engine.js"
import * as Telemetry from "../src/Telemetry.js"
import { on } from "./support/clients.js"
import { encode } from "./support/corpus.js"
import { booleanFlag, makeDocument, onDocument } from "./support/documents.js"
import { library, native, reason } from "./support/engines.js"
import * as Handed from "./support/handed.js"
import { captured } from "./support/logs.js"
import * as Metrics from "./support/metrics.js"

const withVariables = (variables: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

const nameOf = <E>(layer: Layer.Layer<Engine.Engine, E>) =>
  Engine.Engine.pipe(
    Effect.map((engine) => engine.name),
    Effect.provide(layer)
  )

const elsewhere = "/no/such/library.so"

/** A document with one flag and about this many bytes. */
const documentOf = (bytes: number, enabled = true, namespace = "default") =>
  makeDocument([{ ...booleanFlag("on", enabled), description: "x".repeat(bytes) }], namespace)

const small = encode(documentOf(100))
const large = encode(documentOf(LARGE_DOCUMENT_BYTES))

const engineOf = (engine: Engine.Service, document: ReadonlyArray<Uint8Array>) =>
  Effect.scoped(Effect.map(engine.compile("default", document), (snapshot) => snapshot.engine))

describe("Engine.layer", () => {
  it.live(
    "compiles large documents with the portable engine if there is no library, and logs it once per process",
    () =>
      captured((logs) =>
        Effect.gen(function* () {
          const compileAll = Effect.gen(function* () {
            const engine = yield* Engine.Engine
            expect(engine.name).toBe("automatic")
            expect(yield* engineOf(engine, small)).toBe("portable")
            expect(logs.length).toBeLessThanOrEqual(1)
            expect(yield* engineOf(engine, large)).toBe("portable")
            expect(yield* engineOf(engine, large)).toBe("portable")
          }).pipe(Effect.provide(Engine.layer))
          yield* compileAll
          yield* compileAll
          expect(logs.map((line) => line.level)).toEqual(["INFO"])
          const [, total, longest] =
            /loaded a document of 1\.0 MB with the portable engine, which held the event loop for (\d+) ms, at most (\d+) ms at a time/.exec(
              logs[0]?.message ?? ""
            ) ?? []
          expect(Number(total)).toBeGreaterThan(0)
          expect(Number(total)).toBeGreaterThanOrEqual(Number(longest))
          expect(logs[0]?.message).toContain(elsewhere)
        }).pipe(withVariables({ FLIPT_ENGINE_PATH: elsewhere }))
      )
  )

  it.effect("logs nothing about a missing library for small documents", () =>
    captured((logs) =>
      Effect.gen(function* () {
        const engine = yield* Effect.provide(Engine.Engine, Engine.layer)
        expect(yield* engineOf(engine, small)).toBe("portable")
        expect(logs).toEqual([])
      }).pipe(withVariables({ FLIPT_ENGINE_PATH: elsewhere }))
    )
  )

  it.effect("loads the native engine once, for the first large document", () =>
    Effect.gen(function* () {
      let loads = 0
      const named = { ...portable, compile: () => Effect.die("native") }
      const engine = yield* Automatic.make(
        Effect.sync(() => {
          loads++
          return named
        })
      )
      yield* engineOf(engine, small)
      expect(loads).toBe(0)
      for (let i = 0; i < 2; i++) {
        expect(Cause.squash(yield* Effect.flip(Effect.sandbox(engineOf(engine, large))))).toBe("native")
      }
      expect(loads).toBe(1)
    })
  )

  it.effect("survives the interruption of a load of the native engine", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const native = Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(go))
      const engine = yield* Automatic.make(Effect.as(native, portable))
      const first = yield* Effect.fork(engineOf(engine, large))
      yield* Deferred.await(begun)
      const second = yield* Effect.fork(engineOf(engine, large))
      expect(Exit.isInterrupted(yield* Fiber.interrupt(first))).toBe(true)
      yield* Deferred.succeed(go, undefined)
      expect(yield* Fiber.join(second)).toBe("portable")
    })
  )

  it.effect("is the portable engine, without a log line, if FLIPT_ENGINE is portable", () =>
    captured((logs) =>
      Effect.gen(function* () {
        expect(yield* nameOf(Engine.layer)).toBe("portable")
        expect(logs).toEqual([])
      }).pipe(withVariables({ FLIPT_ENGINE: "portable" }))
    )
  )

  it.effect(
    "reads FLIPT_ENGINE and FLIPT_ENGINE_PATH from the environment if the ConfigProvider does not have them",
    () =>
      Effect.gen(function* () {
        vi.stubEnv("FLIPT_ENGINE", "native")
        vi.stubEnv("FLIPT_ENGINE_PATH", elsewhere)
        yield* Effect.addFinalizer(() => Effect.sync(() => vi.unstubAllEnvs()))
        const nested = ConfigProvider.nested(ConfigProvider.fromEnv(), "APP")
        const error = yield* Effect.flip(Effect.withConfigProvider(nameOf(Engine.layer), nested))
        expect(error.message).toContain(elsewhere)
        // The ConfigProvider takes precedence.
        expect(yield* nameOf(Engine.layer).pipe(withVariables({ FLIPT_ENGINE: "portable" }))).toBe("portable")
      }).pipe(Effect.scoped)
  )

  it.effect("fails if FLIPT_ENGINE selects the native engine and it cannot be loaded", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(nameOf(Engine.layer))
      expect(error).toMatchObject({ _tag: "EngineError", reason: "Load" })
      expect(error.message).toContain(elsewhere)
    }).pipe(withVariables({ FLIPT_ENGINE: "native", FLIPT_ENGINE_PATH: elsewhere }))
  )

  it.effect("fails if FLIPT_ENGINE has another value", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(nameOf(Engine.layer))
      expect(error).toMatchObject({ _tag: "EngineError", reason: "Load" })
      expect(error.message).toContain("FLIPT_ENGINE must be native or portable")
    }).pipe(withVariables({ FLIPT_ENGINE: "quantum" }))
  )
})

describe("Engine.layerNative", () => {
  it.effect("never falls back", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(nameOf(Engine.layerNative))
      expect(error).toMatchObject({ _tag: "EngineError", reason: "Load" })
      expect(error.message).toContain("no such file")
    }).pipe(withVariables({ FLIPT_ENGINE: "portable", FLIPT_ENGINE_PATH: elsewhere }))
  )

  it.effect("fails on a file that is not this library", () =>
    Effect.gen(function* () {
      for (const path of [process.execPath, new URL(import.meta.url).pathname]) {
        const error = yield* Effect.flip(nameOf(Engine.layerNative)).pipe(withVariables({ FLIPT_ENGINE_PATH: path }))
        expect(error).toMatchObject({ _tag: "EngineError", reason: "Load" })
        expect(error.message).toContain(path)
      }
    })
  )

  // Only for checkouts without the library. Otherwise, install.test.ts checks the message in a new project.
  it.effect.skipIf(native)("names the missing package and the missing build", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(nameOf(Engine.layerNative))
      expect(error.message).toContain("@flipt-client-effect/native-")
      expect(error.message).toContain("native/target/release")
    }).pipe(withVariables({}))
  )
})

describe.skipIf(!native)(`the native engine${native ? "" : ` (skipped: ${reason})`}`, () => {
  it.effect("compiles large documents and seeds by default", () =>
    captured((logs) =>
      Effect.gen(function* () {
        const engine = yield* Effect.provide(Engine.Engine, Engine.layer)
        for (const [document, expected] of [
          [small, "portable"],
          [large, "native"],
          [small, "portable"],
          // just below the limit
          [encode(documentOf(LARGE_DOCUMENT_BYTES - 1000)), "portable"]
        ] as const) {
          expect(yield* engineOf(engine, document)).toBe(expected)
        }
        const restored = yield* Effect.scoped(
          Effect.gen(function* () {
            const snapshots = [yield* engine.compile("default", small), yield* engine.compile("default", large)]
            return yield* Effect.forEach(snapshots, (snapshot) =>
              Effect.flatMap(snapshot.seed, (seed) => engine.restore("default", seed))
            ).pipe(Effect.map((all) => all.map((snapshot) => snapshot.engine)))
          })
        )
        expect(restored).toEqual(["portable", "native"])
        expect(logs).toEqual([])
      }).pipe(withVariables({}))
    )
  )

  it.scoped("replaces the portable engine when a document grows, and back when it shrinks, unnoticed by callers", () =>
    Effect.gen(function* () {
      const { stat } = yield* load(library)
      const openSnapshots = () => stat(Stat.snapshots)
      const before = openSnapshots()
      const scope = yield* Scope.make()
      const source = Metrics.ownSource()
      const gauges = Effect.map(Metrics.of(source), (all) => ({
        native: all["engine{engine=native}"] ?? 0,
        portable: all["engine{engine=portable}"] ?? 0
      }))
      const { client, put } = yield* Handed.make({
        first: documentOf(0, true, source.namespace),
        source,
        engine: Layer.orDie(Engine.layer)
      }).pipe(Effect.provide(Telemetry.layer({ events: "none" })), Scope.extend(scope))
      const changes: Array<FliptClient.Changes> = []
      const begun = yield* Deferred.make<void>()
      yield* Effect.forkScoped(
        Stream.runForEach(client.changes, (change) =>
          Effect.sync(() => changes.push(change)).pipe(Effect.zipRight(Deferred.succeed(begun, undefined)))
        )
      )
      const enabled = Effect.map(client.evaluateBoolean(on), (result) => result.enabled)
      const engine = Effect.map(client.status, (status) => status.engine)
      const update = (bytes: number, enabled = true) =>
        Effect.zipRight(put(documentOf(bytes, enabled, source.namespace)), client.refresh)

      expect([yield* engine, yield* enabled, yield* gauges]).toEqual(["portable", true, { native: 0, portable: 1 }])
      const first = yield* client.snapshot

      // the same flag with a long description, which does not affect evaluations
      yield* update(LARGE_DOCUMENT_BYTES)
      expect([yield* engine, yield* enabled, yield* gauges]).toEqual(["native", true, { native: 1, portable: 0 }])
      const second = yield* client.snapshot
      expect([first.engine, second.engine]).toEqual(["portable", "native"])
      expect(second.fingerprint("on")).toBe(first.fingerprint("on"))
      expect(yield* second.seed).not.toBe(yield* first.seed)
      const pinned = yield* Scope.make()
      const old = yield* Scope.extend(client.pinned, pinned)

      yield* update(0)
      expect([yield* engine, yield* enabled, yield* gauges]).toEqual(["portable", true, { native: 0, portable: 1 }])
      expect(changes).toEqual([])

      yield* update(LARGE_DOCUMENT_BYTES, false)
      expect([yield* engine, yield* enabled]).toEqual(["native", false])
      yield* Deferred.await(begun)
      expect(changes).toEqual([{ added: [], changed: ["on"], removed: [] }])
      yield* update(0, false)
      expect([yield* engine, yield* enabled]).toEqual(["portable", false])

      // earlier Snapshots still evaluate on their own engine
      expect([first, second].map((it) => Either.getOrThrow(it.boolean(on)).enabled)).toEqual([true, true])
      expect((yield* old.evaluateBoolean(on)).enabled).toBe(true)
      yield* Scope.close(pinned, Exit.void)
      // only `second` is still in use
      expect(openSnapshots()).toBe(before + 1)
      yield* Scope.close(scope, Exit.void)
      expect(yield* gauges).toEqual({ native: 0, portable: 0 })
      expect(openSnapshots()).toBe(before)
    }).pipe(withVariables({}))
  )

  it.scoped("is loaded from a given path", () =>
    Effect.gen(function* () {
      expect(existsSync(library)).toBe(true)
      const engine = yield* Effect.provide(Engine.Engine, Engine.layerNative)
      const snapshot = yield* engine.compile("default", encode(onDocument(true)))
      expect(Either.isRight(snapshot.boolean({ flagKey: "on", entityId: "e" }))).toBe(true)
    }).pipe(withVariables({ FLIPT_ENGINE_PATH: library }))
  )
})
