/**
 * A flag, compiled: all that does not depend on the request is computed once, up to the result objects, so that one
 * evaluation reads, compares and picks.
 */
import * as Either from "effect/Either"
import type { BooleanResult, Reason, VariantResult } from "../../../Model.js"
import type * as Definition from "../../document/definition.js"
import type { Audience, Segment } from "./audience.js"
import { BUCKETS, type Hashed, hash } from "./bucket.js"
import { compileConstraint } from "./constraint.js"
import { Properties } from "./subject.js"

export type Variant = Either.Either<VariantResult>
export type Boolean = Either.Either<BooleanResult>

/** With an outcome for each bucket, or one when there are no buckets. */
export type Rule = Audience<ReadonlyArray<Variant>>
export type Rollout = Audience<Boolean>

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

const none: ReadonlyArray<string> = Object.freeze([])

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
