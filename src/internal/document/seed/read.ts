/**
 * The seed: the base64 text by which the official clients hand a flag state to each other. It is the state as their
 * engine keeps it, so rules and rollouts stand in maps by flag, and segments in maps by key.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import type * as Definition from "../definition.js"
import { isAnd, isAny, isBoolean } from "../definition.js"
import { makeRollout, readConstraint, readDefaultVariant, readThreshold } from "../document.js"
import { boolean, float, list, optional, Reader, required, string, struct } from "../json.js"

const VERSION = 1

const record =
  <A>(value: (reader: Reader) => A) =>
  (reader: Reader): Map<string, A> => {
    const entries = new Map<string, A>()
    for (const key of reader.entries()) {
      entries.set(key, value(reader))
    }
    return entries
  }

interface SeedFlag {
  readonly key: string
  readonly enabled: boolean
  readonly boolean: boolean
  readonly description: string | undefined
  readonly defaultVariant: Definition.DefaultVariant | undefined
}

const readFlag = struct<SeedFlag>({
  key: required("key", string),
  enabled: required("enabled", boolean),
  boolean: required("type", (reader) => isBoolean(reader.string())),
  description: optional("description", string, undefined),
  defaultVariant: optional("default_variant", readDefaultVariant, undefined)
})

const readSegmentFields = struct<{
  readonly any: boolean
  readonly constraints: ReadonlyArray<Definition.Constraint>
}>({
  any: required("match_type", (reader) => isAny(reader.string())),
  constraints: required("constraints", list(readConstraint))
})

const readSegments = (reader: Reader): ReadonlyArray<Definition.Segment> =>
  Array.from(record((it) => it.again(readSegmentFields))(reader), ([key, { any, constraints }]) => ({
    key,
    any,
    constraints
  }))

const readRule = struct<Definition.Audience & { readonly id: string }>({
  id: required("id", string),
  and: required("segment_operator", (reader) => isAnd(reader.string())),
  segments: required("segments", readSegments)
})

const readRolloutFields = struct<{
  readonly threshold: { readonly percentage: number; readonly value: boolean } | undefined
  readonly segment: (Definition.Audience & { readonly value: boolean }) | undefined
}>({
  threshold: optional("threshold", readThreshold, undefined),
  segment: optional(
    "segment",
    struct<Definition.Audience & { readonly value: boolean }>({
      and: required("segment_operator", (reader) => isAnd(reader.string())),
      segments: required("segments", readSegments),
      value: required("value", boolean)
    }),
    undefined
  )
})

const readDistribution = struct<Definition.Distribution>({
  variantKey: required("variant_key", string),
  attachment: optional("variant_attachment", string, undefined),
  rollout: required("rollout", float)
})

interface SeedNamespace {
  readonly key: string
  readonly flags: Map<string, SeedFlag>
  readonly rules: Map<string, ReadonlyArray<ReturnType<typeof readRule>>>
  readonly rollouts: Map<string, ReadonlyArray<Definition.Rollout>>
  readonly distributions: Map<string, ReadonlyArray<Definition.Distribution>>
}

const readSeedText = struct<{ readonly version: number; readonly namespace: SeedNamespace }>({
  version: required("version", (reader) => {
    const version = reader.float()
    return version === VERSION ? version : reader.fail(`version ${version} is not known, only ${VERSION} is`)
  }),
  namespace: required(
    "namespace",
    struct<SeedNamespace>({
      key: required("key", string),
      flags: required("flags", record(readFlag)),
      rules: required("eval_rules", record(list(readRule))),
      rollouts: required("eval_rollouts", record(list((reader) => makeRollout(readRolloutFields(reader))))),
      distributions: required("eval_distributions", record(list(readDistribution)))
    })
  )
})

/** Reads a seed's JSON text. Throws `Malformed`. */
export const readSeed = (text: string, namespace: string): ReadonlyArray<Definition.Flag> => {
  const reader = new Reader(text)
  const seed = readSeedText(reader).namespace
  reader.end()
  if (seed.key !== namespace) {
    reader.fail(`it is of namespace ${JSON.stringify(seed.key)}, not of ${JSON.stringify(namespace)}`)
  }
  const entry = <A>(map: ReadonlyMap<string, A>, name: string, key: string): A => {
    const value = map.get(key)
    return value === undefined ? reader.fail(`"${name}" has no entry for ${JSON.stringify(key)}`) : value
  }
  return Array.from(seed.flags, ([key, flag]) => ({
    key,
    boolean: flag.boolean,
    enabled: flag.enabled,
    description: flag.description,
    defaultVariant: flag.defaultVariant,
    rules: entry(seed.rules, "eval_rules", key).map((rule) => ({
      and: rule.and,
      segments: rule.segments,
      distributions: entry(seed.distributions, "eval_distributions", rule.id)
    })),
    rollouts: entry(seed.rollouts, "eval_rollouts", key)
  }))
}

/** Reads what a Snapshot has written. Anything else throws. */
export const readSeedOf = (seed: string, namespace: string): ReadonlyArray<Definition.Flag> =>
  readSeed(Either.getOrThrow(Encoding.decodeBase64String(seed)), namespace)

// Written by hand: an object would put keys that look like integers first, and take `__proto__` for its prototype.

const text = JSON.stringify

