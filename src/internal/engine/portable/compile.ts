/**
 * A flag, compiled: all that does not depend on the request is computed once, up to the result objects, so that one
 * evaluation reads, compares and picks.
 */
import * as Either from "effect/Either"
import type { BooleanResult, Reason, VariantResult } from "../../../Model.js"
import type * as Definition from "../../document/definition.js"
import { aborts, type Constraint, compileConstraint, holds } from "./constraint.js"
import { type Hashed, hash, Properties, placeAfter, placeBefore, read, type Subject } from "./subject.js"

interface Segment {
  readonly any: boolean
  readonly constraints: ReadonlyArray<Constraint>
}

/**
 * Segments, with an outcome for each set of them that can match. Rules and rollouts of all kinds have this one shape, so
 * that what goes through them need not look at shapes.
 */
interface Audience<A> {
  readonly and: boolean
  readonly keys: ReadonlyArray<string>
  readonly segments: ReadonlyArray<Segment>
  /** The one segment, where there is one: nearly always. */
  readonly only: Segment | undefined
  /** When all segments match. */
  readonly all: A
  /** When only some do: each made when it first happens. */
  some: Map<string, A> | undefined
  readonly make: (segmentKeys: ReadonlyArray<string>) => A
  /** Of a rule: the last point of each bucket, out of 1000; ascending. */
  readonly bounds: ReadonlyArray<number>
  /** Of a threshold, which has no segments. */
  readonly percentage: number | undefined
}

type Variant = Either.Either<VariantResult>
type Boolean = Either.Either<BooleanResult>

/** With an outcome for each bucket, or one when there are no buckets. */
type Rule = Audience<ReadonlyArray<Variant>>
type Rollout = Audience<Boolean>

export interface VariantFlag {
  readonly _tag: "Variant"
  readonly definition: Definition.Flag
  readonly hashedKey: Hashed
  readonly rules: ReadonlyArray<Rule>
  readonly otherwise: Variant
}

export interface BooleanFlag {
  readonly _tag: "Boolean"
  readonly definition: Definition.Flag
  readonly hashedKey: Hashed
  readonly rollouts: ReadonlyArray<Rollout>
  readonly otherwise: Boolean
}

export type Flag = VariantFlag | BooleanFlag

/** What the flags of one state have in common: properties that are read, and segments. */
export class Shared {
  private readonly properties = new Properties()
  private readonly segments = new Map<string, Segment>()

  /** The segment, compiled: equal ones are one, which stays in the processor's caches from flag to flag. */
  segment({ any, constraints }: Definition.Segment): Segment {
    const content = JSON.stringify([any, constraints])
    let segment = this.segments.get(content)
    if (segment === undefined) {
      segment = { any, constraints: constraints.map((constraint) => compileConstraint(constraint, this.properties)) }
      this.segments.set(content, segment)
    }
    return segment
  }
}

export const BUCKETS = 1000
export const PERCENT = 100
/** Of one audience. Some sets of segments are rare, and an attacker could ask for all of them. */
const MAX_COMBINATIONS = 256

const none: ReadonlyArray<string> = Object.freeze([])

const matchesSegment = (segment: Segment, subject: Subject): boolean => {
  const { any, constraints } = segment
  for (let i = 0; i < constraints.length; i++) {
    const constraint = constraints[i] as Constraint
    if (aborts(constraint)) {
      return false
    }
    const value = constraint.property === undefined ? subject.entityId : read(subject, constraint.property)
    if (holds(constraint, value) === any) {
      return any
    }
  }
  return !any || constraints.length === 0
}

/** The outcome for the segments that match, or `undefined` when the audience does not. */
const matchAudience = <A>(audience: Audience<A>, subject: Subject): A | undefined => {
  const { and, only, segments } = audience
  if (only !== undefined) {
    return matchesSegment(only, subject) ? audience.all : undefined
  }
  let count = 0
  let matched = ""
  for (let i = 0; i < segments.length; i++) {
    if (matchesSegment(segments[i] as Segment, subject)) {
      count++
      if (!and) {
        matched += `${i},`
      }
    } else if (and) {
      return undefined
    }
  }
  if (count === segments.length) {
    return and || count > 0 ? audience.all : undefined
  }
  return count === 0 ? undefined : someOutcome(audience, matched)
}

const someOutcome = <A>(audience: Audience<A>, matched: string): A => {
  audience.some ??= new Map()
  let outcome = audience.some.get(matched)
  if (outcome === undefined) {
    outcome = audience.make(
      Object.freeze(
        matched
          .slice(0, -1)
          .split(",")
          .map((index) => audience.keys[Number(index)] as string)
      )
    )
    if (audience.some.size >= MAX_COMBINATIONS) {
      audience.some.clear()
    }
    audience.some.set(matched, outcome)
  }
  return outcome
}

/** Evaluates a variant flag. */
export const evaluateVariant = (flag: VariantFlag, subject: Subject): Variant => {
  const { rules } = flag
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as Rule
    const outcomes = matchAudience(rule, subject)
    if (outcomes !== undefined) {
      const { bounds } = rule
      let bucket = 0
      if (bounds.length > 1) {
        const point = placeAfter(subject, flag.hashedKey, BUCKETS) + 1
        while ((bounds[bucket] as number) < point) {
          bucket++
        }
      }
      return outcomes[bucket] as Variant
    }
  }
  return flag.otherwise
}

