/**
 * Finds lists with escapes. The official engine borrows the strings of a list from the document, so a list with an escape
 * counts as empty. Flipt's server reads it as JSON, and writes such lists from v2.11 on.
 */
import type * as Definition from "./definition.js"

/** Whether a text is a JSON list of strings. */
export const isTextList = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every((item) => typeof item === "string")
  } catch {
    return false
  }
}

const isEscapedList = ({ operator, type, value }: Definition.Constraint): boolean =>
  (operator === "isoneof" || operator === "isnotoneof") &&
  (type === "STRING_CONSTRAINT_COMPARISON_TYPE" || type === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE") &&
  value.includes("\\") &&
  isTextList(value)

/** The keys of the flags that have a list with an escape. */
export const findEscapedLists = (flags: Iterable<Definition.Flag>): ReadonlyArray<string> => {
  // a segment that occurs in many flags is one object
  const known = new Map<Definition.Segment, boolean>()
  const isEscapedSegment = (segment: Definition.Segment): boolean => {
    const isEscaped = known.get(segment) ?? segment.constraints.some(isEscapedList)
    known.set(segment, isEscaped)
    return isEscaped
  }
  const found: Array<string> = []
  for (const { key, rollouts, rules } of flags) {
    if (
      rules.some((rule) => rule.segments.some(isEscapedSegment)) ||
      rollouts.some((rollout) => rollout._tag === "Segment" && rollout.audience.segments.some(isEscapedSegment))
    ) {
      found.push(key)
    }
  }
  return found
}
