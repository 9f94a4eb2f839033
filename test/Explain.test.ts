import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as fc from "fast-check"
import * as Engine from "../src/Engine.js"
import * as Explain from "../src/Explain.js"
import type { EvaluateError } from "../src/FliptError.js"
import type { BooleanResult, EvaluationRequest, VariantResult } from "../src/Model.js"
import type { Snapshot } from "../src/Snapshot.js"
import { corpus, encode, normalize } from "./support/corpus.js"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"
import { engines } from "./support/engines.js"
import * as Generators from "./support/generators.js"
import { constraint, distribution, segment, variantFlagOf } from "./support/rules.js"

const DOCUMENTS = 150
const REQUESTS = 8

const keysOf = (segments: ReadonlyArray<Explain.SegmentStep>): ReadonlyArray<string> =>
  segments.filter(({ matches }) => matches).map(({ key }) => key)

/** The result that follows from the steps of the explanation. */
const variantOf = (it: Explain.VariantExplanation): Omit<VariantResult, "variantAttachment"> => {
  const { defaultVariant } = it.flag
  const rule = it.decidedBy === undefined ? undefined : it.rules[it.decidedBy]
  const bucket = it.bucket === undefined ? undefined : rule?.buckets[it.bucket]
  return {
    _tag: "Variant",
    flagKey: it.flag.key,
    match: rule !== undefined,
    reason:
      rule !== undefined
        ? "MATCH_EVALUATION_REASON"
        : !it.flag.enabled
          ? "FLAG_DISABLED_EVALUATION_REASON"
          : defaultVariant === undefined
            ? "UNKNOWN_EVALUATION_REASON"
            : "DEFAULT_EVALUATION_REASON",
    segmentKeys: keysOf(rule?.segments ?? []),
    variantKey: (bucket ?? { variantKey: defaultVariant?.key ?? "" }).variantKey
  }
}

const booleanOf = (it: Explain.BooleanExplanation): BooleanResult => {
  const rollout = it.decidedBy === undefined ? undefined : it.rollouts[it.decidedBy]
  const decides = rollout !== undefined && rollout._tag !== "Unknown"
  return {
    _tag: "Boolean",
    flagKey: it.flag.key,
    enabled: decides ? rollout.value : it.flag.enabled,
    reason: decides ? "MATCH_EVALUATION_REASON" : "DEFAULT_EVALUATION_REASON",
    segmentKeys: rollout?._tag === "Segment" ? keysOf(rollout.segments) : []
  }
}

/** Checks that every step before the deciding one misses and that no step after it is reached. */
const expectOrder = (
  steps: ReadonlyArray<{ readonly matches: boolean; readonly reached: boolean }>,
  decidedBy: number | undefined,
  evaluates: boolean
): void => {
  const end = !evaluates ? -1 : (decidedBy ?? steps.length - 1)
  expect(steps.map(({ reached }) => reached)).toEqual(steps.map((_, index) => index <= end))
  expect(steps.findIndex(({ matches, reached }) => matches && reached)).toBe(decidedBy ?? -1)
}

const expectConstraints = (segments: ReadonlyArray<Explain.SegmentStep>): void => {
  for (const { holds, note } of segments.flatMap(({ constraints }) => constraints)) {
    if (note?.endsWith("this never holds")) {
      expect(holds).toBe(false)
    }
  }
}

/** Checks that the explanation has the evaluation's result, or fails with its error. */
const explained = <A extends Explain.Explanation, R>(
  evaluated: Either.Either<R, EvaluateError>,
  explanation: Effect.Effect<A, EvaluateError>,
  derive: (explanation: A) => R
): Effect.Effect<A | undefined> =>
  Effect.map(Effect.either(explanation), (either) => {
    if (Either.isLeft(evaluated)) {
      expect(either).toEqual(evaluated)
      return undefined
    }
    const it = Either.getOrThrow(either)
    expect(it.result).toEqual(evaluated.right)
    expect(evaluated.right).toMatchObject(derive(it) as object)
    return it
  })

