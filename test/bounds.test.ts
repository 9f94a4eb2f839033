/**
 * Everything made from a document is linear in its size, or the document is refused. The tests count bytes, so that the
 * speed of the machine does not matter.
 */
import { describe, expect, it, vi } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as EngineModule from "../src/Engine.js"
import { Engine } from "../src/Engine.js"
import { readDocument } from "../src/internal/document/document.js"
import { fingerprint } from "../src/internal/document/fingerprint.js"
import { Reader } from "../src/internal/document/json.js"
import { writeSeed, writeSegments } from "../src/internal/document/seed/write.js"
import * as native from "../src/internal/engine/native/engine.js"
import { type Library, load, Stat } from "../src/internal/engine/native/library.js"
import { CompileCache, compileFlag } from "../src/internal/engine/portable/compile.js"
import { parseIntegers } from "../src/internal/engine/portable/constraint.js"
import { encodeBase64 } from "../src/internal/util/base64.js"
import { Hasher } from "../src/internal/util/hash64.js"
import type { Snapshot } from "../src/Snapshot.js"
import { booleanFlag, makeDocument } from "./support/documents.js"
import { engines, native as isNativeBuilt, library } from "./support/engines.js"
import { turn } from "./support/wait.js"

const encode = (value: unknown): ReadonlyArray<Uint8Array> => [new TextEncoder().encode(JSON.stringify(value))]

/** The size of a document in bytes. */
const SIZE = 64 * 1024
/**
 * The maximum number of bytes per byte of the document. A rule of 42 bytes repeats a key of 1,024 bytes three times, in
 * base64.
 */
const FACTOR = 128

/** The number of elements of each kind in a flag: one, or as many as fit into the size. */
interface Shape {
  readonly keyLength: number
  readonly rules: number
  readonly segments: number
  readonly segmentKeyLength: number
  readonly constraints: number
  readonly distributions: number
  readonly rollouts: number
  readonly attachmentLength: number
}

const one: Shape = {
  keyLength: 1,
  rules: 1,
  segments: 1,
  segmentKeyLength: 1,
  constraints: 1,
  distributions: 1,
  rollouts: 1,
  attachmentLength: 1
}

const repeat = <A>(count: number, make: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, i) => make(i))

/** The first rule and rollout have all segments, and the first segment all constraints. */
const makeFlag = (shape: Shape, type: "VARIANT_FLAG_TYPE" | "BOOLEAN_FLAG_TYPE") => {
  const segments = repeat(shape.segments, (index) => ({
    key: index === 0 ? "s".repeat(shape.segmentKeyLength) : String(index),
    matchType: "ANY_SEGMENT_MATCH_TYPE",
    constraints: repeat(index === 0 ? shape.constraints : 0, (property) => ({
      type: "STRING_CONSTRAINT_COMPARISON_TYPE",
      property: String(property),
      operator: "notempty",
      value: ""
    }))
  }))
  const rule = { segmentOperator: "", segments: [], distributions: [] as ReadonlyArray<object> }
  const rollout = { segment: { value: true, segments: [] as ReadonlyArray<object> } }
  return {
    key: "k".repeat(shape.keyLength),
    name: "",
    enabled: true,
    type,
    defaultVariant: { id: "", key: "d", attachment: "a".repeat(shape.attachmentLength) },
    rules: repeat(shape.rules, (index) =>
      index === 0
        ? { ...rule, segments, distributions: repeat(shape.distributions, () => ({ variantKey: "v", rollout: 1 })) }
        : rule
    ),
    rollouts: repeat(shape.rollouts, (index) => (index === 0 ? { segment: { value: true, segments } } : rollout))
  }
}

const sizes: { readonly [K in keyof Shape]: number } = {
  keyLength: 1024,
  rules: SIZE / 2 / 55,
  segments: SIZE / 2 / 100,
  segmentKeyLength: SIZE / 4,
  constraints: SIZE / 2 / 190,
  distributions: SIZE / 2 / 33,
  rollouts: SIZE / 2 / 40,
  attachmentLength: SIZE / 2
}

/** Documents with many elements of two kinds, which would be multiplied by a careless engine. */
const worst = Object.entries(sizes).flatMap(([first, firstSize], index, all) =>
  all.slice(index + 1).flatMap(([second, secondSize]) =>
    (["VARIANT_FLAG_TYPE", "BOOLEAN_FLAG_TYPE"] as const).map((type) => {
      const shape = { ...one, [first]: Math.floor(firstSize), [second]: Math.floor(secondSize) }
      return { name: `${first} × ${second} of a ${type}`, shape, flag: makeFlag(shape, type), type }
    })
  )
)

