/**
 * Compiles constraints to functions of the value that is read: numbers and dates are parsed and lists become sets. A
 * constraint that can never match becomes `never`.
 */

import type * as Definition from "../../document/definition.js"
import { hasReplacementCharacter, toWellFormed } from "../../snapshot/context.js"
import { intern } from "../../snapshot/intern.js"
import { parseSeconds } from "./datetime.js"
import type { Properties, Property, Value } from "./subject.js"

/** Whether a value matches. An absent value is `""`. */
type Match = (value: Value) => boolean

/** The operators of a type of constraints: each makes a `Match` for the operand in the definition. */
type Operators = { readonly [operator: string]: (operand: string) => Match }

export interface Constraint {
  /** The property to read; `undefined` means the entity id. */
  readonly property: Property | undefined
  /** An unknown type: reaching it makes the segment a miss, regardless of the match type, as in the official engine. */
  readonly aborts: boolean
  readonly matches: Match
}

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

const never: Match = () => false

// Comparisons branch on the type of the value first: one that sees both types is slow in V8.
const isEmpty: Match = (value) => typeof value === "string" && value.length === 0
const isNotEmpty: Match = (value) => typeof value !== "string" || value.length !== 0

const toText = (value: Value): string => (typeof value === "string" ? value : String(value))

const presenceOperators: Operators = { notpresent: () => isEmpty, present: () => isNotEmpty }

const noTexts: ReadonlySet<string> = new Set()

/** Only `empty` matches an absent value. */
const textOperators: Operators = {
  empty: () => isEmpty,
  notempty: () => isNotEmpty,
  eq: (operand) => {
    const text = intern(operand)
    return text === "" ? never : (value) => toText(value) === text
  },
  neq: (operand) => {
    const text = intern(operand)
    return (value) => isNotEmpty(value) && toText(value) !== text
  },
  prefix: (operand) => (value) => isNotEmpty(value) && toText(value).startsWith(operand),
  suffix: (operand) => (value) => isNotEmpty(value) && toText(value).endsWith(operand),
  contains: (operand) => (value) => isNotEmpty(value) && toText(value).includes(operand),
  notcontains: (operand) => (value) => isNotEmpty(value) && !toText(value).includes(operand),
  // a malformed list is an empty list
  isoneof: (operand) => {
    const texts = parseTexts(operand) ?? noTexts
    return (value) => isNotEmpty(value) && texts.has(toText(value))
  },
  isnotoneof: (operand) => {
    const texts = parseTexts(operand) ?? noTexts
    return (value) => isNotEmpty(value) && !texts.has(toText(value))
  }
}

/**
 * Compares numbers. `parse` and `read` return NaN for an operand and a value that are not valid, which never match: not
 * even as unequal.
 */
const comparisons = (parse: (operand: string) => number, read: (value: Value) => number): Operators => {
  const operator = (make: (operand: number) => Match) => (text: string) => {
    const operand = parse(text)
    return Number.isNaN(operand) ? never : make(operand)
  }
  return {
    eq: operator((operand) => (value) => read(value) === operand),
    neq: operator((operand) => (value) => {
      const number = read(value)
      return !Number.isNaN(number) && number !== operand
    }),
    lt: operator((operand) => (value) => read(value) < operand),
    lte: operator((operand) => (value) => read(value) <= operand),
    gt: operator((operand) => (value) => read(value) > operand),
    gte: operator((operand) => (value) => read(value) >= operand),
    ...presenceOperators
  }
}

const readInteger = (value: Value): number =>
  typeof value === "string" ? parseInteger(value) : (value | 0) === value ? value : Number.NaN

const numberOperators: Operators = {
  ...comparisons(parseInteger, readInteger),
  isoneof: (operand) => {
    const numbers = parseIntegers(operand)
    return numbers === undefined ? never : (value) => numbers.has(readInteger(value))
  },
  isnotoneof: (operand) => {
    const numbers = parseIntegers(operand)
    return numbers === undefined
      ? never
      : (value) => {
          const number = readInteger(value)
          return !Number.isNaN(number) && !numbers.has(number)
        }
  }
}

const dateOperators: Operators = comparisons(
  (operand) => parseSeconds(operand) ?? Number.NaN,
  (value) => (typeof value === "string" ? (parseSeconds(toWellFormed(value)) ?? Number.NaN) : Number.NaN)
)

const booleanOperators: Operators = {
  true: () => (value) => value === "true",
  false: () => (value) => value === "false",
  ...presenceOperators
}

const operatorsByType: ReadonlyMap<string, Operators> = new Map([
  ["STRING_CONSTRAINT_COMPARISON_TYPE", textOperators],
  ["ENTITY_ID_CONSTRAINT_COMPARISON_TYPE", textOperators],
  ["NUMBER_CONSTRAINT_COMPARISON_TYPE", numberOperators],
  ["DATETIME_CONSTRAINT_COMPARISON_TYPE", dateOperators],
  ["BOOLEAN_CONSTRAINT_COMPARISON_TYPE", booleanOperators]
])

/** Whether constraints of this type know the operator; `undefined` if the type itself is unknown. */
export const isOperator = (type: string, operator: string): boolean | undefined => {
  const operators = operatorsByType.get(type)
  return operators && Object.hasOwn(operators, operator)
}

const compileMatch = (operators: Operators, { operator, value: operand }: Definition.Constraint): Match => {
  const match = Object.hasOwn(operators, operator) ? (operators[operator]?.(operand) ?? never) : never
  // an operand with U+FFFD also matches lone surrogates in a request
  return hasReplacementCharacter(operand)
    ? (value) => match(typeof value === "string" ? toWellFormed(value) : value)
    : match
}

export const compileConstraint = (definition: Definition.Constraint, properties: Properties): Constraint => {
  const operators = operatorsByType.get(definition.type)
  return {
    property:
      definition.type === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE" ? undefined : properties.of(definition.property),
    aborts: operators === undefined,
    matches: operators === undefined ? never : compileMatch(operators, definition)
  }
}