const expectExplained = (
  snapshot: Snapshot,
  request: EvaluationRequest
): Effect.Effect<ReadonlyArray<Explain.Explanation>> =>
  Effect.gen(function* () {
    const variant = yield* explained(snapshot.variant(request), Explain.variant(snapshot, request), variantOf)
    if (variant !== undefined) {
      expectOrder(variant.rules, variant.decidedBy, variant.flag.enabled)
      expectConstraints(variant.rules.flatMap(({ segments }) => segments))
    }
    const boolean = yield* explained(snapshot.boolean(request), Explain.boolean(snapshot, request), booleanOf)
    if (boolean !== undefined) {
      expectOrder(boolean.rollouts, boolean.decidedBy, true)
      expectConstraints(boolean.rollouts.flatMap((it) => (it._tag === "Segment" ? it.segments : [])))
    }
    return [variant, boolean].filter((it) => it !== undefined)
  })

/** Counts two columns for each character that may be wide. */
const columns = (line: string): number =>
  [...line].reduce((total, character) => total + (character.codePointAt(0)! < 0x1100 ? 1 : 2), 0)

const expectPrintable = (text: string): void => {
  for (const line of text.split("\n")) {
    expect(columns(line), line).toBeLessThanOrEqual(80)
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
  }
}

describe.each(engines)("with the %s engine", (_name, layer) => {
  const engine = Engine.Engine.pipe(Effect.provide(layer))

  it.scoped(
    "an explanation has the official engine's answer to every evaluation of the corpus, and the steps to it",
    () =>
      Effect.gen(function* () {
        const { compile } = yield* engine
        let explanations = 0
        for (const { cases, document, namespace } of corpus) {
          const snapshot = yield* compile(namespace, encode(document))
          for (const { expected, kind, request } of cases) {
            const found = yield* expectExplained(snapshot, request)
            for (const it of found.filter(({ _tag }) => _tag.toLowerCase() === kind)) {
              expect({ ok: normalize(it.result) }).toEqual(expected)
              explanations++
            }
          }
        }
        expect(explanations).toBe(
          corpus.flatMap(({ cases }) => cases).filter(({ expected }) => "ok" in expected).length
        )
      }),
    120_000
  )

  it.effect(
    "an explanation has the evaluation's result and the steps to it, for any document",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(Generators.drawn(REQUESTS), ({ document, requests }) =>
            Effect.gen(function* () {
              const { compile } = yield* engine
              const snapshot = yield* compile(document.namespace.key, encode(document))
              for (const request of requests) {
                for (const explanation of yield* expectExplained(snapshot, request)) {
                  expectPrintable(Explain.format(explanation))
                }
              }
            }).pipe(Effect.scoped, Effect.runPromise)
          ),
          { numRuns: DOCUMENTS }
        )
      ),
    120_000
  )

  it.effect("an explanation of a closed Snapshot fails", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const scope = yield* Scope.make()
      const snapshot = yield* Scope.extend(compile("default", encode(makeDocument([variantFlag("a", "x")]))), scope)
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(Explain.variant(snapshot, { flagKey: "a", entityId: "e" }))
      expect(error).toMatchObject({ _tag: "EvaluationError", reason: "Closed" })
    })
  )
})

/** One flag for each kind of step. */
const shop = makeDocument(
  [
    variantFlagOf(
      "theme",
      [
        {
          segments: [
            segment("beta-testers", "ALL", [
              constraint("STRING", "plan", "eq", "Pro"),
              constraint("STRING", "country", "isoneof", '["DE","FR"]'),
              constraint("NUMBER", "age", "gte", "17.5")
            ])
          ],
          distributions: [distribution("contrast", 100)]
        },
        {
          segmentOperator: "AND_SEGMENT_OPERATOR",
          segments: [
            segment("adults", "ALL", [constraint("NUMBER", "age", "gte", "18")]),
            segment("europe", "ANY", [
              constraint("STRING", "country", "isoneof", '["DE","FR","IT","ES","PL","NL","BE","AT","SE","PT","GR"]'),
              constraint("BOOLEAN", "eu", "true", "")
            ])
          ],
          distributions: [distribution("light", 30), distribution("dark", 70, '{"accent":"teal"}')]
        },
        { segments: [segment("everyone", "ALL", [])], distributions: [distribution("light", 100)] }
      ],
      { id: "1", key: "light" }
    ),
    {
      ...booleanFlag("new-checkout", false),
      rollouts: [
        { threshold: { percentage: 20, value: true } },
        {
          segment: {
            value: true,
            segments: [
              segment("long-time", "ALL", [constraint("DATETIME", "registered", "lt", "2020-01-01")]),
              segment("staff", "ALL", [constraint("ENTITY_ID", "id", "prefix", "staff-")])
            ]
          }
        },
        {}
      ]
    }
  ],
  "shop"
)

