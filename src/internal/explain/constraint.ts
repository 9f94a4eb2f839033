/**
 * Compares one constraint with a request. If the two values do not show why it holds or fails, adds the reason.
 */
import type { ConstraintStep } from "../../Explain.js"
import type { EvaluationRequest } from "../../Model.js"
import type * as Definition from "../document/definition.js"
import { compileConstraint, parseInteger } from "../engine/portable/constraint.js"
import { parseSeconds } from "../engine/portable/datetime.js"
import { Properties, type Property, type Value } from "../engine/portable/subject.js"
import { readProperty, toWellFormed } from "../snapshot/context.js"
import { neverHolds, type Problem, problemOf } from "./problem.js"
import { quote, value as show } from "./text.js"

const fold = (property: string): string => property.trim().toLowerCase()

/** Reads each property once, so that a context with many names is not searched again for every constraint. */
export class Reading {
  readonly properties = new Properties()
  private readonly values = new Map<Property, Value>()
  private names: ReadonlyMap<string, string> | undefined

  constructor(private readonly request: EvaluationRequest) {}

  of(property: Property | undefined): Value {
    if (property === undefined) {
      return this.request.entityId
    }
    let value = this.values.get(property)
    if (value === undefined) {
      value = readProperty(this.request.context, property.name, property.lenient)
      this.values.set(property, value)
    }
    return value
  }

  /** A property of the request whose name differs only in blanks or letter case. */
  similar(property: string): string | undefined {
    this.names ??= new Map(Object.keys(this.request.context ?? {}).map((found) => [fold(found), found]))
    const found = this.names.get(fold(property))
    return found === property ? undefined : found
  }
}

const problems: { readonly [P in Problem]: (definition: Definition.Constraint) => string } = {
  UnknownType: () => "the type is unknown: a segment that reaches this constraint does not match",
  UnknownOperator: ({ operator }) => `constraints of this type have no operator ${quote(operator)}`,
  Number: ({ value }) => `${show(value)} is not a 32-bit integer`,
  NumberList: () => "the value is not a list of 32-bit integers",
  Date: ({ value }) => `${show(value)} is not an RFC 3339 date and time`,
  ListEscape: () => "the list contains an escape, so it counts as empty",
  List: () => "the value is not a list of strings, so it counts as empty"
}

/** Describes what is wrong with a constraint, and the consequence. */
const describe = (problem: Problem, definition: Definition.Constraint): string => {
  const text = problems[problem](definition)
  return problem === "UnknownType"
    ? text
    : neverHolds(problem, definition.operator)
      ? `${text}: this never holds`
      : `${text}: this holds for every value`
}

/** Why the constraint does not hold for a value, if the value cannot be compared or is nearly the right one. */
const describeMiss = ({ operator, type, value }: Definition.Constraint, actual: string): string | undefined => {
  switch (type) {
    case "NUMBER_CONSTRAINT_COMPARISON_TYPE":
      return operator !== "notpresent" && Number.isNaN(parseInteger(actual))
        ? `the request's ${show(actual)} is not a 32-bit integer`
        : undefined
    case "DATETIME_CONSTRAINT_COMPARISON_TYPE":
      return operator !== "notpresent" && parseSeconds(actual) === undefined
        ? `the request's ${show(actual)} is not an RFC 3339 date and time`
        : undefined
    case "BOOLEAN_CONSTRAINT_COMPARISON_TYPE":
      return operator !== "notpresent" && actual !== "true" && actual !== "false"
        ? `the request's ${show(actual)} is not a boolean: only "true" and "false" are`
        : undefined
    default:
      return operator !== "eq"
        ? undefined
        : value.trim() === actual.trim()
          ? "the two values differ in blanks"
          : value.toLowerCase() === actual.toLowerCase()
            ? "the two values differ in letter case"
            : undefined
  }
}

const describeAbsent = ({ property }: Definition.Constraint, reading: Reading): string | undefined => {
  const similar = reading.similar(property)
  return similar && `the request has ${quote(similar)}, which is another property`
}

export interface Compared {
  readonly step: ConstraintStep
  /** Whether reaching it ends its segment as a miss. */
  readonly aborts: boolean
}

export const compareConstraint = (definition: Definition.Constraint, reading: Reading): Compared => {
  const constraint = compileConstraint(definition, reading.properties)
  const raw = reading.of(constraint.property)
  const actual = toWellFormed(String(raw))
  const held = constraint.matches(raw)
  const problem = problemOf(definition)
  const note =
    problem !== undefined
      ? describe(problem, definition)
      : actual === ""
        ? describeAbsent(definition, reading)
        : held
          ? undefined
          : describeMiss(definition, actual)
  return {
    step: { ...definition, actual: actual === "" ? undefined : actual, holds: held, note },
    aborts: constraint.aborts
  }
}
