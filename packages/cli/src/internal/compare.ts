/**
 * Compares two states, flag by flag. Only differences that affect evaluations count.
 */
import type { Snapshot } from "flipt-client-effect/Snapshot"
import type { Audience, Constraint, Definition, Distribution, Rollout, Rule, Segment } from "./definitions.js"
import * as Text from "./text.js"

/** One part of a flag that differs. `undefined` means that the part is absent. */
export interface Difference {
  /** Such as `rule 1, segment "adults", constraint 2`; empty for the flag itself. */
  readonly place: string
  readonly a: string | undefined
  readonly b: string | undefined
}

export interface Change {
  readonly flag: string
  readonly type: "variant" | "boolean"
  /** `added` is in b only, `removed` in a only. */
  readonly change: "added" | "removed" | "changed"
  readonly differences: ReadonlyArray<Difference>
}

const MAX_PART = 120

const symbols: Readonly<Record<string, string>> = {
  eq: "==",
  neq: "!=",
  lt: "<",
  lte: "<=",
  gt: ">",
  gte: ">=",
  isoneof: "is one of",
  isnotoneof: "is not one of",
  prefix: "has prefix",
  suffix: "has suffix",
  contains: "contains",
  notcontains: "does not contain",
  true: "is true",
  false: "is false",
  empty: "is empty",
  notempty: "is not empty",
  present: "is present",
  notpresent: "is not present"
}

const typeName = (type: string): string =>
  type
    .replace(/_CONSTRAINT_COMPARISON_TYPE$/, "")
    .toLowerCase()
    .replaceAll("_", " ")

const showConstraint = ({ operator, property, type, value }: Constraint): string => {
  const name = type === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE" ? "entity id" : property
  const symbol = Object.hasOwn(symbols, operator) ? symbols[operator] : operator
  return `${name} ${symbol}${value === "" ? "" : ` ${value}`} (${typeName(type)})`
}

const showSegment = ({ constraints, isAny, key }: Segment): string =>
  `${JSON.stringify(key)}: ${
    constraints.length === 0 ? "everyone" : constraints.map(showConstraint).join(isAny ? " or " : " and ")
  }`

const showAudience = ({ isAnd, segments }: Audience): string =>
  segments.length === 0 ? "no segments" : segments.map(showSegment).join(isAnd ? " AND " : " OR ")

const percent = (share: number): string => `${Number(share.toFixed(4))} %`

const showDistributions = (distributions: ReadonlyArray<Distribution>): string =>
  distributions.length === 0
    ? "no variant"
    : distributions.map(({ rollout, variantKey }) => `${JSON.stringify(variantKey)} ${percent(rollout)}`).join(", ")

const showRule = (rule: Rule): string => `${showAudience(rule)} -> ${showDistributions(rule.distributions)}`

const showRollout = ({ audience, percentage, value }: Rollout): string =>
  percentage !== undefined
    ? `${value} for ${percent(percentage)}`
    : audience !== undefined
      ? `${value} for ${showAudience(audience)}`
      : "nothing"

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** The items that differ, without the common start and end of both lists. */
const pairs = <A>(
  a: ReadonlyArray<A>,
  b: ReadonlyArray<A>
): ReadonlyArray<{ readonly index: number; readonly a: A | undefined; readonly b: A | undefined }> => {
  let start = 0
  while (start < a.length && start < b.length && isSame(a[start], b[start])) {
    start++
  }
  let end = 0
  while (end < a.length - start && end < b.length - start && isSame(a[a.length - 1 - end], b[b.length - 1 - end])) {
    end++
  }
  const middleA = a.slice(start, a.length - end)
  const middleB = b.slice(start, b.length - end)
  return Array.from({ length: Math.max(middleA.length, middleB.length) }, (_, index) => ({
    index: start + index,
    a: middleA[index],
    b: middleB[index]
  }))
}

const within = (place: string, part: string): string => (place === "" ? part : `${place}, ${part}`)

const compareConstraints = (place: string, a: Segment, b: Segment): ReadonlyArray<Difference> =>
  pairs(a.constraints, b.constraints).map((pair) => ({
    place: within(place, `constraint ${pair.index + 1}`),
    a: pair.a && showConstraint(pair.a),
    b: pair.b && showConstraint(pair.b)
  }))

const compareAudience = (place: string, a: Audience, b: Audience): ReadonlyArray<Difference> => {
  const inB = new Map(b.segments.map((segment) => [segment.key, segment]))
  const inA = new Set(a.segments.map(({ key }) => key))
  const segmentPlace = (key: string) => within(place, `segment ${JSON.stringify(key)}`)
  return [
    ...(a.isAnd === b.isAnd
      ? []
      : [
          {
            place: within(place, "segments"),
            a: a.isAnd ? "all must match" : "one must match",
            b: b.isAnd ? "all must match" : "one must match"
          }
        ]),
    ...a.segments.flatMap((segment): ReadonlyArray<Difference> => {
      const other = inB.get(segment.key)
      return other === undefined
        ? [{ place: segmentPlace(segment.key), a: showSegment(segment), b: undefined }]
        : [
            ...(segment.isAny === other.isAny
              ? []
              : [
                  {
                    place: segmentPlace(segment.key),
                    a: segment.isAny ? "one constraint must hold" : "all constraints must hold",
                    b: other.isAny ? "one constraint must hold" : "all constraints must hold"
                  }
                ]),
            ...compareConstraints(segmentPlace(segment.key), segment, other)
          ]
    }),
    ...b.segments
      .filter(({ key }) => !inA.has(key))
      .map((segment) => ({ place: segmentPlace(segment.key), a: undefined, b: showSegment(segment) }))
  ]
}

