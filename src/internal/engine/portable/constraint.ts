/**
 * Compiles constraints: numbers and dates are parsed and lists become sets. A constraint that can never match becomes
 * `Op.never`.
 */

import type * as Definition from "../../document/definition.js"
import { hasReplacementCharacter, toWellFormed } from "../../snapshot/context.js"
import { intern } from "../../snapshot/intern.js"
import { parseSeconds } from "./datetime.js"
import type { Properties, Property, Value } from "./subject.js"

// biome-ignore lint/suspicious/noConstEnum: used in this module alone, where it becomes plain numbers
const enum Op {
  never,
  /** An unknown type: reaching it makes the segment a miss, as in the official engine. */
  abort,
  empty,
  notEmpty,
  // the operators below need a value that is not empty
  eq,
  neq,
  prefix,
  suffix,
  contains,
  notContains,
  oneOf,
  notOneOf,
  isTrue,
  isFalse,
  numberEq,
  numberNeq,
  numberLt,
  numberLte,
  numberGt,
  numberGte,
  numberOneOf,
  numberNotOneOf,
  timeEq,
  timeNeq,
  timeLt,
  timeLte,
  timeGt,
  timeGte
}

/** All constraints share this one shape, so that `matches` stays monomorphic. */
export interface Constraint {
  /** The property to read; `undefined` means the entity id. */
  readonly property: Property | undefined
  /** Whether the operand contains U+FFFD, and so also matches lone surrogates in a request. */
  readonly lenient: boolean
  readonly op: number
  readonly text: string
  readonly number: number
  readonly texts: ReadonlySet<string>
  readonly numbers: ReadonlySet<number>
}

const noTexts: ReadonlySet<string> = new Set()
const noNumbers: ReadonlySet<number> = new Set()

const textOps: { readonly [operator: string]: Op } = {
  empty: Op.empty,
  notempty: Op.notEmpty,
  eq: Op.eq,
  neq: Op.neq,
  prefix: Op.prefix,
  suffix: Op.suffix,
  contains: Op.contains,
  notcontains: Op.notContains,
  isoneof: Op.oneOf,
  isnotoneof: Op.notOneOf
}

const numberOps: { readonly [operator: string]: Op } = {
  eq: Op.numberEq,
  neq: Op.numberNeq,
  lt: Op.numberLt,
  lte: Op.numberLte,
  gt: Op.numberGt,
  gte: Op.numberGte
}

const timeOps: { readonly [operator: string]: Op } = {
  eq: Op.timeEq,
  neq: Op.timeNeq,
  lt: Op.timeLt,
  lte: Op.timeLte,
  gt: Op.timeGt,
  gte: Op.timeGte
}

const presenceOps: { readonly [operator: string]: Op } = { notpresent: Op.empty, present: Op.notEmpty }

const MAX_INTEGER = 2147483647

/** Parses a signed 32-bit integer like Rust's `str::parse::<i32>`. Returns NaN for any other text. */
export const parseInteger = (text: string): number => {
  const first = text.charCodeAt(0)
  const isNegative = first === 0x2d
  let i = isNegative || first === 0x2b ? 1 : 0
  if (i === text.length) {
    return Number.NaN
  }
  let value = 0
  for (; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (!(digit >= 0 && digit <= 9)) {
      return Number.NaN
    }
    // any number of leading zeros is valid
    value = value * 10 + digit
    if (value > MAX_INTEGER + 1) {
      return Number.NaN
    }
  }
  return isNegative ? -value : value <= MAX_INTEGER ? value : Number.NaN
}

/** What a list of integers cannot contain, such as a fraction. */
const notInteger = /[^-\d,[\] \t\n\r]/

/** Parses a JSON list of 32-bit integers. serde_json reads `-0` as a float, so it is not valid. */
export const parseIntegers = (text: string): ReadonlySet<number> | undefined => {
  // a pattern for the whole list would need memory for each of its numbers
  const values = notInteger.test(text) ? undefined : parseList(text)
  return values?.every(isInteger) ? new Set(values as ReadonlyArray<number>) : undefined
}

const isInteger = (value: unknown): boolean =>
  typeof value === "number" && value >= -2147483648 && value <= 2147483647 && !Object.is(value, -0)

const parseList = (text: string): ReadonlyArray<unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Parses a JSON list of strings. The official engine borrows them from the text, so escapes are not valid. */
export const parseTexts = (text: string): ReadonlySet<string> | undefined => {
  if (text.includes("\\")) {
    return undefined
  }
  const values = parseList(text)
  return values?.every((value) => typeof value === "string") ? new Set(values.map(intern)) : undefined
}

const ownValue = <A>(record: { readonly [key: string]: A }, key: string): A | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** Whether constraints of this type know the operator; `undefined` if the type itself is unknown. */
export const isOperator = (type: string, operator: string): boolean | undefined => {
  switch (type) {
    case "STRING_CONSTRAINT_COMPARISON_TYPE":
    case "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE":
      return Object.hasOwn(textOps, operator)
    case "NUMBER_CONSTRAINT_COMPARISON_TYPE":
      return (
        Object.hasOwn(numberOps, operator) ||
        Object.hasOwn(presenceOps, operator) ||
        operator === "isoneof" ||
        operator === "isnotoneof"
      )
    case "DATETIME_CONSTRAINT_COMPARISON_TYPE":
      return Object.hasOwn(timeOps, operator) || Object.hasOwn(presenceOps, operator)
    case "BOOLEAN_CONSTRAINT_COMPARISON_TYPE":
      return operator === "true" || operator === "false" || Object.hasOwn(presenceOps, operator)
    default:
      return undefined
  }
}

