/**
 * The definition of a flag, common to server documents and to the seeds of the official clients. Engines compile it.
 * Numbers are already rounded to single precision.
 */

export interface Constraint {
  readonly type: string
  readonly property: string
  readonly operator: string
  readonly value: string
}

export interface Segment {
  readonly key: string
  /** Whether one matching constraint is enough; otherwise all constraints must match. */
  readonly any: boolean
  readonly constraints: ReadonlyArray<Constraint>
}

export interface Distribution {
  readonly variantKey: string
  readonly attachment: string | undefined
  /** The share in percent. */
  readonly rollout: number
}

/** The segments that a rule or rollout applies to, and whether all of them must match (`and`) or one is enough. */
export interface Audience {
  readonly and: boolean
  readonly segments: ReadonlyArray<Segment>
}

export interface Rule extends Audience {
  readonly distributions: ReadonlyArray<Distribution>
}

export type Rollout =
  | { readonly _tag: "Threshold"; readonly percentage: number; readonly value: boolean }
  | { readonly _tag: "Segment"; readonly audience: Audience; readonly value: boolean }
  | { readonly _tag: "Unknown" }

export interface DefaultVariant {
  readonly id: string
  readonly key: string
  readonly attachment: string | undefined
}

export interface Flag {
  readonly key: string
  readonly boolean: boolean
  readonly enabled: boolean
  readonly description: string | undefined
  readonly defaultVariant: DefaultVariant | undefined
  readonly rules: ReadonlyArray<Rule>
  readonly rollouts: ReadonlyArray<Rollout>
}

/** Removes duplicate segment keys: the last segment with a key wins. */
export const lastOfEachKey = (segments: ReadonlyArray<Segment>): ReadonlyArray<Segment> =>
  segments.length < 2 ? segments : [...new Map(segments.map((segment) => [segment.key, segment])).values()]

/** Any other operator means "or". */
export const isAnd = (operator: string | undefined): boolean => operator === "AND_SEGMENT_OPERATOR"

/** Any other match type means "any". */
export const isAny = (matchType: string): boolean => matchType !== "ALL_SEGMENT_MATCH_TYPE"

/** Any other type means a variant flag. */
export const isBoolean = (type: string | undefined): boolean => type === "BOOLEAN_FLAG_TYPE"

const constraintTypes: ReadonlySet<string> = new Set([
  "STRING_CONSTRAINT_COMPARISON_TYPE",
  "NUMBER_CONSTRAINT_COMPARISON_TYPE",
  "BOOLEAN_CONSTRAINT_COMPARISON_TYPE",
  "DATETIME_CONSTRAINT_COMPARISON_TYPE",
  "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE"
])

/** Maps unknown names to the type that never matches. */
export const constraintType = (type: string): string =>
  constraintTypes.has(type) ? type : "UNKNOWN_CONSTRAINT_COMPARISON_TYPE"