const loadShop = Effect.gen(function* () {
  const { compile } = yield* Engine.Engine
  return yield* compile("shop", encode(shop))
}).pipe(Effect.provide(Engine.layerPortable))

const context = { plan: "pro", country: "DE", age: 30 }

const page = readFileSync(new URL("../docs/explain.md", import.meta.url), "utf8")

describe("an explanation", () => {
  it.scoped("is printed as the guide shows it", () =>
    Effect.gen(function* () {
      const snapshot = yield* loadShop
      const variant = yield* Explain.variant(snapshot, { flagKey: "theme", entityId: "user-42", context })
      expect(page).toContain(`\`\`\`text\n${Explain.format(variant)}\n\`\`\``)
      const boolean = yield* Explain.boolean(snapshot, { flagKey: "new-checkout", entityId: "user-42", context })
      expect(page).toContain(`\`\`\`text\n${Explain.format(boolean)}\n\`\`\``)
    })
  )

  it.scoped("is printed for the flags of the first program as the README shows it", () =>
    Effect.gen(function* () {
      const { compile } = yield* Engine.Engine
      const snapshot = yield* compile("default", [readFileSync(new URL("../examples/flags.json", import.meta.url))])
      const user = { entityId: "user-42", context: { plan: "pro", beta: true } }
      const explanation = yield* Explain.variant(snapshot, { flagKey: "theme", ...user })
      const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
      expect(readme).toContain(`\`\`\`text\n${Explain.format(explanation)}\n\`\`\``)
    }).pipe(Effect.provide(Engine.layerPortable))
  )

  it.scoped("says why a constraint does not hold if the two values do not show it", () =>
    Effect.gen(function* () {
      const { compile } = yield* Engine.Engine.pipe(Effect.provide(Engine.layerPortable))
      const noteOf = (definition: object, context: EvaluationRequest["context"]) =>
        Effect.gen(function* () {
          const flag = variantFlagOf("f", [{ segments: [segment("s", "ANY", [definition])], distributions: [] }])
          const snapshot = yield* compile("default", encode(makeDocument([flag])))
          const { rules } = yield* Explain.variant(snapshot, { flagKey: "f", entityId: "e", context })
          return rules[0]!.segments[0]!.constraints[0]!.note
        })
      const age = (operator: string, value: string) => constraint("NUMBER", "age", operator, value)
      const plan = (operator: string, value: string) => constraint("STRING", "plan", operator, value)
      const at = (value: string) => constraint("DATETIME", "at", "lt", value)
      const notes = yield* Effect.all([
        noteOf(age("gte", "1.5"), { age: 2 }),
        noteOf(age("isoneof", "[1,2.5]"), { age: 1 }),
        noteOf(age("gte", "1"), { age: 2.5 }),
        noteOf(age("gte", "1"), { Age: 2 }),
        noteOf(age("contains", "1"), { age: 1 }),
        noteOf(at("2024-01-02"), { at: new Date(0) }),
        noteOf(at("2024-01-02T00:00:00Z"), { at: "2024-01-01" }),
        noteOf(plan("isoneof", '["R\\u0026D"]'), { plan: "R&D" }),
        noteOf(plan("isnotoneof", '["R\\u0026D"]'), { plan: "R&D" }),
        noteOf(plan("isoneof", "pro,free"), { plan: "pro" }),
        noteOf(plan("eq", "Pro"), { plan: "pro" }),
        noteOf(plan("eq", "pro "), { plan: "pro" }),
        noteOf(constraint("BOOLEAN", "eu", "true", ""), { eu: "1" }),
        noteOf(constraint("FUTURE", "eu", "true", ""), { eu: "1" }),
        noteOf(plan("eq", "pro"), { plan: "free" }),
        noteOf(plan("eq", "pro"), { plan: "pro" }),
        noteOf(plan("eq", "pro"), {})
      ])
      expect(notes).toEqual([
        "1.5 is not a 32-bit integer: this never holds",
        "the value is not a list of 32-bit integers: this never holds",
        "the request's 2.5 is not a 32-bit integer",
        'the request has "Age", which is another property',
        'constraints of this type have no operator "contains": this never holds',
        "2024-01-02 is not an RFC 3339 date and time: this never holds",
        "the request's 2024-01-01 is not an RFC 3339 date and time",
        "the list contains an escape, so it counts as empty: this never holds",
        "the list contains an escape, so it counts as empty: this holds for every value",
        "the value is not a list of strings, so it counts as empty: this never holds",
        "the two values differ in letter case",
        "the two values differ in blanks",
        'the request\'s 1 is not a boolean: only "true" and "false" are',
        "the type is unknown: a segment that reaches this constraint does not match",
        undefined,
        undefined,
        undefined
      ])
    })
  )

  it.scoped("cuts the long key of a default variant, of an enabled and of a disabled flag", () =>
    Effect.gen(function* () {
      const { compile } = yield* Engine.Engine.pipe(Effect.provide(Engine.layerPortable))
      for (const enabled of [true, false]) {
        const flag = { ...variantFlagOf("a", [], { id: "x", key: "x".repeat(100) }), enabled }
        const snapshot = yield* compile("default", encode(makeDocument([flag])))
        expectPrintable(Explain.format(yield* Explain.variant(snapshot, { flagKey: "a", entityId: "e" })))
      }
    })
  )

  it.scoped("cuts and escapes values from outside", () =>
    Effect.gen(function* () {
      const { compile } = yield* Engine.Engine.pipe(Effect.provide(Engine.layerPortable))
      const hostile = `\u001b[31m\u202e\u2028\u009b\n"\\${"x".repeat(1_000_000)}`
      const key = hostile.slice(0, 1024)
      const flag = variantFlagOf(
        key,
        [
          {
            segments: [
              segment(hostile, "ALL", [
                constraint("STRING", hostile, "eq", hostile),
                constraint("STRING", hostile, hostile, hostile),
                constraint("NUMBER", hostile, "isoneof", hostile),
                constraint("STRING", `${hostile}2`, "eq", hostile)
              ])
            ],
            distributions: [distribution(hostile, 50, hostile), distribution("国".repeat(1000), 50)]
          }
        ],
        { id: hostile, key: hostile, attachment: hostile }
      )
      const snapshot = yield* compile("default", encode(makeDocument([flag])))
      const context = { [hostile]: hostile }
      const text = Explain.format(yield* Explain.variant(snapshot, { flagKey: key, entityId: hostile, context }))
      expectPrintable(text)
      expect(text).toContain("\\u001b[31m\\u202e\\u2028\\u009b\\n")
      expect(text.length).toBeLessThan(5000)
    })
  )

  it.scoped("grows linearly with its flag", () =>
    Effect.gen(function* () {
      const { compile } = yield* Engine.Engine.pipe(Effect.provide(Engine.layerPortable))
      const sizes: Array<number> = []
      for (const count of [200, 400]) {
        const some = Array.from({ length: count }, (_, index) => index)
        const segments = some.map((index) =>
          segment(`s${index}`, "ALL", [constraint("STRING", `p${index}`, "eq", "v")])
        )
        const distributions = some.map((index) => distribution(`v${index}`, 1))
        const flag = variantFlagOf("f", [{ segments, distributions }])
        const snapshot = yield* compile("default", encode(makeDocument([flag])))
        const explanation = yield* Explain.variant(snapshot, { flagKey: "f", entityId: "e" })
        sizes.push(JSON.stringify(explanation).length)
      }
      expect(sizes[1]! / sizes[0]!).toBeLessThan(2.2)
    })
  )
})
