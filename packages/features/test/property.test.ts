/**
 * Random documents are written as features files. The converted files evaluate like the documents themselves.
 */
import { expect, it } from "@effect/vitest"
import * as Features from "@flipt-client-effect/features"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { stringify } from "yaml"
import { answering } from "./support/evaluate.js"

const texts = [
  "a",
  "b",
  "ab",
  "é",
  "😀",
  "true",
  "null",
  "~",
  "1",
  "1.5",
  "2026-01-02",
  "- a",
  "#",
  "&a",
  "*a",
  "a: b",
  "<<",
  "",
  " a ",
  "<&>",
  "\u2028",
  'a"b',
  "a\\b",
  "a\nb"
]
const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...texts) },
  fc.string({ unit: "grapheme", maxLength: 5 })
)
const filled = text.filter((it) => /^.+$/su.test(it))
const percent = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.double({ min: 0, max: 100, noNaN: true }))
const integer = fc.oneof(fc.constantFrom(0, 1, 7, -7, 2147483647), fc.integer())
const json = fc.jsonValue({ maxDepth: 2, noUnicodeString: false }).filter((it) => typeof it === "object" && it !== null)

interface Constraint {
  readonly type: string
  readonly property: string
  readonly operator: string
  readonly value: string | ReadonlyArray<string | number>
}

const constraintOf = (
  type: string,
  operators: ReadonlyArray<string>,
  value: fc.Arbitrary<Constraint["value"]>
): fc.Arbitrary<Constraint> =>
  fc.record({
    type: fc.constant(`${type}_COMPARISON_TYPE`),
    property: filled,
    operator: fc.constantFrom(...operators),
    value
  })

const lists = ["isoneof", "isnotoneof"]
const orders = ["eq", "neq", "lt", "lte", "gt", "gte", "present", "notpresent"]
const textOperators = ["eq", "neq", "empty", "notempty", "prefix", "suffix", "contains", "notcontains"]

const constraint = fc.oneof(
  ...["STRING", "ENTITY_ID"].flatMap((type) => [
    constraintOf(type, textOperators, text),
    constraintOf(type, lists, fc.array(text, { maxLength: 3 }))
  ]),
  constraintOf("NUMBER", orders, integer.map(String)),
  constraintOf("NUMBER", lists, fc.array(integer, { maxLength: 3 })),
  constraintOf("BOOLEAN", ["true", "false", "present", "notpresent"], text),
  constraintOf("DATETIME", orders, fc.constantFrom("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+01:00"))
)

const segmentKeys = ["s1", "s2", "s3"] as const

const operator = fc.constantFrom("OR_SEGMENT_OPERATOR", "AND_SEGMENT_OPERATOR")
const audience = fc.record({ keys: fc.subarray([...segmentKeys], { minLength: 1 }), operator })

const variantKeys = ["v1", "v 2", "ü"] as const

const flag = (key: string) =>
  fc.record({
    key: fc.constant(key),
    isBoolean: fc.boolean(),
    enabled: fc.boolean(),
    variants: fc.tuple(...variantKeys.map((key) => fc.record({ key: fc.constant(key), attachment: fc.option(json) }))),
    byDefault: fc.option(fc.constantFrom(0, 1, 2)),
    rules: fc.array(
      fc.record({
        audience,
        distributions: fc.array(fc.record({ variant: fc.constantFrom(0, 1, 2), rollout: percent }), { maxLength: 3 })
      }),
      { maxLength: 3 }
    ),
    rollouts: fc.array(
      fc.oneof(fc.record({ percentage: percent, value: fc.boolean() }), fc.record({ audience, value: fc.boolean() })),
      { maxLength: 3 }
    )
  })

const drawn = fc.record({
  segments: fc.tuple(
    ...segmentKeys.map((key) =>
      fc.record({ key: fc.constant(key), isAny: fc.boolean(), constraints: fc.array(constraint, { maxLength: 3 }) })
    )
  ),
  flags: fc.tuple(flag("f1"), flag("f-2"), flag("F_3"))
})

type Drawn = typeof drawn extends fc.Arbitrary<infer A> ? A : never

