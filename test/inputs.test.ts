/**
 * Unusual documents and requests that all engines treat alike.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import type * as EngineModule from "../src/Engine.js"
import { Engine } from "../src/Engine.js"
import { EngineError } from "../src/FliptError.js"
import { makeEscapedListWarning } from "../src/internal/client/escapedLists.js"
import * as State from "../src/internal/client/state.js"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"
import { engines } from "./support/engines.js"
import { captured } from "./support/logs.js"

const encode = (document: unknown, prefix = ""): ReadonlyArray<Uint8Array> => [
  new TextEncoder().encode(prefix + JSON.stringify(document))
]

const document = makeDocument([booleanFlag("on", true)])

/** A flag with a list in a constraint on the entity's property `team`. */
const listFlag = (key: string, list: string) => ({
  ...booleanFlag(key, false),
  rollouts: [
    {
      segment: {
        value: true,
        segments: [
          {
            key: "teams",
            matchType: "ALL_SEGMENT_MATCH_TYPE",
            constraints: [
              { type: "STRING_CONSTRAINT_COMPARISON_TYPE", property: "team", operator: "isoneof", value: list }
            ]
          }
        ]
      }
    }
  ]
})

describe.each(engines)("the %s engine", (_, layer) => {
  const withEngine = <A, E, R>(use: (engine: EngineModule.Service) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(Engine, use).pipe(Effect.scoped, Effect.provide(layer))

  it.effect("keeps an empty digest and one with a byte order mark", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        for (const digest of ["", "\ufeffd", "d"]) {
          expect((yield* engine.compile("default", encode({ ...document, digest }))).digest).toBe(digest)
        }
        expect((yield* engine.compile("default", encode(document))).digest).toBeUndefined()
      })
    )
  )

  it.effect("skips one byte order mark before a document, also in chunks of a byte", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const [bytes] = encode(document, "\ufeff") as [Uint8Array]
        for (const chunks of [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))]) {
          const snapshot = yield* engine.compile("default", chunks)
          expect((yield* snapshot.boolean({ flagKey: "on", entityId: "e" })).enabled).toBe(true)
        }
        const error = yield* Effect.flip(engine.compile("default", encode(document, "\ufeff\ufeff")))
        expect(error.reason).toBe("Document")
      })
    )
  )

  it.effect("rounds a number to double and then to single precision", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const flag = variantFlag("f", "a")
        const text = JSON.stringify(makeDocument([flag])).replace('"rollout":100', '"rollout":7.038531e-26')
        const snapshot = yield* engine.compile("default", [new TextEncoder().encode(text)])
        const seed = Either.getOrThrow(Encoding.decodeBase64String(yield* snapshot.seed))
        const rollout = Number(/"rollout":([^,]+)/.exec(seed)?.[1])
        // rounding directly to single precision would give the next smaller number
        expect(Math.fround(rollout)).toBe(Math.fround(7.038531e-26))
      })
    )
  )

  it.effect("answers a batch whose requests evaluate flags while they are read", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const flags = ["a", "b", "c"].map((key) => listFlag(key, '["x"]'))
        const snapshot = yield* engine.compile("default", encode(makeDocument(flags)))
        const evaluate = () =>
          Either.getOrThrow(snapshot.boolean({ flagKey: "b", entityId: "o", context: { team: "y" } }))
        const requests = ["a", "b", "c"].map((key) => ({
          get flagKey() {
            evaluate()
            return key
          },
          get entityId() {
            evaluate()
            return `entity-${key}`
          },
          get context() {
            evaluate()
            return {
              get team() {
                evaluate()
                return key === "b" ? "y" : "x"
              }
            }
          }
        }))
        const entries = yield* snapshot.batch(requests)
        expect(entries.map((entry) => (entry._tag === "Boolean" ? [entry.flagKey, entry.enabled] : entry))).toEqual([
          ["a", true],
          ["b", false],
          ["c", true]
        ])
      })
    )
  )

  it.effect("rejects an object that only has the prototype of a Date, and accepts a Date with its own methods", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const snapshot = yield* engine.compile(
          "default",
          encode(makeDocument([listFlag("f", '["1970-01-01T00:00:00.000Z"]')]))
        )
        const ask = (team: unknown) =>
          snapshot.boolean({ flagKey: "f", entityId: "e", context: { team: team as Date } })
        for (const fake of [Object.create(Date.prototype), new Proxy(new Date(0), {})]) {
          const error = yield* Effect.flip(Effect.suspend(() => ask(fake)))
          expect(error).toMatchObject({ _tag: "ValidationError", path: "context.team" })
        }
        const own = Object.assign(new Date(0), {
          getTime: () => {
            throw new Error("must not be called")
          },
          toISOString: () => "other"
        })
        expect((yield* ask(own)).enabled).toBe(true)
      })
    )
  )

  it.effect("warns once about the flags that have a list with an escape, and only about these", () =>
    withEngine((engine) =>
      captured((lines) =>
        Effect.gen(function* () {
          const warn = makeEscapedListWarning()
          const load = (flags: ReadonlyArray<object>) =>
            Effect.flatMap(engine.compile("default", encode(makeDocument(flags))), warn)
          const plain = [listFlag("plain", '["R&D","Sales"]'), variantFlag("attached", "a", '{"a":"\\u0026"}')]
          yield* load(plain)
          expect(lines).toEqual([])
          const escaped = [listFlag("amp", '["R\\u0026D","Sales"]'), listFlag("quote", '["a\\"b"]')]
          const snapshot = yield* engine.compile("default", encode(makeDocument(escaped)))
          const result = yield* snapshot.boolean({ flagKey: "amp", entityId: "e", context: { team: "Sales" } })
          expect(result.enabled).toBe(false)
          yield* load([...plain, ...escaped])
          yield* load([...plain, ...escaped])
          expect(lines.map(({ level }) => level)).toEqual(["WARN"])
          expect(lines[0]?.message).toContain('of the flags "amp", "quote" contains an escape')
          yield* load([...plain, ...Array.from({ length: 12 }, (_, index) => listFlag(`f${index}`, '["\\\\"]'))])
          expect(lines).toHaveLength(2)
          expect(lines[1]?.message).toContain('"f9" and 2 more contains an escape')
        })
      )
    )
  )
})

it.scoped("the scope of a failed compilation closes immediately", () =>
  Effect.gen(function* () {
    const state = yield* State.make({ kind: "polling", environment: "default", namespace: "default" }, "fail")
    let open = 0
    const compile = Effect.acquireRelease(
      Effect.sync(() => open++),
      () => Effect.sync(() => open--)
    ).pipe(Effect.zipRight(Effect.fail(new EngineError({ reason: "Document", message: "refused" }))))
    for (let round = 0; round < 3; round++) {
      yield* Effect.flip(state.load(compile, "server", Option.none()))
      expect(open).toBe(0)
    }
  })
)
