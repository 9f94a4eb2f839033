/**
 * Compiles flags: computes everything that does not depend on the request, including the result objects, so that an
 * evaluation only reads values, compares them and picks a result.
 */
import * as Either from "effect/Either"
import type { BooleanResult, Reason, VariantResult } from "../../../Model.js"
import type * as Definition from "../../document/definition.js"
import type { Audience, Segment } from "./audience.js"
import { hashKey, type KeyHash, VARIANT_BUCKETS } from "./bucket.js"
import { compileConstraint } from "./constraint.js"
import { Properties } from "./subject.js"

export type VariantOutcome = Either.Either<VariantResult>
export type BooleanOutcome = Either.Either<BooleanResult>

/** The outcome has one entry per distribution, or a single entry without distributions. */
export type Rule = Audience<ReadonlyArray<VariantOutcome>>
export type Rollout = Audience<BooleanOutcome>

export interface VariantFlag {
  readonly _tag: "Variant"
  readonly definition: Definition.Flag
  readonly keyHash: KeyHash
  readonly rules: ReadonlyArray<Rule>
  readonly noMatch: VariantOutcome
}

export interface BooleanFlag {
  readonly _tag: "Boolean"
  readonly definition: Definition.Flag
  readonly keyHash: KeyHash
  readonly rollouts: ReadonlyArray<Rollout>
  readonly noMatch: BooleanOutcome
}

export type Flag = VariantFlag | BooleanFlag

const compileSegment = ({ any, constraints }: Definition.Segment, properties: Properties): Segment => {
  const compiled = constraints.map((constraint) => compileConstraint(constraint, properties))
  const abort = compiled.findIndex((constraint) => constraint.aborts)
  return abort === -1
    ? { any, constraints: compiled, otherwise: !any || compiled.length === 0 }
    : { any, constraints: compiled.slice(0, abort), otherwise: false }
}

/** Shares properties and equal segments between the flags of one state. */
export class CompileCache {
  private readonly properties = new Properties()
  private readonly segments = new Map<string, Segment>()

  /** Compiles a segment. Equal segments become one object, which stays in the processor's caches from flag to flag. */
  segment(definition: Definition.Segment): Segment {
    const content = JSON.stringify([definition.any, definition.constraints])
    let segment = this.segments.get(content)
    if (segment === undefined) {
      segment = compileSegment(definition, this.properties)
      this.segments.set(content, segment)
    }
    return segment
  }
}

const noKeys: ReadonlyArray<string> = Object.freeze([])

const compileAudience = <A>(
  { and, segments: definitions }: Definition.Audience,
  cache: CompileCache,
  makeOutcome: (segmentKeys: ReadonlyArray<string>) => A,
  { bounds = [], percentage }: { readonly bounds?: ReadonlyArray<number>; readonly percentage?: number } = {}
): Audience<A> => {
  const keys = definitions.length === 0 ? noKeys : Object.freeze(definitions.map((segment) => segment.key))
  const segments = definitions.map((segment) => cache.segment(segment))
  return {
    and,
    keys,
    segments,
    single: segments.length === 1 ? segments[0] : undefined,
    complete: makeOutcome(keys),
    partial: undefined,
    makeOutcome,
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
): VariantOutcome =>
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
): BooleanOutcome => Either.right(Object.freeze({ _tag: "Boolean", flagKey, enabled, reason, segmentKeys }))

/**
 * The upper bounds of the distributions out of 1000, computed like in the official engine: single precision after every
 * step, each share relative to the sum, the running total rounded half away from zero.
 */
export const bucketBounds = (rollouts: ReadonlyArray<number>): ReadonlyArray<number> => {
  const sum = rollouts.reduce((total, rollout) => Math.fround(total + rollout), 0)
  let total = 0
  return rollouts.map((rollout, index) => {
    total = Math.fround(total + Math.fround(Math.fround(rollout / sum) * 100))
    return index === rollouts.length - 1 ? VARIANT_BUCKETS : Math.round(Math.fround(total * 10))
  })
}

const compileRule = (flag: Definition.Flag, rule: Definition.Rule, cache: CompileCache): Rule => {
  const distributions = rule.distributions.filter((distribution) => distribution.rollout > 0)
  const variants =
    distributions.length === 0
      ? [flag.defaultVariant]
      : distributions.map(({ attachment, variantKey }) => ({ key: variantKey, attachment }))
  return compileAudience(
    rule,
    cache,
    (segmentKeys) =>
      variants.map((variant) => variantResult(flag.key, true, "MATCH_EVALUATION_REASON", segmentKeys, variant)),
    { bounds: bucketBounds(distributions.map((distribution) => distribution.rollout)) }
  )
}

const compileVariant = (flag: Definition.Flag, cache: CompileCache): VariantFlag => ({
  _tag: "Variant",
  definition: flag,
  keyHash: hashKey(flag.key),
  rules: flag.enabled ? flag.rules.map((rule) => compileRule(flag, rule, cache)) : [],
  noMatch: variantResult(
    flag.key,
    false,
    !flag.enabled
      ? "FLAG_DISABLED_EVALUATION_REASON"
      : flag.defaultVariant === undefined
        ? "UNKNOWN_EVALUATION_REASON"
        : "DEFAULT_EVALUATION_REASON",
    noKeys,
    flag.defaultVariant
  )
})

const noSegments: Definition.Audience = { and: false, segments: [] }

const compileRollout = (
  flag: Definition.Flag,
  rollout: Definition.Rollout,
  cache: CompileCache
): ReadonlyArray<Rollout> => {
  const result = (value: boolean) => (segmentKeys: ReadonlyArray<string>) =>
    booleanResult(flag.key, value, "MATCH_EVALUATION_REASON", segmentKeys)
  switch (rollout._tag) {
    case "Threshold":
      return [compileAudience(noSegments, cache, result(rollout.value), { percentage: rollout.percentage })]
    case "Segment":
      return [compileAudience(rollout.audience, cache, result(rollout.value))]
    case "Unknown":
      return []
  }
}

const compileBoolean = (flag: Definition.Flag, cache: CompileCache): BooleanFlag => ({
  _tag: "Boolean",
  definition: flag,
  keyHash: hashKey(flag.key),
  rollouts: flag.rollouts.flatMap((rollout) => compileRollout(flag, rollout, cache)),
  noMatch: booleanResult(flag.key, flag.enabled, "DEFAULT_EVALUATION_REASON", noKeys)
})

export const compileFlag = (flag: Definition.Flag, cache: CompileCache): Flag =>
  flag.boolean ? compileBoolean(flag, cache) : compileVariant(flag, cache)
