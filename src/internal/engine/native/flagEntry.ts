/**
 * A flag of the native engine: its index in the library, the properties that it reads, and its outcomes. They are made of
 * the library's description, which is JSON.
 */
import * as Either from "effect/Either"
import type { BooleanResult, FlagType, Reason, VariantResult } from "../../../Model.js"
import { slotWords, type TextEntry } from "./arena.js"

export type EvaluationResult = VariantResult | BooleanResult

/** A property that flags read, with its last value in the arena. */
export interface Property {
  readonly name: string
  readonly lenient: boolean
  readonly text: TextEntry
}

/** A flag, loaded on its first evaluation. */
export interface FlagEntry {
  readonly index: number
  readonly boolean: boolean
  readonly properties: ReadonlyArray<Property>
  readonly outcomes: ReadonlyArray<Either.Either<EvaluationResult>>
  readonly partialResults: Map<string, Either.Either<EvaluationResult>>
  /** Words before the texts: enough for the slots of a request and for a result that lists all segments. */
  readonly words: number
}

export const freeze = (result: EvaluationResult): Either.Either<EvaluationResult> => {
  Object.freeze(result.segmentKeys)
  return Either.right(Object.freeze(result))
}

/** The library's description of a flag. Outcome 0 means that nothing matches; those of rules and rollouts follow. */
interface Description {
  readonly index: number
  readonly type: FlagType
  readonly enabled: boolean
  readonly defaultVariant?: Variant
  readonly properties: ReadonlyArray<string>
  readonly rules: ReadonlyArray<{
    readonly segmentKeys: ReadonlyArray<string>
    readonly variants: ReadonlyArray<Variant>
  }>
  readonly rollouts: ReadonlyArray<{ readonly segmentKeys: ReadonlyArray<string>; readonly enabled: boolean }>
}

interface Variant {
  readonly key: string
  readonly attachment?: string
}

const noKeys: ReadonlyArray<string> = []

const booleanOutcomes = (
  flagKey: string,
  { enabled, rollouts }: Description
): Array<Either.Either<EvaluationResult>> => {
  const outcome = (reason: Reason, segmentKeys: ReadonlyArray<string>, value: boolean) =>
    freeze({ _tag: "Boolean", flagKey, enabled: value, reason, segmentKeys })
  const outcomes = [outcome("DEFAULT_EVALUATION_REASON", noKeys, enabled)]
  for (const rollout of rollouts) {
    outcomes.push(outcome("MATCH_EVALUATION_REASON", rollout.segmentKeys, rollout.enabled))
  }
  return outcomes
}

const variantOutcomes = (
  flagKey: string,
  { defaultVariant, enabled, rules }: Description
): Array<Either.Either<EvaluationResult>> => {
  const outcome = (reason: Reason, segmentKeys: ReadonlyArray<string>, variant: Variant | undefined) =>
    freeze({
      _tag: "Variant",
      flagKey,
      match: reason === "MATCH_EVALUATION_REASON",
      reason,
      segmentKeys,
      variantKey: variant?.key ?? "",
      ...(variant?.attachment === undefined ? {} : { variantAttachment: variant.attachment })
    })
  const noMatch = !enabled
    ? "FLAG_DISABLED_EVALUATION_REASON"
    : defaultVariant === undefined
      ? "UNKNOWN_EVALUATION_REASON"
      : "DEFAULT_EVALUATION_REASON"
  const outcomes = [outcome(noMatch, noKeys, defaultVariant)]
  for (const { segmentKeys, variants } of rules) {
    for (const variant of variants.length === 0 ? [defaultVariant] : variants) {
      outcomes.push(outcome("MATCH_EVALUATION_REASON", segmentKeys, variant))
    }
  }
  return outcomes
}

export const parseFlagEntry = (flagKey: string, text: string, propertyOf: (name: string) => Property): FlagEntry => {
  const description = JSON.parse(text) as Description
  const { index, properties, rollouts, rules } = description
  const boolean = description.type === "BOOLEAN_FLAG_TYPE"
  let segments = 0
  for (const { segmentKeys } of boolean ? rollouts : rules) {
    segments = Math.max(segments, segmentKeys.length)
  }
  return {
    index,
    boolean,
    properties: properties.map(propertyOf),
    outcomes: boolean ? booleanOutcomes(flagKey, description) : variantOutcomes(flagKey, description),
    partialResults: new Map(),
    words: Math.max(slotWords(properties.length), 1 + segments)
  }
}