/** The form that a server serves. */
const snapshotOf = ({ flags, segments }: Drawn) => {
  const escaped = (value: unknown) =>
    JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, "0")}`)
  const bySegment = new Map(
    segments.map(({ constraints, isAny, key }) => [
      key,
      {
        key,
        matchType: `${isAny ? "ANY" : "ALL"}_SEGMENT_MATCH_TYPE`,
        constraints: constraints.map((it) => ({
          ...it,
          type: it.type.replace("_COMPARISON", "_CONSTRAINT_COMPARISON"),
          value: typeof it.value === "string" ? it.value : escaped(it.value)
        }))
      }
    ])
  )
  const inAudience = (it: {
    readonly keys: ReadonlyArray<(typeof segmentKeys)[number]>
    readonly operator: string
  }) => ({
    segmentOperator: it.operator,
    segments: it.keys.map((key) => bySegment.get(key))
  })
  return {
    namespace: { key: "default" },
    flags: flags.map(({ byDefault, enabled, isBoolean, key, rollouts, rules, variants }) => ({
      key,
      name: key,
      enabled,
      type: isBoolean ? "BOOLEAN_FLAG_TYPE" : "VARIANT_FLAG_TYPE",
      rules: rules.map((rule, index) => ({
        id: `${index}`,
        rank: index + 1,
        ...inAudience(rule.audience),
        distributions: rule.distributions.map(({ rollout, variant }) => ({
          ruleId: `${index}`,
          variantKey: variants[variant]!.key,
          variantAttachment: JSON.stringify(variants[variant]!.attachment),
          rollout
        }))
      })),
      rollouts: rollouts.map((it) =>
        "audience" in it ? { segment: { value: it.value, ...inAudience(it.audience) } } : { threshold: it }
      ),
      ...(byDefault === null
        ? {}
        : {
            defaultVariant: {
              id: "d",
              key: variants[byDefault]!.key,
              attachment: JSON.stringify(variants[byDefault]!.attachment)
            }
          })
    }))
  }
}

/** The form in a repository. */
const featuresOf = ({ flags, segments }: Drawn) => ({
  namespace: "default",
  flags: flags.map(({ byDefault, enabled, isBoolean, key, rollouts, rules, variants }) => ({
    key,
    name: key,
    type: isBoolean ? "BOOLEAN_FLAG_TYPE" : "VARIANT_FLAG_TYPE",
    enabled,
    variants: variants.map((variant, index) => ({ ...variant, default: index === byDefault })),
    rules: rules.map((rule) => ({
      segment: rule.audience,
      distributions: rule.distributions.map(({ rollout, variant }) => ({ variant: variants[variant]!.key, rollout }))
    })),
    rollouts: rollouts.map((it) =>
      "audience" in it ? { segment: { ...it.audience, value: it.value } } : { threshold: it }
    )
  })),
  segments: segments.map(({ constraints, isAny, key }) => ({
    key,
    name: key,
    match_type: isAny ? "ANY_MATCH_TYPE" : "ALL_MATCH_TYPE",
    constraints
  }))
})

/** Values from constraints, for the properties that they read. */
const contextsOf = ({ segments }: Drawn): ReadonlyArray<Record<string, string>> => {
  const constraints = segments.flatMap((it) => it.constraints)
  const matching = constraints.map(({ property, value }) => [property, String(Array.isArray(value) ? value[0] : value)])
  return [{}, Object.fromEntries(matching), ...matching.map(([property, value]) => ({ [property!]: value! }))]
}

/** Parses attachments, because Flipt sorts their keys and escapes them in its own way. */
const comparable = (answer: unknown) => {
  const { variantAttachment, ...rest } = answer as Record<string, unknown>
  return { ...rest, attachment: variantAttachment === undefined ? undefined : JSON.parse(variantAttachment as string) }
}

const ways: ReadonlyArray<readonly [name: string, write: (features: object) => string]> = [
  ["YAML", (features) => stringify(features, { aliasDuplicateObjects: true })],
  [
    "YAML in flow style with quotes",
    (features) =>
      stringify(features, {
        collectionStyle: "flow",
        defaultStringType: "QUOTE_DOUBLE",
        defaultKeyType: "QUOTE_DOUBLE"
      })
  ],
  ["JSON", (features) => JSON.stringify(features)]
]

for (const [name, write] of ways) {
  it.live(
    `documents written as ${name} evaluate like the originals`,
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(drawn, (document) =>
            Effect.gen(function* () {
              const written = write(featuresOf(document))
              const converted = Features.convert([{ path: "features.yml", text: written }])
              if (Either.isLeft(converted)) {
                throw new Error(`${converted.left.message}\n${written}`)
              }
              const expected = yield* answering("default", JSON.stringify(snapshotOf(document)))
              const actual = yield* answering("default", converted.right.documents.get("default")!)
              for (const context of contextsOf(document)) {
                for (const entityId of ["a", "b", "é", "e1", "e2"]) {
                  for (const { key } of document.flags) {
                    for (const kind of ["variant", "boolean"] as const) {
                      const request = { flagKey: key, entityId, context }
                      expect(comparable(actual(kind, request))).toEqual(comparable(expected(kind, request)))
                    }
                  }
                }
              }
            }).pipe(Effect.scoped, Effect.runPromise)
          ),
          { numRuns: 60 }
        )
      ),
    120_000
  )
}
