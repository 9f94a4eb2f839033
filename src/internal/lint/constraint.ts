/**
 * Finds what is wrong with one constraint.
 *
 * The server's behaviour is taken from its sources, `internal/server/evaluation` of v1.61.1 and v2.11.0: it parses numbers
 * and dates with Go's `strconv.ParseFloat` and `time.Parse`, and lists with `encoding/json`. If a value does not parse,
 * the constraint fails.
 */
import type { Finding } from "../../Lint.js"
import type * as Definition from "../document/definition.js"
import { parseSeconds } from "../engine/portable/datetime.js"
import { isList, type Problem, problemOf } from "../explain/problem.js"
import { quote, value as show } from "../explain/text.js"

export type Fault = Pick<Finding, "kind" | "here" | "server" | "advice">

const SAME = "the same"

const goNumber =
  /^[+-]?(?:(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+)?|0x[\da-f_]*\.?[\da-f_]*p[+-]?\d+|inf(?:inity)?|nan)$/i

/** Longer texts are not tested, because the pattern needs memory for each group. No real number is that long. */
const MAX_NUMBER_LENGTH = 1000

const isGoNumber = (text: string): boolean => text.length <= MAX_NUMBER_LENGTH && goNumber.test(text)

const goDateTime =
  /^\d{4}-\d\d-\d\dT(?:[01]?\d|2[0-3]):[0-5]\d:[0-5]\d(?:[.,]\d+)?(?:Z|[+-](?:[01]\d|2[0-4]):(?:[0-5]\d|60))$/

const date = /^\d{4}-\d\d-\d\d$/

const goDate = /^\d{4}-\d\d-\d\d(?:$|T)/

/** Whether the day exists, for a text that begins with a date. */
const isDay = (text: string): boolean => parseSeconds(`${text.slice(0, 10)}T00:00:00Z`) !== undefined

const isServerDate = (text: string): boolean =>
  goDate.test(text) && isDay(text) && (date.test(text) || goDateTime.test(text))

const isNumberList = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every((item) => typeof item === "number")
  } catch {
    return false
  }
}

const problems: { readonly [P in Problem]: (definition: Definition.Constraint) => Fault } = {
  UnknownType: () => ({
    kind: "UnknownType",
    here: "a segment that reaches this constraint does not match",
    server: "evaluations of the flag fail, if the server does not know the type either",
    advice: "give the constraint a type that this version of Flipt has"
  }),
  UnknownOperator: ({ operator }) => ({
    kind: "UnknownOperator",
    here: `the constraint never holds: its type has no operator ${quote(operator)}`,
    server: SAME,
    advice: "choose an operator of this type, or correct the constraint's type"
  }),
  Number: ({ value }) => ({
    kind: "Number",
    here: `the constraint never holds: ${show(value)} is not a 32-bit integer`,
    server: isGoNumber(value) ? "compares it as a 64-bit floating-point number" : "the constraint never holds either",
    advice: "use a whole number from -2147483648 to 2147483647, for example cents in place of euros"
  }),
  NumberList: ({ value }) => ({
    kind: "Number",
    here: "the constraint never holds: its value is not a list of 32-bit integers",
    server: isNumberList(value)
      ? "compares the elements as 64-bit floating-point numbers"
      : "the constraint never holds either",
    advice: "use a JSON list of whole numbers, such as [1, 2, 3]"
  }),
  Date: ({ value }) => ({
    kind: "Date",
    here: `the constraint never holds: ${show(value)} is not an RFC 3339 date and time`,
    server: !isServerDate(value)
      ? "the constraint never holds either"
      : date.test(value)
        ? "reads it as midnight UTC"
        : "reads it as a date and time",
    advice: "write the date with its time and offset, such as 2024-01-02T00:00:00Z"
  }),
  ListEscape: ({ operator }) => ({
    kind: "ListEscape",
    here: `the constraint ${operator === "isoneof" ? "never holds" : "holds for every value"}: its list contains an escape, so it counts as empty`,
    server: "reads the list as JSON",
    advice: `compare each such value by a constraint with ${operator === "isoneof" ? "==, in a segment that needs one of them" : "!=, in a segment that needs all of them"}; Flipt v2.11 escapes &, <, >, " and \\ in lists`
  }),
  List: ({ operator }) => ({
    kind: "List",
    here: `the constraint ${operator === "isoneof" ? "never holds" : "holds for every value"}: its value is not a list of strings`,
    server: "the constraint never holds",
    advice: 'use a JSON list of strings, such as ["a", "b"]'
  })
}

