import * as Encoding from "effect/Encoding"
import type * as Definition from "../definition.js"
import { VERSION } from "./read.js"

// Written by hand: an object would put keys that look like integers first, and take `__proto__` for its prototype.

export const text = JSON.stringify

export const members = (...entries: ReadonlyArray<readonly [string, string | undefined]>): string =>
  `{${entries
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${text(key)}:${value}`)
    .join(",")}}`

export const items = <A>(values: ReadonlyArray<A>, write: (value: A, index: number) => string): string =>
  `[${values.map(write).join(",")}]`

export const maybe = (value: string | undefined): string | undefined => (value === undefined ? undefined : text(value))

/** The shortest decimal that is this number in single precision; the nearest of them, and of two the even one. */
export const formatFloat = (value: number): string => {
  const sign = value < 0 ? "-" : ""
  const magnitude = Math.abs(value)
  // with enough digits to be exact
  const [mantissa, exponent] = magnitude.toExponential(100).split("e") as [string, string]
  const exact = mantissa.replace(".", "")
  for (let digits = 1; digits < 10; digits++) {
    const below = Number(exact.slice(0, digits))
    const rest = exact.slice(digits)
    const half = `5${"0".repeat(rest.length - 1)}`
    const up = rest > half || (rest === half && below % 2 === 1)
    for (const whole of up ? [below + 1, below] : [below, below + 1]) {
      const candidate = Number(`${whole}e${Number(exponent) - digits + 1}`)
      if (Math.fround(candidate) === magnitude) {
        return sign + String(candidate)
      }
    }
  }
  return String(value)
}

export const operator = (and: boolean): string => text(and ? "AND_SEGMENT_OPERATOR" : "OR_SEGMENT_OPERATOR")

export const writeSegments = (segments: ReadonlyArray<Definition.Segment>): string =>
  members(
    ...segments.map(
      (segment) =>
        [
          segment.key,
          members(
            ["segment_key", text(segment.key)],
            ["match_type", text(segment.any ? "ANY_SEGMENT_MATCH_TYPE" : "ALL_SEGMENT_MATCH_TYPE")],
            [
              "constraints",
              items(segment.constraints, (constraint) =>
                members(
                  ["type", text(constraint.type)],
                  ["property", text(constraint.property)],
                  ["operator", text(constraint.operator)],
                  ["value", text(constraint.value)]
                )
              )
            ]
          )
        ] as const
    )
  )

export const ruleId = (flag: Definition.Flag, index: number): string => `${flag.key}-${index + 1}`

export const writeFlag = (flag: Definition.Flag): string =>
  members(
    ["key", text(flag.key)],
    ["enabled", String(flag.enabled)],
    ["type", text(flag.boolean ? "BOOLEAN_FLAG_TYPE" : "VARIANT_FLAG_TYPE")],
    ["description", maybe(flag.description)],
    [
      "default_variant",
      flag.defaultVariant &&
        members(
          ["id", text(flag.defaultVariant.id)],
          ["key", text(flag.defaultVariant.key)],
          ["attachment", maybe(flag.defaultVariant.attachment)]
        )
    ]
  )

export const writeRules = (flag: Definition.Flag): string =>
  items(flag.rules, (rule, index) =>
    members(
      ["id", text(ruleId(flag, index))],
      ["flag_key", text(flag.key)],
      ["segments", writeSegments(rule.segments)],
      ["rank", String(index + 1)],
      ["segment_operator", operator(rule.and)]
    )
  )

export const writeRollouts = (flag: Definition.Flag): string =>
  items(flag.rollouts, (rollout, index) => {
    const rank = ["rank", String(index + 1)] as const
    switch (rollout._tag) {
      case "Threshold":
        return members(["rollout_type", text("THRESHOLD_ROLLOUT_TYPE")], rank, [
          "threshold",
          members(["percentage", formatFloat(rollout.percentage)], ["value", String(rollout.value)])
        ])
      case "Segment":
        return members(["rollout_type", text("SEGMENT_ROLLOUT_TYPE")], rank, [
          "segment",
          members(
            ["value", String(rollout.value)],
            ["segment_operator", operator(rollout.audience.and)],
            ["segments", writeSegments(rollout.audience.segments)]
          )
        ])
      case "Unknown":
        return members(["rollout_type", text("UNKNOWN_ROLLOUT_TYPE")], rank)
    }
  })

export const writeDistributions = (flag: Definition.Flag): ReadonlyArray<readonly [string, string]> =>
  flag.rules.map(
    (rule, index) =>
      [
        ruleId(flag, index),
        items(rule.distributions, (distribution) =>
          members(
            ["rule_id", text(ruleId(flag, index))],
            ["rollout", formatFloat(distribution.rollout)],
            ["variant_key", text(distribution.variantKey)],
            ["variant_attachment", maybe(distribution.attachment)]
          )
        )
      ] as const
  )

/** The seed of a namespace, as base64 text. */
export const writeSeed = (namespace: string, flags: ReadonlyArray<Definition.Flag>): string => {
  const byKey = (write: (flag: Definition.Flag) => string) =>
    members(...flags.map((flag) => [flag.key, write(flag)] as const))
  return Encoding.encodeBase64(
    members(
      ["version", String(VERSION)],
      [
        "namespace",
        members(
          ["key", text(namespace)],
          ["flags", byKey(writeFlag)],
          ["eval_rules", byKey(writeRules)],
          ["eval_rollouts", byKey(writeRollouts)],
          ["eval_distributions", members(...flags.flatMap(writeDistributions))]
        )
      ]
    )
  )
}