/** Evaluates a boolean flag. */
export const evaluateBoolean = (flag: BooleanFlag, subject: Subject): Boolean => {
  const { rollouts } = flag
  for (let i = 0; i < rollouts.length; i++) {
    const rollout = rollouts[i] as Rollout
    const { percentage } = rollout
    if (percentage === undefined) {
      const outcome = matchAudience(rollout, subject)
      if (outcome !== undefined) {
        return outcome
      }
    } else if (placeBefore(subject, flag.hashedKey, PERCENT) < percentage) {
      return rollout.all
    }
  }
  return flag.otherwise
}

const compileAudience = <A>(
  { and, segments: definitions }: Definition.Audience,
  shared: Shared,
  make: (segmentKeys: ReadonlyArray<string>) => A,
  { bounds = [], percentage }: { readonly bounds?: ReadonlyArray<number>; readonly percentage?: number } = {}
): Audience<A> => {
  const keys = definitions.length === 0 ? none : Object.freeze(definitions.map((segment) => segment.key))
  const segments = definitions.map((segment) => shared.segment(segment))
  return {
    and,
    keys,
    segments,
    only: segments.length === 1 ? segments[0] : undefined,
    all: make(keys),
    some: undefined,
    make,
    bounds,
    percentage
  }
}

const variantResult = (
  flagKey: string,
  match: boolean,
  reason: Reason,
  segmentKeys: ReadonlyArray<string>,
  variant: { readonly key: string; readonly attachment: string | undefined } | undefined
): Variant =>
  Either.right(
    Object.freeze({
      _tag: "Variant",
      flagKey,
      match,
      reason,
      segmentKeys,
      variantKey: variant?.key ?? "",
      ...(variant?.attachment === undefined ? {} : { variantAttachment: variant.attachment })
    })
  )

const booleanResult = (
  flagKey: string,
  enabled: boolean,
  reason: Reason,
  segmentKeys: ReadonlyArray<string>
): Boolean => Either.right(Object.freeze({ _tag: "Boolean", flagKey, enabled, reason, segmentKeys }))

/**
 * The bounds of the buckets out of 1000, in the reference's arithmetic: single precision after every step, each share
 * put in relation to the sum, the running total rounded half away from zero.
 */
export const bucketBounds = (rollouts: ReadonlyArray<number>): ReadonlyArray<number> => {
  const sum = rollouts.reduce((total, rollout) => Math.fround(total + rollout), 0)
  let total = 0
  return rollouts.map((rollout, index) => {
    total = Math.fround(total + Math.fround(Math.fround(rollout / sum) * 100))
    return index === rollouts.length - 1 ? BUCKETS : Math.round(Math.fround(total * 10))
  })
}

const compileRule = (flag: Definition.Flag, rule: Definition.Rule, shared: Shared): Rule => {
  const distributions = rule.distributions.filter((distribution) => distribution.rollout > 0)
  const variants =
    distributions.length === 0
      ? [flag.defaultVariant]
      : distributions.map(({ attachment, variantKey }) => ({ key: variantKey, attachment }))
  return compileAudience(
    rule,
    shared,
    (segmentKeys) =>
      variants.map((variant) => variantResult(flag.key, true, "MATCH_EVALUATION_REASON", segmentKeys, variant)),
    { bounds: bucketBounds(distributions.map((distribution) => distribution.rollout)) }
  )
}

const compileVariant = (flag: Definition.Flag, shared: Shared): VariantFlag => ({
  _tag: "Variant",
  definition: flag,
  hashedKey: hash(flag.key),
  rules: flag.enabled ? flag.rules.map((rule) => compileRule(flag, rule, shared)) : [],
  otherwise: variantResult(
    flag.key,
    false,
    !flag.enabled
      ? "FLAG_DISABLED_EVALUATION_REASON"
      : flag.defaultVariant === undefined
        ? "UNKNOWN_EVALUATION_REASON"
        : "DEFAULT_EVALUATION_REASON",
    none,
    flag.defaultVariant
  )
})

const nobody: Definition.Audience = { and: false, segments: [] }

const compileRollout = (flag: Definition.Flag, rollout: Definition.Rollout, shared: Shared): ReadonlyArray<Rollout> => {
  const result = (value: boolean) => (segmentKeys: ReadonlyArray<string>) =>
    booleanResult(flag.key, value, "MATCH_EVALUATION_REASON", segmentKeys)
  switch (rollout._tag) {
    case "Threshold":
      return [compileAudience(nobody, shared, result(rollout.value), { percentage: rollout.percentage })]
    case "Segment":
      return [compileAudience(rollout.audience, shared, result(rollout.value))]
    case "Unknown":
      return []
  }
}

const compileBoolean = (flag: Definition.Flag, shared: Shared): BooleanFlag => ({
  _tag: "Boolean",
  definition: flag,
  hashedKey: hash(flag.key),
  rollouts: flag.rollouts.flatMap((rollout) => compileRollout(flag, rollout, shared)),
  otherwise: booleanResult(flag.key, flag.enabled, "DEFAULT_EVALUATION_REASON", none)
})

/** Compiles a flag, with what it shares with the others of its state. */
export const compileFlag = (flag: Definition.Flag, shared: Shared): Flag =>
  flag.boolean ? compileBoolean(flag, shared) : compileVariant(flag, shared)
