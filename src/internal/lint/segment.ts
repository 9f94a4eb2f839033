/**
 * Finds what is wrong with a segment as a whole, and whether it can match.
 */
import type * as Definition from "../document/definition.js"
import { parseInteger } from "../engine/portable/constraint.js"
import { parseSeconds } from "../engine/portable/datetime.js"
import { name } from "../explain/text.js"
import { type Fault, fateOf } from "./constraint.js"

export type Fate = "always" | "never" | "depends"

const isAbsence = (operator: string): boolean => operator === "empty" || operator === "notpresent"

const isPresence = (operator: string): boolean => operator === "notempty" || operator === "present"

/** The values of a property that satisfy all of its constraints so far. */
interface Left {
  absent: boolean
  present: boolean
  readonly texts: Set<string>
  low: number
  high: number
}

/** Numbers and dates are whole numbers. Values that do not parse are reported separately. */
const narrow = (left: Left, operator: string, number: number): void => {
  if (Number.isNaN(number)) {
    return
  }
  if (operator === "eq" || operator === "gte" || operator === "gt") {
    left.low = Math.max(left.low, operator === "gt" ? number + 1 : number)
  }
  if (operator === "eq" || operator === "lte" || operator === "lt") {
    left.high = Math.min(left.high, operator === "lt" ? number - 1 : number)
  }
}

/** The property that no request can satisfy, if there is one. */
const contradiction = ({ any, constraints }: Definition.Segment): string | undefined => {
  if (any) {
    return undefined
  }
  const properties = new Map<string, Left>()
  for (const { operator, property, type, value } of constraints) {
    const isEntity = type === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE"
    const key = isEntity ? "entity" : `property ${property}`
    const left = properties.get(key) ?? {
      absent: false,
      present: false,
      texts: new Set(),
      low: Number.NEGATIVE_INFINITY,
      high: Number.POSITIVE_INFINITY
    }
    properties.set(key, left)
    if (isAbsence(operator)) {
      left.absent = true
    } else {
      left.present = true
    }
    if (type === "NUMBER_CONSTRAINT_COMPARISON_TYPE") {
      narrow(left, operator, parseInteger(value))
    } else if (type === "DATETIME_CONSTRAINT_COMPARISON_TYPE") {
      narrow(left, operator, parseSeconds(value) ?? Number.NaN)
    } else if (type === "BOOLEAN_CONSTRAINT_COMPARISON_TYPE" && (operator === "true" || operator === "false")) {
      left.texts.add(operator)
    } else if (operator === "eq") {
      left.texts.add(value)
    }
    if ((left.absent && left.present) || left.texts.size > 1 || left.low > left.high) {
      return isEntity ? "the entity id" : name(property)
    }
  }
  return undefined
}

/** A property with two constraints of which at least one always holds, if there is one. */
const tautology = ({ any, constraints }: Definition.Segment): string | undefined => {
  if (!any) {
    return undefined
  }
  const unequal = new Map<string, string>()
  const presence = new Map<string, boolean>()
  for (const { operator, property, type, value } of constraints) {
    const isEntity = type === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE"
    const key = isEntity ? "entity" : `property ${property}`
    const isAbsent = isAbsence(operator)
    if (operator === "neq" && (isEntity || type === "STRING_CONSTRAINT_COMPARISON_TYPE")) {
      if (unequal.has(key) && unequal.get(key) !== value) {
        return isEntity ? "the entity id" : name(property)
      }
      unequal.set(key, value)
    }
    if (isAbsent || isPresence(operator)) {
      if (presence.has(key) && presence.get(key) !== isAbsent) {
        return isEntity ? "the entity id" : name(property)
      }
      presence.set(key, isAbsent)
    }
  }
  return undefined
}

export const checkSegment = (segment: Definition.Segment): ReadonlyArray<Fault> => {
  const never = contradiction(segment)
  const always = tautology(segment)
  return never !== undefined
    ? [
        {
          kind: "Contradiction",
          here: `the segment never matches: its constraints on ${never} cannot all hold`,
          server: "the same",
          advice: "let the segment need one of its constraints, or correct them"
        }
      ]
    : always !== undefined
      ? [
          {
            kind: "Tautology",
            here: `one of the constraints on ${always} always holds, and one is enough`,
            server: "the same",
            advice: "let the segment need all of its constraints, or correct them"
          }
        ]
      : []
}

export const fateOfSegment = (segment: Definition.Segment): Fate => {
  const { any, constraints } = segment
  if (constraints.length === 0) {
    return "always"
  }
  const fates = constraints.map(fateOf)
  if (any) {
    // evaluation stops at an unknown type
    const abort = fates.indexOf("abort")
    const reached = abort < 0 ? fates : fates.slice(0, abort)
    return reached.includes("always") ? "always" : reached.every((fate) => fate === "never") ? "never" : "depends"
  }
  return fates.some((fate) => fate === "never" || fate === "abort") || contradiction(segment) !== undefined
    ? "never"
    : fates.every((fate) => fate === "always")
      ? "always"
      : "depends"
}
