/**
 * How evaluation reads the values of a context.
 */
import type { EvaluationContext } from "../../Model.js"
import { isOwn } from "./request.js"

/** The text that a value stands for. A lone surrogate becomes U+FFFD. */
export const toText = (value: string): string => (value.isWellFormed() ? value : value.toWellFormed())

/** Whether a property's name has U+FFFD in it, which a lone surrogate in a request's property name stands for. */
export const isLenient = (property: string): boolean => property.includes("\ufffd")

/** What a context's value is to evaluation: numbers stay what they are, and what the check does not let in is nothing. */
export const valueOf = (value: unknown): string | number => {
  if (typeof value === "string") {
    return value
  }
  if (typeof value === "number") {
    return Number.isFinite(value) ? value : ""
  }
  if (typeof value === "boolean") {
    return value ? "true" : "false"
  }
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : ""
}

/**
 * The value of a property that is the context's own, `""` when there is none. `lenient` is that of the property's name.
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
    return value !== undefined && isOwn.call(context, property) ? valueOf(value) : ""
  }
  // of names that become the same the last counts, as in the reference
  let found: unknown
  for (const name of Object.getOwnPropertyNames(context)) {
    const candidate = context[name]
    if (candidate !== undefined && name.toWellFormed() === property) {
      found = candidate
    }
  }
  return valueOf(found)
}