export const compileConstraint = (definition: Definition.Constraint, properties: Properties): Constraint => {
  const isEntity = definition.type === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE"
  const make = (op: Op, operands: Partial<Pick<Constraint, "number" | "numbers" | "texts">> = {}): Constraint => ({
    property: isEntity ? undefined : properties.of(definition.property),
    lenient: hasReplacementCharacter(definition.value),
    op,
    // interned if it is compared with whole texts
    text: op === Op.eq || op === Op.neq ? intern(definition.value) : definition.value,
    number: operands.number ?? 0,
    texts: operands.texts ?? noTexts,
    numbers: operands.numbers ?? noNumbers
  })
  const { operator, value } = definition
  switch (definition.type) {
    case "STRING_CONSTRAINT_COMPARISON_TYPE":
    case "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE": {
      const op = ownValue(textOps, operator) ?? Op.never
      if (op !== Op.oneOf && op !== Op.notOneOf) {
        return make(op)
      }
      const texts = parseTexts(value)
      // a malformed list is an empty list
      return make(op, texts === undefined ? {} : { texts })
    }
    case "NUMBER_CONSTRAINT_COMPARISON_TYPE": {
      if (operator === "isoneof" || operator === "isnotoneof") {
        const numbers = parseIntegers(value)
        return numbers === undefined
          ? make(Op.never)
          : make(operator === "isoneof" ? Op.numberOneOf : Op.numberNotOneOf, { numbers })
      }
      const op = ownValue(numberOps, operator)
      if (op === undefined) {
        return make(ownValue(presenceOps, operator) ?? Op.never)
      }
      const number = parseInteger(value)
      return Number.isNaN(number) ? make(Op.never) : make(op, { number })
    }
    case "DATETIME_CONSTRAINT_COMPARISON_TYPE": {
      const op = ownValue(timeOps, operator)
      if (op === undefined) {
        return make(ownValue(presenceOps, operator) ?? Op.never)
      }
      const number = parseSeconds(value)
      return number === undefined ? make(Op.never) : make(op, { number })
    }
    case "BOOLEAN_CONSTRAINT_COMPARISON_TYPE": {
      return make(
        operator === "true"
          ? Op.isTrue
          : operator === "false"
            ? Op.isFalse
            : (ownValue(presenceOps, operator) ?? Op.never)
      )
    }
    default: {
      return make(Op.abort)
    }
  }
}

/** Whether reaching this constraint makes its segment a miss, regardless of the match type. */
export const aborts = (constraint: Constraint): boolean => constraint.op === Op.abort

/** Whether a value matches the constraint. An absent value is `""`. */
export const matches = (constraint: Constraint, value: Value): boolean => {
  const op = constraint.op
  // branches on the type first: a comparison that sees both types is slow in V8
  if (typeof value === "number") {
    return op >= Op.numberEq && op < Op.timeEq
      ? compare(op - Op.numberEq, (value | 0) === value ? value : Number.NaN, constraint)
      : op === Op.notEmpty || (op > Op.notEmpty && matches(constraint, String(value)))
  }
  if (value.length === 0 || op <= Op.notEmpty) {
    return op === Op.empty ? value.length === 0 : op === Op.notEmpty && value.length !== 0
  }
  if (op >= Op.numberEq) {
    return op >= Op.timeEq
      ? compare(op - Op.timeEq, parseSeconds(toWellFormed(value)), constraint)
      : compare(op - Op.numberEq, parseInteger(value), constraint)
  }
  const text = constraint.lenient ? toWellFormed(value) : value
  switch (op) {
    case Op.eq:
      return text === constraint.text
    case Op.neq:
      return text !== constraint.text
    case Op.prefix:
      return text.startsWith(constraint.text)
    case Op.suffix:
      return text.endsWith(constraint.text)
    case Op.contains:
      return text.includes(constraint.text)
    case Op.notContains:
      return !text.includes(constraint.text)
    case Op.oneOf:
      return constraint.texts.has(text)
    case Op.notOneOf:
      return !constraint.texts.has(text)
    case Op.isTrue:
      return text === "true"
    default:
      return text === "false"
  }
}

/** Compares by the operator's distance from `eq`. NaN and `undefined`, for texts that do not parse, never match. */
const compare = (operator: number, value: number | undefined, { number, numbers }: Constraint): boolean => {
  if (value === undefined || Number.isNaN(value)) {
    return false
  }
  switch (operator) {
    case 0:
      return value === number
    case 1:
      return value !== number
    case 2:
      return value < number
    case 3:
      return value <= number
    case 4:
      return value > number
    case 5:
      return value >= number
    case 6:
      return numbers.has(value)
    default:
      return !numbers.has(value)
  }
}
