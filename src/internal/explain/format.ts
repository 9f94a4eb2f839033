/**
 * Formats an explanation: first the result and its reason, then each rule or rollout in the order of evaluation.
 */
import type * as Explain from "../../Explain.js"
import { isAbsent } from "../flag/attachments.js"
import { columns, name, plain, quote, value, WIDTH, wrap } from "./text.js"

const MAX_PROPERTY = 24
const MAX_OPERATOR = 14
const MAX_KEY = 40
/** A variant's key in the line of a bucket, which also has the share and the points. */
const MAX_VARIANT = 32

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

type Constraint = Pick<Explain.ConstraintStep, "operator" | "property" | "type" | "value">

/** Operators as Flipt's UI shows them. */
const operators: { readonly [operator: string]: string } = {
  eq: "==",
  neq: "!=",
  lt: "<",
  lte: "<=",
  gt: ">",
  gte: ">=",
  prefix: "has prefix",
  suffix: "has suffix",
  contains: "contains",
  notcontains: "does not contain",
  isoneof: "is one of",
  isnotoneof: "is not one of"
}

const operatorsWithoutValue: { readonly [operator: string]: string } = {
  true: "is true",
  false: "is false",
  empty: "is empty",
  notempty: "is not empty",
  present: "is present",
  notpresent: "is not present"
}

const own = (names: { readonly [operator: string]: string }, operator: string): string | undefined =>
  Object.hasOwn(names, operator) ? names[operator] : undefined

const isEntity = ({ type }: Constraint): boolean => type === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE"

const nameOf = (constraint: Constraint): string =>
  isEntity(constraint) ? "the entity id" : name(constraint.property, MAX_PROPERTY)

/** A constraint, cut to a number of columns. */
const constraintText = (constraint: Constraint, limit: number): string => {
  const { operator, type, value: expected } = constraint
  const unary = own(operatorsWithoutValue, operator)
  if (unary !== undefined) {
    return `${nameOf(constraint)} ${unary}`
  }
  const start = `${nameOf(constraint)} ${own(operators, operator) ?? plain(operator, MAX_OPERATOR)} `
  const rest = limit - columns(start)
  return (
    start +
    (operator === "isoneof" || operator === "isnotoneof"
      ? plain(expected, rest)
      : type === "STRING_CONSTRAINT_COMPARISON_TYPE" || isEntity(constraint)
        ? quote(expected, rest)
        : value(expected, rest))
  )
}

const formatConstraint = (step: Explain.ConstraintStep, indent: string): ReadonlyArray<string> => {
  const lead = `${indent}${step.holds ? "holds" : "fails"}  `
  const deep = " ".repeat(lead.length)
  const text = lead + constraintText(step, WIDTH - lead.length)
  const actual = isEntity(step)
    ? ""
    : step.actual === undefined
      ? `the request has no ${nameOf(step)}`
      : `the request has ${quote(step.actual)}`
  const isShort = columns(text) + 2 + columns(actual) <= WIDTH
  return [
    actual === "" ? text : isShort ? `${text}, ${actual}` : text,
    ...(isShort ? [] : [deep + actual]),
    ...(step.note === undefined ? [] : wrap(step.note, deep))
  ]
}

const needs = ({ constraints, matchType }: Explain.SegmentStep): string =>
  constraints.length === 0
    ? "no constraints, so it matches everyone"
    : constraints.length === 1
      ? ""
      : matchType === "ALL_SEGMENT_MATCH_TYPE"
        ? `needs all ${constraints.length} constraints`
        : `needs one of ${constraints.length} constraints`

const formatSegment = (segment: Explain.SegmentStep): ReadonlyArray<string> => {
  const need = needs(segment)
  return [
    ...wrap(
      `${quote(segment.key, MAX_KEY)} ${segment.matches ? "matches" : "does not match"}${need === "" ? "" : `: ${need}`}`,
      " ".repeat(12),
      "    Segment "
    ),
    ...segment.constraints.flatMap((constraint) => formatConstraint(constraint, "      "))
  ]
}

interface Audience {
  readonly segmentOperator: Explain.RuleStep["segmentOperator"]
  readonly segments: ReadonlyArray<Explain.SegmentStep>
}

const formatAudience = ({ segmentOperator, segments }: Audience): ReadonlyArray<string> => [
  ...(segments.length === 1
    ? []
    : segments.length === 0
      ? [
          segmentOperator === "AND_SEGMENT_OPERATOR"
            ? "    No segments, and all of them must match: matches everyone"
            : "    No segments, and one of them must match: matches nobody"
        ]
      : [
          segmentOperator === "AND_SEGMENT_OPERATOR"
            ? `    All ${segments.length} segments must match`
            : `    One of ${segments.length} segments must match`
        ]),
  ...segments.flatMap(formatSegment)
]

const verdict = (matches: boolean, reached: boolean): string =>
  reached ? (matches ? "MATCH, decides" : "no match") : `not reached, it would ${matches ? "match" : "not match"}`

const title = (kind: string, index: number, text: string): string => `  ${kind} ${index + 1}: ${text}`

const percent = (share: number): string => `${Number(share.toFixed(4))} %`

const points = ({ first, last }: Explain.Bucket): string =>
  last < first ? "no points" : `points ${String(first).padStart(4)} to ${String(last).padStart(4)}`

