/**
 * What goes into an evaluation and what comes out of it, in the words of Flipt's API.
 *
 * @since 0.1.0
 */

/**
 * What is known of an entity: the properties that constraints are checked against.
 *
 * Finite numbers become `String(n)`, booleans `"true"` or `"false"`, a Date its RFC 3339 text. `undefined` means that
 * the property is absent, so that `{ plan: user.plan }` type-checks. Only own properties count.
 *
 * @since 0.1.0
 * @category models
 */
export interface EvaluationContext {
  readonly [property: string]: string | number | boolean | Date | undefined
}

/**
 * Who is asked about. The id decides, together with the flag's key, on which side of a percentage an entity falls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entity {
  readonly entityId: string
  readonly context?: EvaluationContext | undefined
}

/**
 * One question: which value has this flag for this entity?
 *
 * @example
 * ```ts
 * import type * as Model from "flipt-client-effect/Model"
 *
 * interface User {
 *   readonly id: string
 *   readonly plan?: string
 *   readonly age: number
 *   readonly registered: Date
 * }
 *
 * // what constraints ask for, and nothing else of the user
 * const theme = ({ age, id, plan, registered }: User): Model.EvaluationRequest => ({
 *   flagKey: "theme",
 *   entityId: id,
 *   context: { plan, age, registered }
 * })
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface EvaluationRequest extends Entity {
  readonly flagKey: string
}

/**
 * Why a result is what it is, spelled as on the wire.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason =
  | "MATCH_EVALUATION_REASON"
  | "DEFAULT_EVALUATION_REASON"
  | "FLAG_DISABLED_EVALUATION_REASON"
  | "UNKNOWN_EVALUATION_REASON"

/**
 * The type of a flag, spelled as on the wire.
 *
 * @since 0.1.0
 * @category models
 */
export type FlagType = "VARIANT_FLAG_TYPE" | "BOOLEAN_FLAG_TYPE"

/**
 * The answer for a variant flag. Frozen, and shared between equal evaluations.
 *
 * @since 0.1.0
 * @category models
 */
export interface VariantResult {
  readonly _tag: "Variant"
  readonly flagKey: string
  /** Whether a rule matched. */
  readonly match: boolean
  readonly reason: Reason
  /** The segments that matched, in the document's order. */
  readonly segmentKeys: ReadonlyArray<string>
  /** `""` when there is none. */
  readonly variantKey: string
  /** JSON text, as it stands in the document; absent where there is none. */
  readonly variantAttachment?: string
}

/**
 * The answer for a boolean flag. Frozen, and shared between equal evaluations.
 *
 * @since 0.1.0
 * @category models
 */
export interface BooleanResult {
  readonly _tag: "Boolean"
  readonly flagKey: string
  readonly enabled: boolean
  readonly reason: Reason
  /** The segments that matched, in the document's order. */
  readonly segmentKeys: ReadonlyArray<string>
}

/**
 * What stands in a batch's answer in the place of a flag that could not be evaluated.
 *
 * @since 0.1.0
 * @category models
 */
export interface ErrorResult {
  readonly _tag: "Error"
  readonly flagKey: string
  readonly namespaceKey: string
  readonly reason: "NOT_FOUND_ERROR_EVALUATION_REASON" | "UNKNOWN_ERROR_EVALUATION_REASON"
}

/**
 * One entry of a batch's answer, in the place of its request.
 *
 * @example
 * ```ts
 * import type * as Model from "flipt-client-effect/Model"
 *
 * const show = (entry: Model.BatchEntry): string => {
 *   switch (entry._tag) {
 *     case "Boolean":
 *       return `${entry.flagKey}: ${entry.enabled}`
 *     case "Variant":
 *       return `${entry.flagKey}: ${entry.match ? entry.variantKey : "none"}`
 *     case "Error":
 *       return `${entry.flagKey}: there is no such flag in ${entry.namespaceKey}`
 *   }
 * }
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type BatchEntry = VariantResult | BooleanResult | ErrorResult

/**
 * A flag as `listFlags` tells it.
 *
 * @since 0.1.0
 * @category models
 */
export interface FlagInfo {
  readonly key: string
  /** For a boolean flag also its value when no rollout matches. */
  readonly enabled: boolean
  readonly type: FlagType
  readonly description?: string
  readonly defaultVariant?: { readonly id: string; readonly key: string; readonly attachment?: string }
}

/**
 * A namespace's whole flag state as base64 text: what `getSnapshot` of every official Flipt client gives and their
 * option `snapshot` takes, so that a state taken by one can start another.
 *
 * @since 0.1.0
 * @category models
 */
export type Seed = string

/**
 * Which flag state. Both default to `"default"`. Environments exist on Flipt v2 only.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  readonly environment?: string | undefined
  readonly namespace?: string | undefined
}