const members = (...entries: ReadonlyArray<readonly [string, string | undefined]>): string =>
  `{${entries
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${text(key)}:${value}`)
    .join(",")}}`

const items = <A>(values: ReadonlyArray<A>, write: (value: A, index: number) => string): string =>
  `[${values.map(write).join(",")}]`

const maybe = (value: string | undefined): string | undefined => (value === undefined ? undefined : text(value))

/** The shortest decimal that is this number in single precision; the nearest of them, and of two the even one. */
export const formatFloat = (value: number): string => {
  const sign = value < 0 ? "-" : ""
  const magnitude = Math.abs(value)
  // with enough digits to be exact
  const [mantissa, exponent] = magnitude.toExponential(100).split("e") as [string, string]
  const exact = mantissa.replace(".", "")
  for (let digits = 1; digits < 10; digits++) {
    const below = Number(exact.slice(0, digits))
    const rest = exact.slice(digits)
    const half = `5${"0".repeat(rest.length - 1)}`
    const up = rest > half || (rest === half && below % 2 === 1)
    for (const whole of up ? [below + 1, below] : [below, below + 1]) {
      const candidate = Number(`${whole}e${Number(exponent) - digits + 1}`)
      if (Math.fround(candidate) === magnitude) {
        return sign + String(candidate)
      }
    }
  }
  return String(value)
}

const operator = (and: boolean): string => text(and ? "AND_SEGMENT_OPERATOR" : "OR_SEGMENT_OPERATOR")

const writeSegments = (segments: ReadonlyArray<Definition.Segment>): string =>
  members(
    ...segments.map(
      (segment) =>
        [
          segment.key,
          members(
            ["segment_key", text(segment.key)],
            ["match_type", text(segment.any ? "ANY_SEGMENT_MATCH_TYPE" : "ALL_SEGMENT_MATCH_TYPE")],
            [
              "constraints",
              items(segment.constraints, (constraint) =>
                members(
                  ["type", text(constraint.type)],
                  ["property", text(constraint.property)],
                  ["operator", text(constraint.operator)],
                  ["value", text(constraint.value)]
                )
              )
            ]
          )
        ] as const
    )
  )

const ruleId = (flag: Definition.Flag, index: number): string => `${flag.key}-${index + 1}`

const writeFlag = (flag: Definition.Flag): string =>
  members(
    ["key", text(flag.key)],
    ["enabled", String(flag.enabled)],
    ["type", text(flag.boolean ? "BOOLEAN_FLAG_TYPE" : "VARIANT_FLAG_TYPE")],
    ["description", maybe(flag.description)],
    [
      "default_variant",
      flag.defaultVariant &&
        members(
          ["id", text(flag.defaultVariant.id)],
          ["key", text(flag.defaultVariant.key)],
          ["attachment", maybe(flag.defaultVariant.attachment)]
        )
    ]
  )

const writeRules = (flag: Definition.Flag): string =>
  items(flag.rules, (rule, index) =>
    members(
      ["id", text(ruleId(flag, index))],
      ["flag_key", text(flag.key)],
      ["segments", writeSegments(rule.segments)],
      ["rank", String(index + 1)],
      ["segment_operator", operator(rule.and)]
    )
  )

const writeRollouts = (flag: Definition.Flag): string =>
  items(flag.rollouts, (rollout, index) => {
    const rank = ["rank", String(index + 1)] as const
    switch (rollout._tag) {
      case "Threshold":
        return members(["rollout_type", text("THRESHOLD_ROLLOUT_TYPE")], rank, [
          "threshold",
          members(["percentage", formatFloat(rollout.percentage)], ["value", String(rollout.value)])
        ])
      case "Segment":
        return members(["rollout_type", text("SEGMENT_ROLLOUT_TYPE")], rank, [
          "segment",
          members(
            ["value", String(rollout.value)],
            ["segment_operator", operator(rollout.audience.and)],
            ["segments", writeSegments(rollout.audience.segments)]
          )
        ])
      case "Unknown":
        return members(["rollout_type", text("UNKNOWN_ROLLOUT_TYPE")], rank)
    }
  })

const writeDistributions = (flag: Definition.Flag): ReadonlyArray<readonly [string, string]> =>
  flag.rules.map(
    (rule, index) =>
      [
        ruleId(flag, index),
        items(rule.distributions, (distribution) =>
          members(
            ["rule_id", text(ruleId(flag, index))],
            ["rollout", formatFloat(distribution.rollout)],
            ["variant_key", text(distribution.variantKey)],
            ["variant_attachment", maybe(distribution.attachment)]
          )
        )
      ] as const
  )

/** The seed of a namespace, as base64 text. */
export const writeSeed = (namespace: string, flags: ReadonlyArray<Definition.Flag>): string => {
  const byKey = (write: (flag: Definition.Flag) => string) =>
    members(...flags.map((flag) => [flag.key, write(flag)] as const))
  return Encoding.encodeBase64(
    members(
      ["version", String(VERSION)],
      [
        "namespace",
        members(
          ["key", text(namespace)],
          ["flags", byKey(writeFlag)],
          ["eval_rules", byKey(writeRules)],
          ["eval_rollouts", byKey(writeRollouts)],
          ["eval_distributions", members(...flags.flatMap(writeDistributions))]
        )
      ]
    )
  )
}
