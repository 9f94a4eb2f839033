/**
 * Writes a seed. The JSON is written by hand because a JavaScript object would reorder integer-like keys and treat
 * `__proto__` as its prototype.
 */
import * as Effect from "effect/Effect"
import { Base64Encoder } from "../../util/base64.js"
import { repeatSlice } from "../../util/slices.js"
import type * as Definition from "../definition.js"
import { VERSION } from "./read.js"

/** Characters to write before yielding to the event loop: a few milliseconds of work. */
const SLICE_CHARACTERS = 128 * 1024

const quote = JSON.stringify

type Entry = readonly [string, string | undefined]

/** Writes an object with one entry for each field. */
const writeObject = (...entries: ReadonlyArray<Entry>): string => writeEntries(entries)

/** Writes an object with any number of entries. Not an argument for each: there may be too many for the stack. */
const writeEntries = (entries: ReadonlyArray<Entry>): string =>
  `{${entries
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${quote(key)}:${value}`)
    .join(",")}}`

const writeArray = <A>(values: ReadonlyArray<A>, write: (value: A, index: number) => string): string =>
  `[${values.map(write).join(",")}]`

const quoteOptional = (value: string | undefined): string | undefined =>
  value === undefined ? undefined : quote(value)

/** The shortest decimal that reads back as the same single-precision number; ties go to the nearest, then to even. */
const formatFloat = (value: number): string => {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 24) {
    // consecutive integers up to here have different single-precision numbers
    return String(value)
  }
  const sign = value < 0 ? "-" : ""
  const magnitude = Math.abs(value)
  // 100 digits represent any single-precision number exactly
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

const writeOperator = (and: boolean): string => quote(and ? "AND_SEGMENT_OPERATOR" : "OR_SEGMENT_OPERATOR")

export const writeSegments = (segments: ReadonlyArray<Definition.Segment>): string =>
  writeEntries(
    segments.map(
      (segment) =>
        [
          segment.key,
          writeObject(
            ["segment_key", quote(segment.key)],
            ["match_type", quote(segment.any ? "ANY_SEGMENT_MATCH_TYPE" : "ALL_SEGMENT_MATCH_TYPE")],
            [
              "constraints",
              writeArray(segment.constraints, (constraint) =>
                writeObject(
                  ["type", quote(constraint.type)],
                  ["property", quote(constraint.property)],
                  ["operator", quote(constraint.operator)],
                  ["value", quote(constraint.value)]
                )
              )
            ]
          )
        ] as const
    )
  )

export const ruleId = (flag: Definition.Flag, index: number): string => `${flag.key}-${index + 1}`

const writeFlag = (flag: Definition.Flag): string =>
  writeObject(
    ["key", quote(flag.key)],
    ["enabled", String(flag.enabled)],
    ["type", quote(flag.boolean ? "BOOLEAN_FLAG_TYPE" : "VARIANT_FLAG_TYPE")],
    ["description", quoteOptional(flag.description)],
    [
      "default_variant",
      flag.defaultVariant &&
        writeObject(
          ["id", quote(flag.defaultVariant.id)],
          ["key", quote(flag.defaultVariant.key)],
          ["attachment", quoteOptional(flag.defaultVariant.attachment)]
        )
    ]
  )

const writeRule = (flag: Definition.Flag, rule: Definition.Rule, index: number): string =>
  writeObject(
    ["id", quote(ruleId(flag, index))],
    ["flag_key", quote(flag.key)],
    ["segments", writeSegments(rule.segments)],
    ["rank", String(index + 1)],
    ["segment_operator", writeOperator(rule.and)]
  )

const writeRollout = (rollout: Definition.Rollout, index: number): string => {
  const rank = ["rank", String(index + 1)] as const
  switch (rollout._tag) {
    case "Threshold":
      return writeObject(["rollout_type", quote("THRESHOLD_ROLLOUT_TYPE")], rank, [
        "threshold",
        writeObject(["percentage", formatFloat(rollout.percentage)], ["value", String(rollout.value)])
      ])
    case "Segment":
      return writeObject(["rollout_type", quote("SEGMENT_ROLLOUT_TYPE")], rank, [
        "segment",
        writeObject(
          ["value", String(rollout.value)],
          ["segment_operator", writeOperator(rollout.audience.and)],
          ["segments", writeSegments(rollout.audience.segments)]
        )
      ])
    case "Unknown":
      return writeObject(["rollout_type", quote("UNKNOWN_ROLLOUT_TYPE")], rank)
  }
}

const writeDistributions = (flag: Definition.Flag, rule: Definition.Rule, index: number): string =>
  writeArray(rule.distributions, (distribution) =>
    writeObject(
      ["rule_id", quote(ruleId(flag, index))],
      ["rollout", formatFloat(distribution.rollout)],
      ["variant_key", quote(distribution.variantKey)],
      ["variant_attachment", quoteOptional(distribution.attachment)]
    )
  )

/** Joins the pieces of several values with commas. */
function* commaSeparated<A>(
  values: ReadonlyArray<A>,
  write: (value: A, index: number) => Iterable<string>
): Generator<string> {
  for (let index = 0; index < values.length; index++) {
    if (index > 0) {
      yield ","
    }
    yield* write(values[index] as A, index)
  }
}

/** The JSON of a seed, in pieces of one flag, rule or rollout. */
function* writePieces(namespace: string, flags: ReadonlyArray<Definition.Flag>): Generator<string> {
  yield `{"version":${VERSION},"namespace":{"key":${quote(namespace)},"flags":{`
  yield* commaSeparated(flags, (flag) => [`${quote(flag.key)}:${writeFlag(flag)}`])
  yield `},"eval_rules":{`
  yield* commaSeparated(flags, function* (flag) {
    yield `${quote(flag.key)}:[`
    yield* commaSeparated(flag.rules, (rule, index) => [writeRule(flag, rule, index)])
    yield "]"
  })
  yield `},"eval_rollouts":{`
  yield* commaSeparated(flags, function* (flag) {
    yield `${quote(flag.key)}:[`
    yield* commaSeparated(flag.rollouts, (rollout, index) => [writeRollout(rollout, index)])
    yield "]"
  })
  yield `},"eval_distributions":{`
  const withRules = flags.filter(({ rules }) => rules.length > 0)
  yield* commaSeparated(withRules, (flag) =>
    commaSeparated(flag.rules, (rule, index) => [
      `${quote(ruleId(flag, index))}:${writeDistributions(flag, rule, index)}`
    ])
  )
  yield "}}}"
}

/** Returns the seed of a namespace, as base64 text. Yields to the event loop while it writes a large one. */
export const writeSeed = (namespace: string, flags: ReadonlyArray<Definition.Flag>): Effect.Effect<string> =>
  Effect.suspend(() => {
    const pieces = writePieces(namespace, flags)
    const encoder = new Base64Encoder()
    const slice = Effect.sync(() => {
      for (let written = 0; written < SLICE_CHARACTERS; ) {
        const piece = pieces.next()
        if (piece.done === true) {
          return true
        }
        encoder.add(piece.value)
        written += piece.value.length
      }
      return false
    })
    return Effect.map(repeatSlice(slice), () => encoder.finish())
  })