/** Uses everything that is made from a document once, and returns the size of the seed. */
const useAll = (snapshot: Snapshot, { flag, type }: (typeof worst)[number]) =>
  Effect.gen(function* () {
    const request = { flagKey: flag.key, entityId: "e", context: { 0: "x" } }
    const result = type === "BOOLEAN_FLAG_TYPE" ? yield* snapshot.boolean(request) : yield* snapshot.variant(request)
    snapshot.fingerprint(flag.key)
    yield* snapshot.flags
    return { result, seed: (yield* snapshot.seed).length }
  })

it("base64 in slices equals base64 of the whole text", () => {
  for (const length of [0, 1, 2, 3, 4, 6143, 6144, 6145, 6146, 12_288, 20_000]) {
    for (const text of ["x".repeat(length), `${"x".repeat(length)}é日😀`, "é".repeat(length)]) {
      expect(encodeBase64(text)).toBe(Encoding.encodeBase64(text))
    }
  }
})

const failure = <A, E>(exit: Exit.Exit<A, E>): Option.Option<E> =>
  Exit.isFailure(exit) ? Cause.failureOption(exit.cause) : Option.none()

describe.each(engines)("the %s engine", (_, layer) => {
  const withEngine = <A, E, R>(use: (engine: EngineModule.Service) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(Engine, use).pipe(Effect.provide(layer))

  it.effect("writes a seed in proportion to the document for any two kinds of repetition", () =>
    withEngine((engine) =>
      Effect.forEach(
        worst,
        (document) =>
          Effect.scoped(
            Effect.gen(function* () {
              const chunks = encode(makeDocument([document.flag]))
              const size = chunks[0]!.length
              const { seed } = yield* useAll(yield* engine.compile("default", chunks), document)
              expect(seed / size, document.name).toBeLessThan(FACTOR)
            })
          ),
        { discard: true }
      )
    )
  )

  it.effect("shares the segment keys of a rule's results", () =>
    withEngine((engine) =>
      Effect.scoped(
        Effect.gen(function* () {
          const flag = makeFlag({ ...one, segments: 100, distributions: 2 }, "VARIANT_FLAG_TYPE")
          const snapshot = yield* engine.compile("default", encode(makeDocument([flag])))
          const results = yield* Effect.forEach(
            repeat(40, (index) => `entity-${index}`),
            (entityId) => snapshot.variant({ flagKey: "k", entityId, context: { 0: "x" } })
          )
          const distinct = new Set(results)
          expect(distinct.size).toBe(2)
          expect(new Set(results.map((result) => result.segmentKeys)).size).toBe(1)
        })
      )
    )
  )

  it.effect("rejects a flag key of more than 1,024 code units with Limit, in documents and seeds", () =>
    withEngine((engine) =>
      Effect.scoped(
        Effect.gen(function* () {
          const flags = ["é".repeat(1024), "😀".repeat(512)].map((key) => booleanFlag(key, true))
          const snapshot = yield* engine.compile("default", encode(makeDocument(flags)))
          const seed = yield* snapshot.seed
          yield* engine.restore("default", seed)
          const longer = booleanFlag(`${"é".repeat(1024)}x`, true)
          const refused = failure(yield* Effect.exit(engine.compile("default", encode(makeDocument([longer])))))
          expect(Option.getOrThrow(refused)).toMatchObject({
            reason: "Limit",
            message:
              "the document cannot be loaded: flags[0].key: a flag key has 1025 UTF-16 code units, but at most 1024 are supported"
          })
          const text = Either.getOrThrow(Encoding.decodeBase64String(seed))
          const edited = Encoding.encodeBase64(text.replaceAll("é".repeat(1024), longer.key))
          const error = Option.getOrThrow(failure(yield* Effect.exit(engine.restore("default", edited))))
          expect(error).toMatchObject({ reason: "Seed" })
          expect(error.message).toContain("a flag key has 1025 UTF-16 code units")
        })
      )
    )
  )

  it.effect("rejects a seed whose rules share many distributions through equal ids", () =>
    withEngine((engine) =>
      Effect.scoped(
        Effect.gen(function* () {
          const seed = (rules: number, distributions: number) =>
            Encoding.encodeBase64(
              JSON.stringify({
                version: 1,
                namespace: {
                  key: "default",
                  flags: { f: { key: "f", enabled: true, type: "VARIANT_FLAG_TYPE" } },
                  eval_rules: { f: repeat(rules, () => ({ id: "r", segment_operator: "", segments: {} })) },
                  eval_rollouts: { f: [] },
                  eval_distributions: { r: repeat(distributions, () => ({ variant_key: "v", rollout: 1 })) }
                }
              })
            )
          yield* engine.restore("default", seed(2, 1024))
          yield* engine.restore("default", seed(1, 3000))
          for (const [rules, distributions] of [
            [2, 1025],
            [1026, 1],
            [3000, 3000]
          ] as const) {
            const error = failure(yield* Effect.exit(engine.restore("default", seed(rules, distributions))))
            expect(Option.getOrThrow(error).message).toContain("its rules share too many distributions")
          }
        })
      )
    )
  )

  it.effect("evaluates a flag with 150,000 distributions and segments", () =>
    withEngine((engine) =>
      Effect.scoped(
        Effect.gen(function* () {
          const count = 150_000
          const shape = { ...one, segments: count, distributions: count, rollouts: 0 }
          const document = makeDocument([makeFlag(shape, "VARIANT_FLAG_TYPE")])
          const snapshot = yield* engine.compile("default", encode(document))
          const { segmentKeys } = yield* snapshot.variant({ flagKey: "k", entityId: "e", context: { 0: "x" } })
          expect(segmentKeys.length).toBe(count)
        })
      )
    )
  )

  it.effect("bounds the number of cached results for combinations of matching segments", () =>
    withEngine((engine) =>
      Effect.scoped(
        Effect.gen(function* () {
          const segments = repeat(10, (index) => ({
            key: String(index),
            matchType: "ALL_SEGMENT_MATCH_TYPE",
            constraints: [
              { type: "STRING_CONSTRAINT_COMPARISON_TYPE", property: String(index), operator: "notempty", value: "" }
            ]
          }))
          const flag = { ...booleanFlag("f", false), rollouts: [{ segment: { value: true, segments } }] }
          const snapshot = yield* engine.compile("default", encode(makeDocument([flag])))
          const evaluate = (bits: number) =>
            snapshot.boolean({
              flagKey: "f",
              entityId: "e",
              context: Object.fromEntries(segments.map(({ key }, bit) => [key, bits & (1 << bit) ? "x" : undefined]))
            })
          const first = yield* evaluate(1)
          expect(yield* evaluate(1)).toBe(first)
          for (let bits = 2; bits < 1023; bits++) {
            yield* evaluate(bits)
          }
          const again = yield* evaluate(1)
          expect(again).toEqual(first)
          expect(again).not.toBe(first)
        })
      )
    )
  )

  it.effect("bounds the number of unknown flag keys that it keeps", () =>
    withEngine((engine) =>
      Effect.scoped(
        Effect.gen(function* () {
          const snapshot = yield* engine.compile("default", encode(makeDocument([])))
          const ask = (flagKey: string) =>
            Either.getLeft(snapshot.boolean({ flagKey, entityId: "e" })).pipe(Option.getOrThrow)
          const first = ask("0")
          expect(ask("0")).toBe(first)
          for (let index = 1; index < 300; index++) {
            ask(String(index))
          }
          expect(ask("0")).not.toBe(first)
          const long = "x".repeat(257)
          expect(ask(long)).not.toBe(ask(long))
        })
      )
    )
  )

  it.effect("keeps a request's values separate from a long list of segments", () =>
    withEngine((engine) =>
      Effect.scoped(
        Effect.gen(function* () {
          const flagOf = (key: string, count: number) => ({
            ...booleanFlag(key, false),
            rollouts: [
              {
                segment: {
                  value: true,
                  segments: repeat(count, (index) => ({
                    key: String(index),
                    matchType: "ALL_SEGMENT_MATCH_TYPE",
                    constraints: [
                      {
                        type: "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE",
                        property: "",
                        operator: index === 0 ? "neq" : "eq",
                        value: "entity"
                      }
                    ]
                  }))
                }
              }
            ]
          })
          const counts = [100, 3000]
          const snapshot = yield* engine.compile(
            "default",
            encode(makeDocument(counts.map((it) => flagOf(`f${it}`, it))))
          )
          for (const count of counts) {
            const request = { flagKey: `f${count}`, entityId: "entity" }
            const keys = repeat(count - 1, (index) => String(index + 1))
            for (let round = 0; round < 3; round++) {
              expect((yield* snapshot.boolean(request)).segmentKeys).toEqual(keys)
            }
            const batch = yield* snapshot.batch([request, request, request])
            expect(batch.map((entry) => (entry._tag === "Boolean" ? entry.segmentKeys : entry))).toEqual([
              keys,
              keys,
              keys
            ])
          }
        })
      )
    )
  )
})

/** The number of characters, elements and fields that are reachable from a value, each object and text counted once. */
const reachable = (root: unknown): number => {
  const seen = new Set<unknown>()
  const waiting = [root]
  let size = 0
  while (waiting.length > 0) {
    const value = waiting.pop()
    if (seen.has(value)) {
      continue
    }
    if (typeof value === "string") {
      seen.add(value)
      size += value.length
    } else if (typeof value === "object" && value !== null) {
      seen.add(value)
      const parts =
        value instanceof Map ? [...value].flat() : Reflect.ownKeys(value).map((key) => Reflect.get(value, key))
      size += parts.length
      // one by one, because there may be too many for arguments
      for (const part of parts) {
        waiting.push(part)
      }
    }
  }
  return size
}

it("the portable engine reads and compiles a flag in proportion to the document for any two kinds of repetition", () => {
  for (const { flag, name } of worst) {
    const text = JSON.stringify(makeDocument([flag]))
    const definitions = Array.from(readDocument(new Reader(text), "default"), (step) => step.flag)
    const compiled = definitions.map((definition) => compileFlag(definition, new CompileCache()))
    expect(compiled, name).toHaveLength(1)
    expect(reachable(compiled) / text.length, name).toBeLessThan(4)
  }
})

it("the fingerprint of a flag hashes bytes in proportion to the document for any two kinds of repetition", () => {
  let bytes = 0
  const { uint, update } = Hasher.prototype
  const spies = [
    vi.spyOn(Hasher.prototype, "update").mockImplementation(function (this: Hasher, value) {
      bytes += value.length
      return update.call(this, value) as Hasher
    }),
    vi.spyOn(Hasher.prototype, "uint").mockImplementation(function (this: Hasher, value) {
      bytes += 4
      return uint.call(this, value) as Hasher
    })
  ]
  try {
    for (const { flag, name } of worst) {
      const text = JSON.stringify(makeDocument([flag]))
      for (const step of readDocument(new Reader(text), "default")) {
        bytes = 0
        expect(fingerprint(step.flag)).toHaveLength(16)
        expect(bytes / text.length, name).toBeGreaterThan(0)
        expect(bytes / text.length, name).toBeLessThan(2)
      }
    }
  } finally {
    for (const spy of spies) {
      spy.mockRestore()
    }
  }
})

it("writes 200,000 entries of an object", () => {
  const segment = { any: true, constraints: [] }
  const segments = repeat(200_000, (index) => ({ ...segment, key: String(index) }))
  expect(Object.keys(JSON.parse(writeSegments(segments)))).toHaveLength(200_000)
})

it.live("writes the seed of 130,000 flags, and of a flag with 130,000 rules, in many turns of the event loop", () =>
  Effect.gen(function* () {
    const flag = {
      key: "f",
      boolean: false,
      enabled: true,
      description: undefined,
      defaultVariant: undefined,
      rules: [],
      rollouts: []
    }
    const rules = repeat(130_000, () => ({ and: false, segments: [], distributions: [] }))
    for (const flags of [repeat(130_000, (index) => ({ ...flag, key: String(index) })), [{ ...flag, rules }]]) {
      let turns = 0
      const counting = yield* Effect.fork(Effect.forever(Effect.map(turn, () => turns++)))
      const seed = yield* writeSeed("default", flags)
      yield* Fiber.interrupt(counting)
      expect(seed.length).toBeGreaterThan(130_000 * 40)
      expect(turns).toBeGreaterThan(20)
      expect(JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(seed), (c) => c.charCodeAt(0))))).toMatchObject({
        namespace: { key: "default" }
      })
    }
  })
)

