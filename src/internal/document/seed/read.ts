/**
 * Reads a seed: the serialized flag state that the official clients exchange. It mirrors the state inside their engine:
 * rules and rollouts are in maps keyed by flag, segments in maps keyed by segment.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { quoted } from "../../util/outsideText.js"
import type * as Definition from "../definition.js"
import { isAnd, isAny, isBoolean } from "../definition.js"
import { checkKey, makeRollout, readConstraint, readDefaultVariant, readThreshold } from "../document.js"
import { boolean, float, list, optional, required, string, struct } from "../fields.js"
import { Reader } from "../json.js"

export const VERSION = 1

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
  Array.from(record((it) => it.memoized(readSegmentFields))(reader), ([key, { any, constraints }]) => ({
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
    return version === VERSION ? version : reader.fail(`unsupported version ${version}, expected ${VERSION}`)
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

/**
 * Bounds the distributions that rules with the same id share. No client writes such rules, and the state would grow with
 * the product of rules and distributions.
 */
const MAX_SHARED = 1024

/** Reads the JSON text of a seed. Throws `Malformed`. */
export const readSeed = (text: string, namespace: string): ReadonlyArray<Definition.Flag> => {
  const reader = new Reader(text)
  const seed = readSeedText(reader).namespace
  reader.end()
  if (seed.key !== namespace) {
    reader.fail(`it is for namespace ${quoted(seed.key)}, but ${quoted(namespace)} was requested`)
  }
  const entry = <A>(map: ReadonlyMap<string, A>, name: string, key: string): A => {
    const value = map.get(key)
    return value === undefined ? reader.fail(`"${name}" has no entry for ${quoted(key)}`) : value
  }
  let total = 0
  for (const distributions of seed.distributions.values()) {
    total += distributions.length
  }
  let assigned = 0
  const distributionsOf = (ruleId: string): ReadonlyArray<Definition.Distribution> => {
    const distributions = entry(seed.distributions, "eval_distributions", ruleId)
    assigned += distributions.length
    return assigned <= total + MAX_SHARED
      ? distributions
      : reader.fail(
          `its rules share too many distributions: rules with the same id may have ${MAX_SHARED} more than the seed`,
          "Limit"
        )
  }
  return Array.from(seed.flags, ([key, flag]) => ({
    key: checkKey(reader, key),
    boolean: flag.boolean,
    enabled: flag.enabled,
    description: flag.description,
    defaultVariant: flag.defaultVariant,
    rules: entry(seed.rules, "eval_rules", key).map((rule) => ({
      and: rule.and,
      segments: rule.segments,
      distributions: distributionsOf(rule.id)
    })),
    rollouts: entry(seed.rollouts, "eval_rollouts", key)
  }))
}

/** Reads a base64 seed that a Snapshot has written. Throws on any other text. */
export const decodeAndReadSeed = (seed: string, namespace: string): ReadonlyArray<Definition.Flag> =>
  readSeed(Either.getOrThrow(Encoding.decodeBase64String(seed)), namespace)
