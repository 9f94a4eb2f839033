/**
 * Parts of rules, as the server sends them.
 */

export const constraint = (type: string, property: string, operator: string, value: string) => ({
  type: `${type}_CONSTRAINT_COMPARISON_TYPE`,
  property,
  operator,
  value
})

export const segment = (key: string, matchType: "ALL" | "ANY", constraints: ReadonlyArray<object>) => ({
  key,
  matchType: `${matchType}_SEGMENT_MATCH_TYPE`,
  constraints
})

export const distribution = (variantKey: string, rollout: number, variantAttachment = "") => ({
  variantKey,
  rollout,
  variantAttachment
})

export interface Rule {
  readonly segmentOperator?: "OR_SEGMENT_OPERATOR" | "AND_SEGMENT_OPERATOR"
  readonly segments: ReadonlyArray<object>
  readonly distributions: ReadonlyArray<object>
}

/** An enabled variant flag with these rules. */
export const variantFlagOf = (key: string, rules: ReadonlyArray<Rule>, defaultVariant?: object) => ({
  key,
  name: key,
  description: "",
  enabled: true,
  type: "VARIANT_FLAG_TYPE",
  rules: rules.map((rule) => ({ segmentOperator: "OR_SEGMENT_OPERATOR", ...rule })),
  rollouts: [],
  ...(defaultVariant === undefined ? {} : { defaultVariant })
})