it("reads a list of 5,000,000 numbers", () => {
  const text = `[${"1,".repeat(5_000_000)}2]`
  expect(parseIntegers(text)).toEqual(new Set([1, 2]))
})

describe.runIf(isNativeBuilt)("the native library", () => {
  it.effect("holds and describes a flag in proportion to the document for any two kinds of repetition", () =>
    Effect.gen(function* () {
      const loaded = yield* load(library)
      let described = 0
      const counting: Library = {
        ...loaded,
        blobLength: (blob) => {
          const length = loaded.blobLength(blob)
          described = Math.max(described, length)
          return length
        }
      }
      const engine = yield* native.make(counting)
      for (const document of worst) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const chunks = encode(makeDocument([document.flag]))
            const before = loaded.stat(Stat.bytes)
            const snapshot = yield* engine.compile("default", chunks)
            const held = loaded.stat(Stat.bytes) - before
            expect(held / chunks[0]!.length, document.name).toBeLessThan(16)
            described = 0
            const request = { flagKey: document.flag.key, entityId: "e", context: { 0: "x" } }
            yield* Either.orElse(snapshot.variant(request), () => snapshot.boolean(request))
            expect(described / chunks[0]!.length, document.name).toBeLessThan(2)
          })
        )
      }
    })
  )
})
