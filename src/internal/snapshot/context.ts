/**
 * Reads the values of an evaluation context.
 */
import type { EvaluationContext } from "../../Model.js"
import { isOwn, timeOf } from "./request.js"

/** Replaces lone surrogates with U+FFFD. */
export const toWellFormed = (value: string): string => (value.isWellFormed() ? value : value.toWellFormed())

/** Whether a text contains U+FFFD, which also matches lone surrogates in a request. */
export const hasReplacementCharacter = (property: string): boolean => property.includes("\ufffd")

/** Converts a context value for evaluation. Numbers stay numbers; a value that the request check rejects becomes `""`. */
const normalizeValue = (value: unknown): string | number => {
  if (typeof value === "string") {
    return value
  }
  if (typeof value === "number") {
    return Number.isFinite(value) ? value : ""
  }
  if (typeof value === "boolean") {
    return value ? "true" : "false"
  }
  return value instanceof Date && !Number.isNaN(timeOf(value)) ? Date.prototype.toISOString.call(value) : ""
}

/**
 * Reads an own property of a context, `""` if it is absent. `lenient` says whether the property's name contains U+FFFD,
 * and so also matches names with lone surrogates.
 */
export const readProperty = (
  context: EvaluationContext | undefined,
  property: string,
  lenient: boolean
): string | number => {
  if (context === undefined) {
    return ""
  }
  if (!lenient) {
    const value: unknown = context[property]
    return value !== undefined && isOwn.call(context, property) ? normalizeValue(value) : ""
  }
  // if several names become equal, the last one wins, as in the official engine
  let found: unknown
  for (const name of Object.getOwnPropertyNames(context)) {
    const candidate = context[name]
    if (candidate !== undefined && name.toWellFormed() === property) {
      found = candidate
    }
  }
  return normalizeValue(found)
}
