/**
 * Formats results of evaluations, as text and as JSON.
 */
import type { BatchEntry, BooleanResult, FlagInfo, Reason, VariantResult } from "flipt-client-effect/Model"
import * as Text from "./text.js"

export type Result = BooleanResult | VariantResult

/** The forms in which servers encode a missing attachment. */
export const attachmentOf = (result: Result): string | undefined => {
  const text = result._tag === "Variant" ? result.variantAttachment : undefined
  return text === undefined || text === "" || text === "null" ? undefined : text
}

/** The value, escaped. */
export const valueOf = (result: BatchEntry): string => {
  switch (result._tag) {
    case "Boolean":
      return String(result.enabled)
    case "Variant":
      return result.variantKey === "" ? "no variant" : Text.plain(result.variantKey)
    case "Error":
      return "not found"
  }
}

const reasons: Readonly<Record<Reason, string>> = {
  MATCH_EVALUATION_REASON: "match",
  DEFAULT_EVALUATION_REASON: "no match, so the default counts",
  FLAG_DISABLED_EVALUATION_REASON: "the flag is disabled",
  // the engine's reason if nothing matches and there is no default variant
  UNKNOWN_EVALUATION_REASON: "no match, and no default variant"
}

/** The reason, escaped. */
export const reasonOf = ({ reason, segmentKeys }: Result): string =>
  segmentKeys.length === 0
    ? reasons[reason]
    : `${reasons[reason]} of ${segmentKeys.length === 1 ? "segment" : "segments"} ${segmentKeys
        .slice(0, 20)
        .map((key) => Text.plain(key, 60))
        .join(", ")}`

export const isBoolean = ({ type }: FlagInfo): boolean => type === "BOOLEAN_FLAG_TYPE"

export const typeOf = (flag: FlagInfo): string => (isBoolean(flag) ? "boolean" : "variant")

/** The result, with the field names of Flipt's API. */
export const toJson = ({ _tag, ...result }: Result): object => ({
  ...result,
  type: _tag === "Boolean" ? "BOOLEAN_FLAG_TYPE" : "VARIANT_FLAG_TYPE"
})
