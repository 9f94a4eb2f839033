/**
 * Whatever a Snapshot caches about an entity, it answers for the next entity as if it were the first.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as fc from "fast-check"
import * as Engine from "../src/Engine.js"
import type { EvaluateError } from "../src/FliptError.js"
import type { BooleanResult, EvaluationContext, EvaluationRequest, VariantResult } from "../src/Model.js"
import type { Snapshot } from "../src/Snapshot.js"
import { run } from "./support/child.js"
import { encode } from "./support/corpus.js"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"
import { engines } from "./support/engines.js"

const constraint = (type: string, property: string, operator: string, value = "") => ({
  type: `${type}_CONSTRAINT_COMPARISON_TYPE`,
  property,
  operator,
  value
})

const segment = (key: string, ...constraints: ReadonlyArray<object>) => ({
  key,
  matchType: "ALL_SEGMENT_MATCH_TYPE",
  constraints
})

/** A boolean flag that is on for these segments. */
const segmentsFlag = (key: string, ...segments: ReadonlyArray<object>) => ({
  ...booleanFlag(key, false),
  rollouts: segments.map((it) => ({ segment: { value: true, segments: [it] } }))
})

const half = {
  ...booleanFlag("half", false),
  rollouts: [{ threshold: { percentage: 50, value: true } }]
}

const split = {
  ...variantFlag("split", "a"),
  rules: [
    {
      segmentOperator: "OR_SEGMENT_OPERATOR",
      segments: [
        segment("grown-up pros", constraint("STRING", "plan", "eq", "pro"), constraint("NUMBER", "age", "gte", "18"))
      ],
      distributions: ["a", "b", "c"].map((variantKey) => ({ variantKey, rollout: 33 }))
    },
    {
      segmentOperator: "OR_SEGMENT_OPERATOR",
      segments: [segment("others", constraint("STRING", "plan", "neq", "pro"))],
      distributions: [
        { variantKey: "d", rollout: 50 },
        { variantKey: "e", rollout: 50 }
      ]
    }
  ]
}

const several = segmentsFlag(
  "several",
  segment("team", constraint("STRING", "plan", "eq", "team")),
  segment("old", constraint("NUMBER", "age", "gt", "60")),
  segment("pro", constraint("STRING", "plan", "eq", "pro")),
  segment("known", constraint("ENTITY_ID", "", "eq", "é"))
)

const document = encode(makeDocument([half, split, several]))

/** Returns the value, or throws the error itself. */
const valueOf = <A>(either: Either.Either<A, EvaluateError>): A => Either.getOrThrowWith(either, (error) => error)

/** Evaluates a flag with the function for its type. */
const resultOf = <A extends EvaluationRequest | string>(
  asked: {
    readonly variant: (asked: A) => Either.Either<VariantResult, EvaluateError>
    readonly boolean: (asked: A) => Either.Either<BooleanResult, EvaluateError>
  },
  flagKey: string,
  argument: A
): VariantResult | BooleanResult =>
  flagKey === "split" ? valueOf(asked.variant(argument)) : valueOf(asked.boolean(argument))

/** All ways to evaluate a flag, which must have the same result. */
const ways: { readonly [way: string]: (snapshot: Snapshot, request: EvaluationRequest) => unknown } = {
  alone: (snapshot, request) => resultOf(snapshot, request.flagKey, request),
  batch: (snapshot, request) => valueOf(snapshot.batch([request]))[0],
  // between two requests that read other properties
  "long batch": (snapshot, request) =>
    valueOf(
      snapshot.batch([
        { flagKey: "several", entityId: "before", context: { plan: "team", age: 70 } },
        request,
        { flagKey: "split", entityId: "after", context: { plan: "pro", age: 20 } }
      ])
    )[1],
  bound: (snapshot, request) =>
    resultOf(snapshot.bind(request.entityId, request.context), request.flagKey, request.flagKey),
  "bound again": (snapshot, request) => {
    const bound = snapshot.bind(request.entityId, request.context)
    bound.boolean("half")
    bound.variant("split")
    bound.boolean("several")
    return resultOf(bound, request.flagKey, request.flagKey)
  }
}

