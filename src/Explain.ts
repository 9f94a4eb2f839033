/**
 * Why an evaluation has its result: every rule, segment and constraint on the way to it, as data and as text.
 *
 * The result is that of the Snapshot. The steps are computed from the same state when you call these functions, so
 * explanations add no cost to evaluations. On the native engine an explanation reads the whole state, which takes several
 * times as long as loading it: use explanations in a tool or a support page, not in a hot path.
 *
 * @since 0.1.0
 */
import type { Effect } from "effect/Effect"
import type { EvaluateError } from "./FliptError.js"
import * as explain from "./internal/explain/explain.js"
import { formatExplanation } from "./internal/explain/format.js"
import type { BooleanResult, EvaluationRequest, FlagInfo, VariantResult } from "./Model.js"
import type { Snapshot } from "./Snapshot.js"

/**
 * One constraint, compared with the request.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConstraintStep {
  /** Spelled as on the wire, such as `STRING_CONSTRAINT_COMPARISON_TYPE`. */
  readonly type: string
  readonly property: string
  readonly operator: string
  readonly value: string
  /** The request's value as text, or the entity's id. `undefined` if it is absent or empty, which are equivalent. */
  readonly actual: string | undefined
  readonly holds: boolean
  /** The reason, if the two values do not show it: `1.5 is not a 32-bit integer: this never holds`. */
  readonly note: string | undefined
}

/**
 * One segment, compared with the request. All of its constraints are compared, although evaluation stops at the first
 * one that settles the segment.
 *
 * @since 0.1.0
 * @category models
 */
export interface SegmentStep {
  readonly key: string
  readonly matchType: "ALL_SEGMENT_MATCH_TYPE" | "ANY_SEGMENT_MATCH_TYPE"
  readonly constraints: ReadonlyArray<ConstraintStep>
  readonly matches: boolean
}

/**
 * A rule's distribution, and the points that it covers. Points run from 1 to 1000. If a distribution covers no point, its
 * `last` is below its `first`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bucket {
  readonly variantKey: string
  /** In percent, as in the document; shares that do not sum to 100 are scaled. */
  readonly rollout: number
  readonly first: number
  readonly last: number
}

/**
 * One rule of a variant flag.
 *
 * @since 0.1.0
 * @category models
 */
export interface RuleStep {
  readonly segmentOperator: "OR_SEGMENT_OPERATOR" | "AND_SEGMENT_OPERATOR"
  readonly segments: ReadonlyArray<SegmentStep>
  /** Whether its segments match the request, even if evaluation does not reach the rule. */
  readonly matches: boolean
  /** False if an earlier rule decides or the flag is disabled. */
  readonly reached: boolean
  readonly buckets: ReadonlyArray<Bucket>
}

/**
 * One rollout of a boolean flag.
 *
 * - `Threshold` matches if the point is below the percentage.
 * - `Segment` matches by its segments.
 * - `Unknown` is neither, and never matches.
 *
 * @since 0.1.0
 * @category models
 */
export type RolloutStep =
  | {
      readonly _tag: "Threshold"
      readonly percentage: number
      readonly value: boolean
      readonly matches: boolean
      readonly reached: boolean
    }
  | {
      readonly _tag: "Segment"
      readonly segmentOperator: "OR_SEGMENT_OPERATOR" | "AND_SEGMENT_OPERATOR"
      readonly segments: ReadonlyArray<SegmentStep>
      readonly value: boolean
      readonly matches: boolean
      readonly reached: boolean
    }
  | { readonly _tag: "Unknown"; readonly matches: false; readonly reached: boolean }

/**
 * Why a variant flag has its result for an entity.
 *
 * @since 0.1.0
 * @category models
 */
export interface VariantExplanation {
  readonly _tag: "Variant"
  readonly namespace: string
  readonly request: EvaluationRequest
  readonly flag: FlagInfo
  /** The entity's fixed place in every split of this flag, from 1 to 1000. */
  readonly point: number
  readonly rules: ReadonlyArray<RuleStep>
  /** The index of the rule that decides, if one does. */
  readonly decidedBy: number | undefined
  /** The index of the bucket in that rule, if it has one that covers the point. */
  readonly bucket: number | undefined
  readonly result: VariantResult
}

/**
 * Why a boolean flag has its result for an entity.
 *
 * @since 0.1.0
 * @category models
 */
export interface BooleanExplanation {
  readonly _tag: "Boolean"
  readonly namespace: string
  readonly request: EvaluationRequest
  readonly flag: FlagInfo
  /** The entity's fixed place, from 0 to 99, which every threshold of this flag is compared with. */
  readonly point: number
  readonly rollouts: ReadonlyArray<RolloutStep>
  /** The index of the rollout that decides, if one does. */
  readonly decidedBy: number | undefined
  readonly result: BooleanResult
}

/**
 * Why a flag has its result for an entity.
 *
 * @since 0.1.0
 * @category models
 */
export type Explanation = VariantExplanation | BooleanExplanation

/**
 * Explains a variant flag's result. Fails with the same errors as the evaluation.
 *
 * Works for Snapshots of every engine. For a flag that `Engine.layerMock` or `FliptTest` defines by a function, the
 * result is right, but there are no steps.
 *
 * @example
 * ```ts
 * import * as Console from "effect/Console"
 * import * as Effect from "effect/Effect"
 * import * as Explain from "flipt-client-effect/Explain"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * // why does this user get this theme?
 * const program = Effect.scoped(
 *   Effect.gen(function* () {
 *     const client = yield* FliptClient.FliptClient
 *     const snapshot = yield* client.snapshot
 *     const explanation = yield* Explain.variant(snapshot, {
 *       flagKey: "theme",
 *       entityId: "user-42",
 *       context: { plan: "free", country: "DE" }
 *     })
 *     yield* Console.log(Explain.format(explanation))
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category explaining
 */
export const variant: (snapshot: Snapshot, request: EvaluationRequest) => Effect<VariantExplanation, EvaluateError> =
  explain.variant

/**
 * Explains a boolean flag's result. Fails with the same errors as the evaluation. See {@link variant}.
 *
 * @since 0.1.0
 * @category explaining
 */
export const boolean: (snapshot: Snapshot, request: EvaluationRequest) => Effect<BooleanExplanation, EvaluateError> =
  explain.boolean

/**
 * An explanation as text for a terminal of 80 columns. Long texts are cut, and control characters are escaped. It
 * contains the entity's id and the values of the properties that the flag's constraints read.
 *
 * @since 0.1.0
 * @category formatting
 */
export const format: (explanation: Explanation) => string = formatExplanation
