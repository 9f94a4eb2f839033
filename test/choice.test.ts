import { existsSync } from "node:fs"
import { describe, expect, it, vi } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as Engine from "../src/Engine.js"
import { encode } from "./support/corpus.js"
import { onDocument } from "./support/documents.js"
import { library, native, reason } from "./support/engines.js"
import { captured } from "./support/logs.js"

const withVariables = (variables: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

const nameOf = <E>(layer: Layer.Layer<Engine.Engine, E>) =>
  Engine.Engine.pipe(
    Effect.map((engine) => engine.name),
    Effect.provide(layer)
  )

const elsewhere = "/no/such/library.so"

describe("Engine.layer", () => {
  it.effect("is the portable engine where the native one does not load, and says so once per process, at Info", () =>
    captured((logs) =>
      Effect.gen(function* () {
        expect(yield* nameOf(Engine.layer)).toBe("portable")
        expect(yield* nameOf(Engine.layer)).toBe("portable")
        expect(logs.map((line) => line.level)).toEqual(["INFO"])
        expect(logs[0]?.message).toContain("using the portable engine")
        expect(logs[0]?.message).toContain(elsewhere)
        expect(logs[0]?.message).toContain("loading more than about 10,000 flags holds the event loop longer")
      }).pipe(withVariables({ FLIPT_ENGINE_PATH: elsewhere }))
    )
  )

  it.effect("is the portable engine, without a word, where FLIPT_ENGINE says so", () =>
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
        // What the ConfigProvider has comes first.
        expect(yield* nameOf(Engine.layer).pipe(withVariables({ FLIPT_ENGINE: "portable" }))).toBe("portable")
      }).pipe(Effect.scoped)
  )

  it.effect("fails where FLIPT_ENGINE asks for the native engine and it cannot be loaded", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(nameOf(Engine.layer))
      expect(error).toMatchObject({ _tag: "EngineError", reason: "Load" })
      expect(error.message).toContain(elsewhere)
    }).pipe(withVariables({ FLIPT_ENGINE: "native", FLIPT_ENGINE_PATH: elsewhere }))
  )

  it.effect("fails where FLIPT_ENGINE is neither", () =>
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

  it.effect("fails on a file that is no library of ours", () =>
    Effect.gen(function* () {
      for (const path of [process.execPath, new URL(import.meta.url).pathname]) {
        const error = yield* Effect.flip(nameOf(Engine.layerNative)).pipe(withVariables({ FLIPT_ENGINE_PATH: path }))
        expect(error).toMatchObject({ _tag: "EngineError", reason: "Load" })
        expect(error.message).toContain(path)
      }
    })
  )

  // where the library is built it is found, and there is no such message
  it.effect.skipIf(native)("names the package that is missing, and the build", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(nameOf(Engine.layerNative))
      expect(error.message).toContain("@flipt-client-effect/native-")
      expect(error.message).toContain("native/target/release")
    }).pipe(withVariables({}))
  )
})

describe.skipIf(!native)(`the native engine${native ? "" : ` (skipped: ${reason})`}`, () => {
  it.effect("is the default, without a word", () =>
    captured((logs) =>
      Effect.gen(function* () {
        expect(yield* nameOf(Engine.layer)).toBe("native")
        expect(logs).toEqual([])
      }).pipe(withVariables({}))
    )
  )

  it.scoped("is loaded from the path that it is given", () =>
    Effect.gen(function* () {
      expect(existsSync(library)).toBe(true)
      const engine = yield* Effect.provide(Engine.Engine, Engine.layerNative)
      const snapshot = yield* engine.compile("default", encode(onDocument(true)))
      expect(Either.isRight(snapshot.boolean({ flagKey: "on", entityId: "e" }))).toBe(true)
    }).pipe(withVariables({ FLIPT_ENGINE_PATH: library }))
  )
})