const contexts: ReadonlyArray<EvaluationContext> = [
  {},
  { plan: "pro", age: 18 },
  { plan: "pro", age: 17 },
  { plan: "pro" },
  { plan: "team", age: 70 },
  { age: "61" },
  { plan: "\ud800", age: 1.5 }
]
const ids = ["a", "b", "c", "é", "\ud800", "x".repeat(512), "x".repeat(513), "é".repeat(300)]

const requests: ReadonlyArray<EvaluationRequest> = ["half", "split", "several"].flatMap((flagKey) =>
  ids.flatMap((entityId) => contexts.map((context) => ({ flagKey, entityId, context })))
)

describe.each(engines)("the %s engine", (name, layer) => {
  const engine = Engine.Engine.pipe(Effect.provide(layer))

  it.scoped("answers for each entity as if it were the first", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const snapshot = yield* compile("default", document)
      const expected = new Map<EvaluationRequest, unknown>()
      for (const request of requests) {
        const fresh = Effect.map(compile("default", document), (it) => ways.alone?.(it, request))
        expected.set(request, yield* Effect.scoped(fresh))
      }
      // the answers must differ to be meaningful
      expect(new Set(Array.from(expected.values(), (it) => JSON.stringify(it))).size).toBeGreaterThan(8)
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.constantFrom(...requests), fc.constantFrom(...Object.keys(ways))), { maxLength: 20 }),
          (asked) => {
            for (const [request, way] of asked) {
              expect(ways[way]?.(snapshot, request)).toEqual(expected.get(request))
            }
          }
        ),
        { numRuns: 500 }
      )
    })
  )

  it.scoped("evaluates inside a getter of another evaluation's context, in all combinations", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const snapshot = yield* compile("default", document)
      const outer: EvaluationRequest = { flagKey: "split", entityId: "outer", context: { plan: "pro", age: 30 } }
      const inner: EvaluationRequest = { flagKey: "split", entityId: "inner", context: { plan: "free", age: 70 } }
      const outerResult = ways.alone?.(snapshot, outer)
      const innerResult = ways.alone?.(snapshot, inner)
      expect(innerResult).not.toEqual(outerResult)
      for (const [outerWay, ask] of Object.entries(ways)) {
        for (const [innerWay, askInside] of Object.entries(ways)) {
          for (const property of ["plan", "age"] as const) {
            let times = 0
            const context: EvaluationContext = Object.defineProperty({ ...outer.context }, property, {
              enumerable: true,
              get: () => {
                times++
                expect(askInside(snapshot, inner)).toEqual(innerResult)
                return outer.context?.[property]
              }
            })
            expect(ask(snapshot, { ...outer, context }), `${innerWay} in ${outerWay}`).toEqual(outerResult)
            expect(times).toBeGreaterThan(1)
          }
        }
      }
    })
  )

  it.scoped("continues after a getter that throws at any time", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const snapshot = yield* compile("default", document)
      const next: EvaluationRequest = { flagKey: "several", entityId: "next", context: { age: 70 } }
      const result = ways.alone?.(snapshot, next)
      for (const [way, ask] of Object.entries(ways)) {
        // validation reads it first
        for (const failing of [1, 2]) {
          let reads = 0
          const context = {
            plan: "free",
            get age() {
              if (++reads === failing) {
                throw new Error("thrown by the getter")
              }
              return 70
            }
          }
          const thrower = { flagKey: "several", entityId: "e", context }
          expect(() => ask(snapshot, thrower), `${way}, reading ${failing}`).toThrow("thrown by the getter")
          for (const otherWay of Object.keys(ways)) {
            expect(ways[otherWay]?.(snapshot, next)).toEqual(result)
          }
        }
      }
    })
  )

  it.effect("is closed to an evaluation whose context closes it", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      for (const closing of [1, 2]) {
        for (const [way, ask] of Object.entries(ways)) {
          const scope = yield* Scope.make()
          const snapshot = yield* Scope.extend(compile("default", document), scope)
          let reads = 0
          const context = {
            plan: "x".repeat(10_000),
            get age() {
              if (++reads === closing) {
                Effect.runSync(Scope.close(scope, Exit.void))
              }
              return 70
            }
          }
          const name = `${way}, reading ${closing}`
          const request = { flagKey: "several", entityId: "e", context }
          expect(() => ask(snapshot, request), name).toThrow("the snapshot is closed")
          expect(reads, name).toBeGreaterThanOrEqual(closing)
        }
      }
    })
  )

  it.scoped(
    "reads a property once for consecutive constraints, and once in total for a bound entity, after validation",
    () =>
      Effect.gen(function* () {
        const { compile } = yield* engine
        const plans = ["team", "free", "pro"].map((plan) => segment(plan, constraint("STRING", "plan", "eq", plan)))
        const snapshot = yield* compile(
          "default",
          encode(makeDocument([split, several, segmentsFlag("row", ...plans)]))
        )
        let reads = 0
        const context = {
          get plan() {
            reads++
            return "pro"
          }
        }
        for (const way of ["alone", "batch", "bound"]) {
          reads = 0
          expect(ways[way]?.(snapshot, { flagKey: "row", entityId: "e", context })).toMatchObject({
            segmentKeys: ["pro"]
          })
          expect(reads, way).toBe(2)
        }
        reads = 0
        const bound = snapshot.bind("e", context)
        expect(valueOf(bound.boolean("several"))).toMatchObject({ enabled: true, segmentKeys: ["pro"] })
        expect(valueOf(bound.boolean("row"))).toMatchObject({ enabled: true, segmentKeys: ["pro"] })
        expect(valueOf(bound.variant("split"))).toMatchObject({ match: false })
        expect(reads).toBe(name === "native" ? 4 : 2)
      })
  )

  it.scoped("reads a number like its text", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const operators = ["eq", "neq", "lt", "lte", "gt", "gte"]
      const constraints = [
        ...operators.flatMap((operator) =>
          ["7", "0", "-2147483648", "2147483647"].map((value) => constraint("NUMBER", "n", operator, value))
        ),
        ...["isoneof", "isnotoneof"].map((operator) => constraint("NUMBER", "n", operator, "[0,7,-5]")),
        ...["present", "notpresent"].map((operator) => constraint("NUMBER", "n", operator)),
        ...["eq", "neq", "prefix", "suffix", "contains", "notcontains"].map((operator) =>
          constraint("STRING", "n", operator, "7")
        ),
        ...["isoneof", "isnotoneof"].map((operator) => constraint("STRING", "n", operator, '["7","0","1e+21"]')),
        ...["empty", "notempty"].map((operator) => constraint("STRING", "n", operator)),
        constraint("DATETIME", "n", "neq", "2024-01-02T00:00:00Z"),
        constraint("BOOLEAN", "n", "true")
      ]
      const flags = constraints.map((it, index) => segmentsFlag(`flag-${index}`, segment("s", it)))
      const snapshot = yield* compile("default", encode(makeDocument(flags)))
      const answers = (n: number | string) =>
        Either.getOrThrow(snapshot.batch(flags.map(({ key }) => ({ flagKey: key, entityId: "e", context: { n } }))))
      const numbers = fc.oneof(
        fc.constantFrom(0, -0, 7, -5, 7.5, 1e21, 2147483647, 2147483648, -2147483648, -2147483649, 4294967303),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true })
      )
      fc.assert(
        fc.property(numbers, (n) => {
          expect(answers(n)).toEqual(answers(String(n)))
        })
      )
    })
  )

  it.scoped("reads only a lone surrogate in a value or an id as U+FFFD", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const operators = [
        ["eq", "a\ufffd"],
        ["prefix", "a\ufffd"],
        ["suffix", "\ufffd"],
        ["contains", "\ufffd"],
        ["isoneof", '["b","a\ufffd"]']
      ] as const
      const flags = operators.flatMap(([operator, value]) => [
        segmentsFlag(`value ${operator}`, segment("s", constraint("STRING", "p", operator, value))),
        segmentsFlag(`id ${operator}`, segment("s", constraint("ENTITY_ID", "", operator, value)))
      ])
      const snapshot = yield* compile("default", encode(makeDocument(flags)))
      for (const { key } of flags) {
        for (const text of ["a\ufffd", "a\ud800", "a\udc00"]) {
          const [entityId, p] = key.startsWith("id") ? [text, "b"] : ["b", text]
          expect(yield* snapshot.boolean({ flagKey: key, entityId, context: { p } }), key).toMatchObject({
            enabled: true
          })
        }
        const [entityId, p] = key.startsWith("id") ? ["a😀", "b"] : ["b", "a😀"]
        expect(yield* snapshot.boolean({ flagKey: key, entityId, context: { p } }), key).toMatchObject({
          enabled: false
        })
      }
    })
  )

  it.scoped("reads thousands of properties, more than it caches for an entity", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const count = 3_000
      const flags = Array.from({ length: count }, (_, index) =>
        segmentsFlag(`flag-${index}`, segment("s", constraint("STRING", `p${index}`, "eq", "yes")))
      )
      const snapshot = yield* compile("default", encode(makeDocument(flags)))
      const contextOf = (rest: number) =>
        Object.fromEntries(flags.map((_, index) => [`p${index}`, index % 3 === rest ? "yes" : "no"]))
      const bound = [0, 1, 2].map((rest) => snapshot.bind("e", contextOf(rest)))
      const unbound = [0, 1, 2].map(contextOf)
      // starting from the last one, which is farthest from the cached ones
      for (let index = count - 1; index >= 0; index -= 7) {
        const flagKey = `flag-${index}`
        for (const rest of [0, 1, 2]) {
          const expected = { enabled: index % 3 === rest }
          expect(yield* snapshot.boolean({ flagKey, entityId: "e", context: unbound[rest]! })).toMatchObject(expected)
          expect(yield* bound[rest]!.boolean(flagKey)).toMatchObject(expected)
        }
      }
    })
  )

  it.scoped("reads the own properties of a context, enumerable or not", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const flags = [
        segmentsFlag("text", segment("s", constraint("STRING", "p", "notempty"))),
        segmentsFlag("number", segment("s", constraint("NUMBER", "p", "present"))),
        segmentsFlag("lenient", segment("s", constraint("STRING", "\ufffd", "notempty")))
      ]
      const snapshot = yield* compile("default", encode(makeDocument(flags)))
      const matches = (flagKey: string, context: object) =>
        Either.getOrThrow(snapshot.boolean({ flagKey, entityId: "e", context: context as EvaluationContext })).enabled
      for (const [flagKey, name] of [
        ["text", "p"],
        ["number", "p"],
        ["lenient", "\ufffd"],
        ["lenient", "\udc00"]
      ] as const) {
        for (const enumerable of [true, false]) {
          expect(matches(flagKey, Object.defineProperty({}, name, { value: "1", enumerable }))).toBe(true)
          expect(matches(flagKey, Object.defineProperty({}, name, { get: () => 1, enumerable }))).toBe(true)
        }
        expect(matches(flagKey, Object.create({ [name]: "1" }))).toBe(false)
        // validation does not see these
        for (const value of [undefined, null, Number.NaN, Number.POSITIVE_INFINITY, new Date(Number.NaN), ["1"], {}]) {
          expect(matches(flagKey, Object.defineProperty({}, name, { value })), String(value)).toBe(false)
        }
      }
    })
  )
})

it.live(
  "a Snapshot keeps neither the document nor the last context in memory",
  () =>
    Effect.gen(function* () {
      const kept = yield* run(
        "kept.mjs",
        engines.map(([name]) => name),
        240_000
      )
      const nothing = { document: false, request: false, context: false, batch: false }
      expect(kept).toEqual(Object.fromEntries(engines.map(([name]) => [name, nothing])))
    }),
  300_000
)
