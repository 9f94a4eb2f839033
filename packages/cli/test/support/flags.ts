/**
 * The flags of the tests, as a server's document and as `features.yml`.
 */

const constraint = (property: string, operator: string, value: string, type = "STRING") => ({
  type: `${type}_CONSTRAINT_COMPARISON_TYPE`,
  property,
  operator,
  value
})

export interface Choices {
  readonly namespace?: string
  /** The share of the variant dark, in percent. */
  readonly dark?: number
  readonly age?: string
  readonly checkout?: boolean
  readonly extra?: ReadonlyArray<{ readonly key: string }>
}

/** A variant flag with a split and attachments, and a boolean flag. */
export const documentOf = ({
  age = "18",
  checkout = false,
  dark = 70,
  extra = [],
  namespace = "shop"
}: Choices = {}) => ({
  namespace: { key: namespace },
  flags: [
    {
      key: "theme",
      name: "",
      description: "The colors of the shop",
      enabled: true,
      type: "VARIANT_FLAG_TYPE",
      rules: [
        {
          id: "r1",
          rank: 1,
          segmentOperator: "OR_SEGMENT_OPERATOR",
          segments: [
            {
              key: "pro-adults",
              matchType: "ALL_SEGMENT_MATCH_TYPE",
              constraints: [constraint("plan", "eq", "pro"), constraint("age", "gte", age, "NUMBER")]
            }
          ],
          distributions: [
            { ruleId: "r1", variantKey: "dark", variantAttachment: '{"accent":"teal","size":2}', rollout: dark },
            { ruleId: "r1", variantKey: "light", variantAttachment: '{"accent":null}', rollout: 100 - dark }
          ]
        }
      ],
      rollouts: [],
      defaultVariant: { id: "d", key: "light", attachment: '{"accent":null}' }
    },
    {
      key: "new-checkout",
      name: "",
      description: "",
      enabled: checkout,
      type: "BOOLEAN_FLAG_TYPE",
      rules: [],
      rollouts: []
    },
    ...extra
  ]
})

/** A boolean flag with an `isoneof` that no client can read, so that lint finds a problem. */
export const broken = {
  key: "broken",
  name: "",
  description: "",
  enabled: false,
  type: "BOOLEAN_FLAG_TYPE",
  rules: [],
  rollouts: [
    {
      type: "SEGMENT_ROLLOUT_TYPE",
      rank: 1,
      segment: {
        value: true,
        segmentOperator: "OR_SEGMENT_OPERATOR",
        segments: [
          {
            key: "adults",
            matchType: "ALL_SEGMENT_MATCH_TYPE",
            constraints: [constraint("age", "gte", "17.5", "NUMBER")]
          }
        ]
      }
    }
  ]
}

export const features = `namespace: shop
flags:
  - key: theme
    name: Theme
    type: VARIANT_FLAG_TYPE
    enabled: true
    variants:
      - key: dark
        attachment:
          accent: teal
      - key: light
        default: true
    rules:
      - segment: pro
        distributions:
          - variant: dark
            rollout: 100
  - key: new-checkout
    name: New checkout
    type: BOOLEAN_FLAG_TYPE
    enabled: false
segments:
  - key: pro
    name: Pro
    match_type: ALL_MATCH_TYPE
    constraints:
      - type: STRING_COMPARISON_TYPE
        property: plan
        operator: eq
        value: pro
`

/** A string that would clear a terminal, reverse a line and end a comment. */
export const hostile = "a\u001b[2J\u202eb\u0007*/\u009b31m\r\nc"

export const hostileDocument = {
  namespace: { key: "default" },
  flags: [
    {
      ...documentOf().flags[0],
      key: `x${hostile}`,
      description: hostile,
      rules: [
        {
          id: "r",
          rank: 1,
          segmentOperator: "OR_SEGMENT_OPERATOR",
          segments: [
            {
              key: hostile,
              matchType: "ALL_SEGMENT_MATCH_TYPE",
              constraints: [constraint(hostile, "neq", hostile)]
            }
          ],
          distributions: [
            { ruleId: "r", variantKey: hostile, variantAttachment: JSON.stringify(hostile), rollout: 100 }
          ]
        }
      ],
      defaultVariant: { id: "d", key: hostile, attachment: JSON.stringify({ [hostile]: hostile }) }
    }
  ]
}