const formatSplit = (buckets: ReadonlyArray<Explain.Bucket>, point: number): ReadonlyArray<string> => {
  if (buckets.every(({ first, last }) => last < first)) {
    return [
      `    ${buckets.length === 0 ? "No distributions" : "No distribution has a share"}: gives the default variant`
    ]
  }
  const keys = buckets.map(({ variantKey }) => quote(variantKey, MAX_VARIANT))
  if (keys.length === 1) {
    return [`    Gives variant ${keys[0]}`]
  }
  const width = keys.reduce((longest, key) => Math.max(longest, columns(key)), 0)
  const pad = (key: string) => key + " ".repeat(width - columns(key))
  return [
    `    Splits by share: the variant whose points include ${point} wins`,
    ...buckets.map((bucket, index) => {
      const isHit = bucket.first <= point && point <= bucket.last
      return `      ${pad(keys[index] as string)} ${percent(bucket.rollout).padStart(9)}  ${points(bucket)}${isHit ? ` <- ${point}` : ""}`
    })
  ]
}

const formatRule = (rule: Explain.RuleStep, index: number, point: number): string =>
  [
    title("Rule", index, verdict(rule.matches, rule.reached)),
    ...formatAudience(rule),
    ...formatSplit(rule.buckets, point)
  ].join("\n")

const formatRollout = (rollout: Explain.RolloutStep, index: number, point: number): string => {
  const start = title("Rollout", index, verdict(rollout.matches, rollout.reached))
  switch (rollout._tag) {
    case "Threshold":
      return [
        start,
        `    Gives ${rollout.value} to ${percent(rollout.percentage)}: the entity's point ${point} is ${rollout.matches ? "" : "not "}below ${Number(rollout.percentage.toFixed(4))}`
      ].join("\n")
    case "Segment":
      return [start, ...formatAudience(rollout), `    Gives ${rollout.value}`].join("\n")
    case "Unknown":
      return `${start}\n    Neither a threshold nor segments: it is ignored`
  }
}

const variantOf = (key: string): string => (key === "" ? "no variant" : `variant ${quote(key, MAX_KEY)}`)

const reasonOfVariant = ({ bucket, decidedBy, flag, point, result, rules }: Explain.VariantExplanation): string => {
  const rule = decidedBy === undefined ? undefined : rules[decidedBy]
  if (decidedBy !== undefined && rule !== undefined) {
    const start = `rule ${decidedBy + 1} matches`
    return bucket === undefined
      ? `${start}, and no distribution has a share: the default variant counts`
      : rule.buckets.length === 1
        ? start
        : `${start}, and its split gives point ${point} this variant`
  }
  return result.reason === "FLAG_DISABLED_EVALUATION_REASON"
    ? "the flag is disabled, so no rule is evaluated"
    : `${rules.length === 0 ? "the flag has no rules" : `none of ${plural(rules.length, "rule")} matches`}, ${
        flag.defaultVariant === undefined ? "and the flag has no default variant" : "so the default variant counts"
      }`
}

const reasonOfBoolean = ({ decidedBy, rollouts }: Explain.BooleanExplanation): string =>
  decidedBy !== undefined
    ? `rollout ${decidedBy + 1} matches`
    : `${rollouts.length === 0 ? "the flag has no rollouts" : `none of ${plural(rollouts.length, "rollout")} matches`}, so the flag's own value counts`

const about = ({ flag, namespace, point, request }: Explain.Explanation, range: string): ReadonlyArray<string> => [
  `Flag       ${quote(flag.key, 66)}`,
  `Namespace  ${quote(namespace, 66)}`,
  `Entity     ${quote(request.entityId, 66)}`,
  `Point      ${point} of ${range}, fixed by the flag's key and the entity's id`
]

const outcome = (text: string, reason: string): ReadonlyArray<string> => [
  `Result     ${text}`,
  ...wrap(reason, " ".repeat(11))
]

const formatVariant = (explanation: Explain.VariantExplanation): string => {
  const { flag, point, result, rules } = explanation
  const attachment = result.variantAttachment
  const type = `variant flag, ${flag.enabled ? "enabled" : "DISABLED"}, ${
    flag.defaultVariant === undefined ? "no default variant" : `default variant ${quote(flag.defaultVariant.key, 29)}`
  }`
  return [
    [
      ...about(explanation, "1 to 1000"),
      `Type       ${type}`,
      ...outcome(variantOf(result.variantKey), reasonOfVariant(explanation)),
      ...(isAbsent(attachment) ? [] : [`           attachment ${plain(attachment, 58)}`])
    ].join("\n"),
    ...rules.map((rule, index) => formatRule(rule, index, point))
  ].join("\n\n")
}

const formatBoolean = (explanation: Explain.BooleanExplanation): string => {
  const { flag, point, result, rollouts } = explanation
  return [
    [
      ...about(explanation, "0 to 99"),
      `Type       boolean flag, ${flag.enabled} if no rollout matches`,
      ...outcome(String(result.enabled), reasonOfBoolean(explanation))
    ].join("\n"),
    ...rollouts.map((rollout, index) => formatRollout(rollout, index, point))
  ].join("\n\n")
}

export const formatExplanation = (explanation: Explain.Explanation): string =>
  explanation._tag === "Variant" ? formatVariant(explanation) : formatBoolean(explanation)
