/**
 * Finds problems that keep a constraint from working for every request.
 */

import type * as Definition from "../document/definition.js"
import { isTextList } from "../document/escapedLists.js"
import { isOperator, parseInteger, parseIntegers, parseTexts } from "../engine/portable/constraint.js"
import { parseSeconds } from "../engine/portable/datetime.js"

export type Problem =
  | "UnknownType"
  | "UnknownOperator"
  /** Not a 32-bit integer. */
  | "Number"
  /** Not a list of 32-bit integers. */
  | "NumberList"
  /** Not an RFC 3339 date and time. */
  | "Date"
  /** A list of strings with an escape in it. */
  | "ListEscape"
  /** Not a list of strings. */
  | "List"

export const isList = (operator: string): boolean => operator === "isoneof" || operator === "isnotoneof"

const isPresence = (operator: string): boolean => operator === "present" || operator === "notpresent"

export const problemOf = ({ operator, type, value }: Definition.Constraint): Problem | undefined => {
  const known = isOperator(type, operator)
  if (known === undefined) {
    return "UnknownType"
  }
  if (!known) {
    return "UnknownOperator"
  }
  switch (type) {
    case "STRING_CONSTRAINT_COMPARISON_TYPE":
    case "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE":
      return !isList(operator) || parseTexts(value) !== undefined
        ? undefined
        : isTextList(value)
          ? "ListEscape"
          : "List"
    case "NUMBER_CONSTRAINT_COMPARISON_TYPE":
      return isPresence(operator)
        ? undefined
        : isList(operator)
          ? parseIntegers(value) === undefined
            ? "NumberList"
            : undefined
          : Number.isNaN(parseInteger(value))
            ? "Number"
            : undefined
    case "DATETIME_CONSTRAINT_COMPARISON_TYPE":
      return isPresence(operator) || parseSeconds(value) !== undefined ? undefined : "Date"
    default:
      return undefined
  }
}

/**
 * Whether a constraint with this problem never holds. The one exception is a list of strings that counts as empty, with
 * which `isnotoneof` always holds.
 */
export const neverHolds = (problem: Problem, operator: string): boolean =>
  !((problem === "List" || problem === "ListEscape") && operator === "isnotoneof")
