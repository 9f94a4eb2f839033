/**
 * Reads the fields of mappings. Each reader reports what is wrong with a field and returns `undefined` or the default.
 */
import type { Problem } from "../FeaturesError.js"
import { quote, type Reporter } from "./report.js"
import type { Mapping, Value } from "./tree.js"

/** A value and its place in the document. */
export interface Field {
  readonly value: Value
  readonly path: string
}

export interface Fields {
  readonly report: Reporter
  readonly path: string
  readonly offset: number
  /** `undefined` for a field that is absent. */
  readonly get: (name: string) => Field | undefined
}

/** Describes a value in a message. */
export const describe = (value: Value): string => {
  if (value._tag !== "Scalar") {
    return value._tag === "List" ? "a list" : "a mapping"
  }
  return value.value === null
    ? "nothing"
    : typeof value.value === "string"
      ? `the string ${quote(value.value)}`
      : `${typeof value.value === "boolean" ? "the boolean" : "the number"} ${value.value}`
}

export const isNull = (value: Value): boolean => value._tag === "Scalar" && value.value === null

const child = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`)

/** The fields of a mapping. `known` lists all fields that the format defines there. */
export const fieldsOf = (
  report: Reporter,
  { path, value }: Field,
  what: string,
  known: ReadonlySet<string>
): Fields | undefined => {
  if (value._tag !== "Mapping") {
    report.error(value.offset, "Type", path, `${what} must be a mapping, not ${describe(value)}`)
    return undefined
  }
  for (const [name, { offset }] of (value as Mapping).entries) {
    if (!known.has(name)) {
      const list = [...known].join(", ")
      report.warn(offset, "Unknown", path, `${what} has no field ${quote(name)}; its fields are ${list}`)
    }
  }
  return {
    report,
    path,
    offset: value.offset,
    get: (name) => {
      const entry = value.entries.get(name)
      return entry === undefined ? undefined : { value: entry.value, path: child(path, name) }
    }
  }
}

export const missing = (fields: Fields, name: string, hint: string): undefined => {
  fields.report.error(
    fields.offset,
    "Missing",
    fields.path,
    `the field ${name} is missing${hint === "" ? "" : `; ${hint}`}`
  )
}

/** A required field. */
export const required = (fields: Fields, name: string, hint = ""): Field | undefined =>
  fields.get(name) ?? missing(fields, name, hint)

const wrongType = (report: Reporter, field: Field, expected: string, hint = ""): undefined => {
  const name = field.path.slice(field.path.lastIndexOf(".") + 1)
  report.error(
    field.value.offset,
    "Type",
    field.path,
    `${name} must be ${expected}, not ${describe(field.value)}${hint === "" ? "" : `; ${hint}`}`
  )
}

/** A string. For other scalars, the message says to put them in quotes. */
export const textOf = (report: Reporter, field: Field): string | undefined => {
  const { value } = field
  if (value._tag === "Scalar" && typeof value.value === "string") {
    return value.value
  }
  const hint = value._tag === "Scalar" && value.value !== null ? "put it in quotes" : ""
  return wrongType(report, field, "a string", hint)
}

/** A required string that is not empty. */
export const filled = (fields: Fields, name: string): (Field & { readonly text: string }) | undefined => {
  const field = required(fields, name)
  const text = field && textOf(fields.report, field)
  if (field !== undefined && text === "") {
    fields.report.error(field.value.offset, "Value", field.path, `${name} must not be empty`)
    return undefined
  }
  return field === undefined || text === undefined ? undefined : { ...field, text }
}

const keyPattern = /^[-_,A-Za-z0-9]+$/

/** The key of a flag, segment or namespace, in Flipt's characters. */
export const keyOf = (report: Reporter, field: Field): string | undefined => {
  const text = textOf(report, field)
  if (text === undefined || keyPattern.test(text)) {
    return text
  }
  report.error(
    field.value.offset,
    "Value",
    field.path,
    `a key must consist of letters, digits, "-", "_" and ",", but ${quote(text)} does not`
  )
  return undefined
}

/** One of a few strings. */
export const oneOf = <A extends string>(report: Reporter, field: Field, values: ReadonlyArray<A>): A | undefined => {
  const text = textOf(report, field)
  const found = values.find((value) => value === text)
  if (text !== undefined && found === undefined) {
    const name = field.path.slice(field.path.lastIndexOf(".") + 1)
    const list = values.join(", ")
    report.error(field.value.offset, "Value", field.path, `${name} must be one of ${list}, not ${quote(text)}`)
  }
  return found
}

/** A boolean; false if absent. */
export const booleanOf = (fields: Fields, name: string): boolean => {
  const field = fields.get(name)
  if (field === undefined) {
    return false
  }
  const { value } = field
  if (value._tag === "Scalar" && typeof value.value === "boolean") {
    return value.value
  }
  wrongType(fields.report, field, "true or false")
  return false
}

/** A number that fits in single precision, which Flipt's engines use for calculations. */
export const numberOf = (report: Reporter, field: Field): number | undefined => {
  const { value } = field
  const number =
    value._tag === "Scalar" && (typeof value.value === "number" || typeof value.value === "bigint")
      ? Number(value.value)
      : undefined
  if (number === undefined) {
    return wrongType(report, field, "a number")
  }
  if (!Number.isFinite(Math.fround(number))) {
    return wrongType(report, field, "a number in single precision")
  }
  return number
}

/** The elements of a list; none if it is absent or has no value, like `rules:`. */
export const itemsOf = (fields: Fields, name: string): ReadonlyArray<Field> => {
  const field = fields.get(name)
  if (field === undefined) {
    return []
  }
  const { path, value } = field
  if (value._tag === "List") {
    return value.items.map((item, index) => ({ value: item, path: `${path}[${index}]` }))
  }
  if (isNull(value)) {
    fields.report.warn(value.offset, "Type", path, `${name} has no value, which Flipt rejects; write [] or remove it`)
  } else {
    wrongType(fields.report, field, "a list")
  }
  return []
}

/** Checks a field that does not affect evaluation: warns instead of failing. */
export const checkNote = (
  fields: Fields,
  name: string,
  { isRequired = false, mayBeNull = false }: { readonly isRequired?: boolean; readonly mayBeNull?: boolean }
): string => {
  const field = fields.get(name)
  const warn = (offset: number, reason: Problem["reason"], path: string, message: string) =>
    fields.report.warn(offset, reason, path, `${message}, which Flipt rejects`)
  if (field === undefined) {
    if (isRequired) {
      warn(fields.offset, "Missing", fields.path, `the field ${name} is missing`)
    }
    return ""
  }
  const { path, value } = field
  if (value._tag !== "Scalar" || typeof value.value !== "string") {
    if (!(mayBeNull && isNull(value))) {
      warn(value.offset, "Type", path, `${name} should be a string, not ${describe(value)}`)
    }
    return ""
  }
  if (value.value === "" && !mayBeNull) {
    warn(value.offset, "Value", path, `${name} is empty`)
  }
  return value.value
}
