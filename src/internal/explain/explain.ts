/**
 * Computes the steps to a result. The result is that of the Snapshot; the steps come from its definitions, and use the
 * functions with which the portable engine evaluates.
 */
import * as Effect from "effect/Effect"
import type * as Explain from "../../Explain.js"
import type { EvaluateError } from "../../FliptError.js"
import type { EvaluationRequest } from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import type * as Definition from "../document/definition.js"
import { toFlagInfo } from "../document/flagInfo.js"
import {
  bucketEntityFirst,
  bucketKeyFirst,
  hashKey,
  makeEntityHash,
  PERCENT_BUCKETS,
  VARIANT_BUCKETS
} from "../engine/portable/bucket.js"
import { bucketBounds } from "../engine/portable/compile.js"
import { makeSubject } from "../engine/portable/subject.js"
import { type Compared, compareConstraint, Reading } from "./constraint.js"
import { definitionsOf } from "./definitions.js"

/** Evaluation stops at the first constraint that settles the segment, so what follows an unknown type does not count. */
const isMatch = (any: boolean, constraints: ReadonlyArray<Compared>): boolean => {
  for (const { aborts, step } of constraints) {
    if (aborts) {
      return false
    }
    if (step.holds === any) {
      return any
    }
  }
  return !any || constraints.length === 0
}

const compareSegment = (segment: Definition.Segment, reading: Reading): Explain.SegmentStep => {
  const constraints = segment.constraints.map((constraint) => compareConstraint(constraint, reading))
  return {
    key: segment.key,
    matchType: segment.any ? "ANY_SEGMENT_MATCH_TYPE" : "ALL_SEGMENT_MATCH_TYPE",
    constraints: constraints.map(({ step }) => step),
    matches: isMatch(segment.any, constraints)
  }
}

const compareAudience = (
  { and, segments: definitions }: Definition.Audience,
  reading: Reading
): Pick<Explain.RuleStep, "segmentOperator" | "segments" | "matches"> => {
  const segments = definitions.map((segment) => compareSegment(segment, reading))
  return {
    segmentOperator: and ? "AND_SEGMENT_OPERATOR" : "OR_SEGMENT_OPERATOR",
    segments,
    matches: and ? segments.every(({ matches }) => matches) : segments.some(({ matches }) => matches)
  }
}

/** The points of each distribution. Those with a share of 0 or less have none. */
export const bucketsOf = (distributions: ReadonlyArray<Definition.Distribution>): ReadonlyArray<Explain.Bucket> => {
  const bounds = bucketBounds(distributions.map(({ rollout }) => rollout).filter((rollout) => rollout > 0))
  let last = 0
  let next = 0
  return distributions.map(({ rollout, variantKey }) => {
    const first = last + 1
    if (rollout > 0) {
      last = bounds[next++] as number
    }
    return { variantKey, rollout, first, last }
  })
}

/** The steps, each with whether it is reached, and the index of the one that decides. */
const follow = <A extends { readonly matches: boolean }>(
  steps: ReadonlyArray<A>,
  enabled: boolean
): readonly [steps: ReadonlyArray<A & { readonly reached: boolean }>, decidedBy: number | undefined] => {
  const index = enabled ? steps.findIndex(({ matches }) => matches) : -1
  const end = enabled ? (index < 0 ? steps.length - 1 : index) : -1
  return [steps.map((step, at) => ({ ...step, reached: at <= end })), index < 0 ? undefined : index]
}

const definitionOf = (snapshot: Snapshot, flagKey: string): Effect.Effect<Definition.Flag, EvaluateError> =>
  Effect.flatMap(definitionsOf(snapshot), (definitions) => {
    const key = flagKey.toWellFormed()
    const definition = definitions.find((flag) => flag.key === key)
    return definition === undefined
      ? Effect.dieMessage("the engine evaluates a flag that is not in its seed: it must write every flag into the seed")
      : Effect.succeed(definition)
  })

export const variant = (
  snapshot: Snapshot,
  request: EvaluationRequest
): Effect.Effect<Explain.VariantExplanation, EvaluateError> =>
  Effect.gen(function* () {
    const result = yield* snapshot.variant(request)
    const flag = yield* definitionOf(snapshot, request.flagKey)
    const reading = new Reading(request)
    const point =
      bucketKeyFirst(makeSubject(request.entityId, undefined, makeEntityHash()), hashKey(flag.key), VARIANT_BUCKETS) + 1
    const [rules, decidedBy] = follow(
      flag.rules.map((rule) => ({ ...compareAudience(rule, reading), buckets: bucketsOf(rule.distributions) })),
      flag.enabled
    )
    const bucket =
      decidedBy === undefined
        ? undefined
        : rules[decidedBy]?.buckets.findIndex(({ first, last }) => first <= point && point <= last)
    return {
      _tag: "Variant",
      namespace: snapshot.namespace,
      request,
      flag: toFlagInfo(flag),
      point,
      rules,
      decidedBy,
      bucket: bucket === -1 ? undefined : bucket,
      result
    }
  })

/** One rollout, compared with the request. */
const compareRollout = (rollout: Definition.Rollout, point: number, reading: Reading) => {
  switch (rollout._tag) {
    case "Threshold":
      return { ...rollout, matches: point < rollout.percentage }
    case "Segment":
      return { _tag: rollout._tag, value: rollout.value, ...compareAudience(rollout.audience, reading) }
    case "Unknown":
      return { _tag: rollout._tag, matches: false as const }
  }
}

export const boolean = (
  snapshot: Snapshot,
  request: EvaluationRequest
): Effect.Effect<Explain.BooleanExplanation, EvaluateError> =>
  Effect.gen(function* () {
    const result = yield* snapshot.boolean(request)
    const flag = yield* definitionOf(snapshot, request.flagKey)
    const reading = new Reading(request)
    const point = bucketEntityFirst(
      makeSubject(request.entityId, undefined, makeEntityHash()),
      hashKey(flag.key),
      PERCENT_BUCKETS
    )
    const [rollouts, decidedBy] = follow(
      flag.rollouts.map((rollout) => compareRollout(rollout, point, reading)),
      true
    )
    return {
      _tag: "Boolean",
      namespace: snapshot.namespace,
      request,
      flag: toFlagInfo(flag),
      point,
      rollouts,
      decidedBy,
      result
    }
  })
