/**
 * Flags for tests, in the form that a Flipt server sends.
 */
import { booleanFlag } from "../../../../test/support/documents.js"

type Comparison = "STRING" | "NUMBER" | "BOOLEAN" | "DATETIME"

export const constraint = (type: Comparison, property: string, operator: string, value = "") => ({
  type: `${type}_CONSTRAINT_COMPARISON_TYPE`,
  property,
  operator,
  value
})

type Constraint = ReturnType<typeof constraint>

const segment = (key: string, constraints: ReadonlyArray<Constraint>) => ({
  key,
  matchType: "ALL_SEGMENT_MATCH_TYPE",
  constraints
})

export interface Variant {
  readonly key: string
  readonly attachment?: string
}

/** A variant flag with one variant for entities that match all constraints, and another one by default. */
export const variants = (
  key: string,
  options: {
    readonly enabled?: boolean
    readonly byDefault?: Variant
    readonly match?: Variant & { readonly constraints: ReadonlyArray<Constraint> }
  }
) => ({
  key,
  name: key,
  description: "",
  enabled: options.enabled ?? true,
  type: "VARIANT_FLAG_TYPE",
  rollouts: [],
  rules:
    options.match === undefined
      ? []
      : [
          {
            id: "1",
            rank: 1,
            segmentOperator: "OR_SEGMENT_OPERATOR",
            segments: [segment("matching", options.match.constraints)],
            distributions: [
              {
                ruleId: "1",
                variantKey: options.match.key,
                variantAttachment: options.match.attachment ?? "",
                rollout: 100
              }
            ]
          }
        ],
  ...(options.byDefault === undefined
    ? {}
    : {
        defaultVariant: {
          id: options.byDefault.key,
          key: options.byDefault.key,
          ...(options.byDefault.attachment === undefined ? {} : { attachment: options.byDefault.attachment })
        }
      })
})

/** A boolean flag with a different value for entities that match all constraints. */
export const targeted = (
  key: string,
  options: {
    readonly enabled: boolean
    readonly match: boolean
    readonly constraints: ReadonlyArray<Constraint>
    readonly segments?: ReadonlyArray<string>
  }
) => ({
  ...booleanFlag(key, options.enabled),
  rollouts: [
    {
      type: "SEGMENT_ROLLOUT_TYPE",
      rank: 1,
      segment: {
        value: options.match,
        segmentOperator: "OR_SEGMENT_OPERATOR",
        segments: (options.segments ?? ["matching"]).map((name) => segment(name, options.constraints))
      }
    }
  ]
})

/** A boolean flag that is true for a percentage of the entities. */
export const percentage = (key: string, percent: number) => ({
  ...booleanFlag(key, false),
  rollouts: [{ type: "THRESHOLD_ROLLOUT_TYPE", rank: 1, threshold: { percentage: percent, value: true } }]
})
