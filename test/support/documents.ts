/**
 * Small documents for tests that are not about evaluation.
 */

/** The definition of a boolean flag, as the server sends it. */
export const booleanFlag = (key: string, enabled: boolean) => ({
  key,
  name: "",
  description: "",
  enabled,
  type: "BOOLEAN_FLAG_TYPE",
  rules: [],
  rollouts: []
})

/** A variant flag with one rule for everyone. */
export const variantFlag = (key: string, variantKey: string, variantAttachment = "") => ({
  key,
  name: "",
  description: "",
  enabled: true,
  type: "VARIANT_FLAG_TYPE",
  rules: [
    {
      id: "1",
      rank: 1,
      segmentOperator: "OR_SEGMENT_OPERATOR",
      segments: [{ key: "everyone", matchType: "ALL_SEGMENT_MATCH_TYPE", constraints: [] }],
      distributions: [{ ruleId: "1", variantKey, variantAttachment, rollout: 100 }]
    }
  ],
  rollouts: []
})

export const makeDocument = (flags: ReadonlyArray<object>, namespace = "default") => ({
  namespace: { key: namespace, name: namespace },
  flags
})

/** A document with the flag `on`. */
export const onDocument = (enabled: boolean, namespace = "default") =>
  makeDocument([booleanFlag("on", enabled)], namespace)