const attachmentsOf = (distributions: ReadonlyArray<Distribution>): ReadonlyMap<string, string | undefined> =>
  new Map(distributions.map(({ attachment, variantKey }) => [variantKey, attachment]))

const compareDistributions = (
  place: string,
  a: ReadonlyArray<Distribution>,
  b: ReadonlyArray<Distribution>
): ReadonlyArray<Difference> => {
  const shares = (list: ReadonlyArray<Distribution>) => list.map(({ rollout, variantKey }) => ({ rollout, variantKey }))
  const inB = attachmentsOf(b)
  return [
    ...(isSame(shares(a), shares(b))
      ? []
      : [{ place: within(place, "split"), a: showDistributions(a), b: showDistributions(b) }]),
    ...[...attachmentsOf(a)]
      .filter(([key, attachment]) => inB.has(key) && inB.get(key) !== attachment)
      .map(([key, attachment]) => ({
        place: within(place, `attachment of ${JSON.stringify(key)}`),
        a: attachment,
        b: inB.get(key)
      }))
  ]
}

const compareRules = (a: ReadonlyArray<Rule>, b: ReadonlyArray<Rule>): ReadonlyArray<Difference> =>
  pairs(a, b).flatMap((pair): ReadonlyArray<Difference> => {
    const place = `rule ${pair.index + 1}`
    return pair.a === undefined || pair.b === undefined
      ? [{ place, a: pair.a && showRule(pair.a), b: pair.b && showRule(pair.b) }]
      : [
          ...compareAudience(place, pair.a, pair.b),
          ...compareDistributions(place, pair.a.distributions, pair.b.distributions)
        ]
  })

const compareRollouts = (a: ReadonlyArray<Rollout>, b: ReadonlyArray<Rollout>): ReadonlyArray<Difference> =>
  pairs(a, b).flatMap((pair): ReadonlyArray<Difference> => {
    const place = `rollout ${pair.index + 1}`
    const isComparable = pair.a?.audience !== undefined && pair.b?.audience !== undefined
    return isComparable && pair.a.value === pair.b.value
      ? compareAudience(place, pair.a.audience, pair.b.audience)
      : [{ place, a: pair.a && showRollout(pair.a), b: pair.b && showRollout(pair.b) }]
  })

const showType = ({ isBoolean }: Definition): "variant" | "boolean" => (isBoolean ? "boolean" : "variant")

const single = (place: string, a: string | undefined, b: string | undefined): ReadonlyArray<Difference> =>
  a === b ? [] : [{ place, a, b }]

/** Compares two flags. Rules of the other flag type do not affect evaluations and are ignored. */
const compareFlag = (a: Definition, b: Definition): ReadonlyArray<Difference> => [
  ...single("type", showType(a), showType(b)),
  ...single(
    a.isBoolean && b.isBoolean ? "value if no rollout matches" : "state",
    a.isBoolean ? String(a.enabled) : a.enabled ? "enabled" : "disabled",
    b.isBoolean ? String(b.enabled) : b.enabled ? "enabled" : "disabled"
  ),
  ...single(
    "default variant",
    a.defaultVariant && JSON.stringify(a.defaultVariant.key),
    b.defaultVariant && JSON.stringify(b.defaultVariant.key)
  ),
  ...(a.defaultVariant?.key === b.defaultVariant?.key
    ? single("attachment of the default variant", a.defaultVariant?.attachment, b.defaultVariant?.attachment)
    : []),
  ...(a.isBoolean && b.isBoolean ? compareRollouts(a.rollouts, b.rollouts) : compareRules(a.rules, b.rules))
]

export interface Side {
  readonly snapshot: Snapshot
  readonly definitions: ReadonlyArray<Definition>
}

/** The flags that can evaluate differently: in the order of a, followed by those that only b has. */
export const compare = (a: Side, b: Side): ReadonlyArray<Change> => {
  const inB = new Map(b.definitions.map((definition) => [definition.key, definition]))
  const inA = new Set(a.definitions.map(({ key }) => key))
  return [
    ...a.definitions.flatMap((definition): ReadonlyArray<Change> => {
      const { key } = definition
      const other = inB.get(key)
      if (other === undefined) {
        return [{ flag: key, type: showType(definition), change: "removed", differences: [] }]
      }
      if (a.snapshot.fingerprint(key) === b.snapshot.fingerprint(key)) {
        return []
      }
      const found = compareFlag(definition, other)
      // For example, the order of segments determines their order in results.
      const differences = found.length > 0 ? found : [{ place: "order of segments", a: "one", b: "another" }]
      return [{ flag: key, type: showType(definition), change: "changed", differences }]
    }),
    ...b.definitions
      .filter(({ key }) => !inA.has(key))
      .map(
        (definition): Change => ({
          flag: definition.key,
          type: showType(definition),
          change: "added",
          differences: []
        })
      )
  ]
}

/** One value of a difference, as text that is safe to print. */
export const show = (value: string | undefined): string => (value === undefined ? "none" : Text.plain(value, MAX_PART))