const isText = (type: string): boolean =>
  type === "STRING_CONSTRAINT_COMPARISON_TYPE" || type === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE"

const takesText: ReadonlySet<string> = new Set(["eq", "neq", "prefix", "suffix", "contains", "notcontains"])

/** The effect of an empty value on a constraint of text. */
const ofEmptyValue = (operator: string): string =>
  operator === "eq" || operator === "notcontains"
    ? "the constraint never holds"
    : "the constraint holds for every value"

const checkText = ({ operator, property, type, value }: Definition.Constraint): ReadonlyArray<Fault> => {
  const faults: Array<Fault> = []
  if (isList(operator) && /^\s*\[\s*\]\s*$/.test(value)) {
    faults.push({
      kind: "EmptyList",
      here: `the constraint ${operator === "isoneof" ? "never holds" : isText(type) ? "holds for every value" : "holds for every 32-bit integer"}: its list is empty`,
      server: SAME,
      advice: "add the values, or remove the constraint"
    })
  }
  if (isText(type) && takesText.has(operator)) {
    if (value === "") {
      faults.push({
        kind: "EmptyValue",
        here: `${ofEmptyValue(operator)}, because its value is empty`,
        server: SAME,
        advice: 'for "not set" use the operator "empty", for "set" use "notempty"'
      })
    } else if (value !== value.trim()) {
      const isTrimmed =
        (operator === "prefix" && value !== value.trimStart()) || (operator === "suffix" && value !== value.trimEnd())
      faults.push({
        kind: "Blanks",
        here: `the comparison includes the blanks of ${quote(value)}`,
        server: isTrimmed
          ? "the constraint never holds, because the server removes blanks around the request's value"
          : SAME,
        advice: "remove the blanks around the value"
      })
    }
  }
  if (type !== "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE" && property !== property.trim()) {
    faults.push({
      kind: "Blanks",
      here: `the constraint reads the property ${quote(property)}, blanks included`,
      server: SAME,
      advice: "remove the blanks around the property"
    })
  }
  return faults
}

const checkDate = ({ operator, type, value }: Definition.Constraint): ReadonlyArray<Fault> => {
  if (type !== "DATETIME_CONSTRAINT_COMPARISON_TYPE" || operator === "present" || operator === "notpresent") {
    return []
  }
  const advice = "write the date as 2024-01-02T00:00:00Z: capital T and Z, seconds below 60, no fraction"
  return !isServerDate(value)
    ? [
        {
          kind: "Date",
          here: `${show(value)} is read as a date and time`,
          server: "the constraint never holds: the server does not read the value as a date",
          advice
        }
      ]
    : /[.]0*[1-9]/.test(value)
      ? [
          {
            kind: "DateFraction",
            here: "the fraction of the second is dropped, in the constraint and in the request",
            server: "compares with the fraction",
            advice
          }
        ]
      : []
}

export const checkConstraint = (definition: Definition.Constraint): ReadonlyArray<Fault> => {
  const problem = problemOf(definition)
  return problem === undefined
    ? [...checkDate(definition), ...checkText(definition)]
    : [problems[problem](definition), ...checkText(definition)]
}

/**
 * Whether a constraint holds for every request or for none, or whether it depends. An entity's id is never empty, and a
 * property may always be absent.
 */
export const fateOf = (definition: Definition.Constraint): "always" | "never" | "abort" | "depends" => {
  const { operator, type, value } = definition
  const problem = problemOf(definition)
  const isEntity = type === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE"
  const always = isEntity ? "always" : "depends"
  if (problem === "UnknownType") {
    return "abort"
  }
  if (problem !== undefined) {
    return operator === "isnotoneof" && (problem === "List" || problem === "ListEscape") ? always : "never"
  }
  if (isList(operator) && /^\s*\[\s*\]\s*$/.test(value)) {
    return operator === "isoneof" ? "never" : type === "NUMBER_CONSTRAINT_COMPARISON_TYPE" ? "depends" : always
  }
  if (isText(type) && takesText.has(operator) && value === "") {
    return operator === "eq" || operator === "notcontains" ? "never" : always
  }
  return isEntity && operator === "notempty" ? "always" : isEntity && operator === "empty" ? "never" : "depends"
}
