/**
 * Requests and results of evaluations, named as in Flipt's API.
 *
 * @since 0.1.0
 */

/**
 * The properties of an entity that constraints can test.
 *
 * A finite number is compared as `String(n)`, a boolean as `"true"` or `"false"`, and a Date as its RFC 3339 text.
 * `undefined` means that the property is absent, so `{ plan: user.plan }` type-checks for an optional `plan`. Only own
 * properties count.
 *
 * @since 0.1.0
 * @category models
 */
export interface EvaluationContext {
  readonly [property: string]: string | number | boolean | Date | undefined
}

/**
 * The entity to evaluate flags for, such as a user or a tenant. Its id and the flag's key together decide which side of
 * a percentage rollout the entity falls on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entity {
  readonly entityId: string
  readonly context?: EvaluationContext | undefined
}

/**
 * A request for the value of one flag for one entity.
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
 * // Pass only the properties that constraints use.
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
 * The reason for a result, spelled as in Flipt's API.
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
 * The type of a flag, spelled as in Flipt's API.
 *
 * @since 0.1.0
 * @category models
 */
export type FlagType = "VARIANT_FLAG_TYPE" | "BOOLEAN_FLAG_TYPE"

/**
 * The result of a variant flag. It is frozen, and equal evaluations may share one object.
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
  /** The keys of the segments that matched, in document order. */
  readonly segmentKeys: ReadonlyArray<string>
  /** The key of the variant, or `""` if there is none. */
  readonly variantKey: string
  /** The variant's attachment as JSON text, exactly as it appears in the document. Absent if there is none. */
  readonly variantAttachment?: string
}

/**
 * The result of a boolean flag. It is frozen, and equal evaluations may share one object.
 *
 * @since 0.1.0
 * @category models
 */
export interface BooleanResult {
  readonly _tag: "Boolean"
  readonly flagKey: string
  readonly enabled: boolean
  readonly reason: Reason
  /** The keys of the segments that matched, in document order. */
  readonly segmentKeys: ReadonlyArray<string>
}

/**
 * The entry of a batch result for a flag that could not be evaluated.
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
 * One entry of a batch result. Entries are in the order of the requests.
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
 *       return `${entry.flagKey}: no such flag in ${entry.namespaceKey}`
 *   }
 * }
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type BatchEntry = VariantResult | BooleanResult | ErrorResult

/**
 * A flag as returned by `listFlags`.
 *
 * @since 0.1.0
 * @category models
 */
export interface FlagInfo {
  readonly key: string
  /** Whether the flag is enabled. For a boolean flag, this is also its value when no rollout matches. */
  readonly enabled: boolean
  readonly type: FlagType
  readonly description?: string
  readonly defaultVariant?: { readonly id: string; readonly key: string; readonly attachment?: string }
}

/**
 * The complete flag state of a namespace as base64 text. Every official Flipt client returns it from `getSnapshot` and
 * accepts it as the option `snapshot`, so a state taken from one client can start another.
 *
 * @since 0.1.0
 * @category models
 */
export type Seed = string

/**
 * Identifies a flag state on a server. Both keys default to `"default"`. Environments exist in Flipt v2 only.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  readonly environment?: string | undefined
  readonly namespace?: string | undefined
}
