/**
 * Converts the segments of a document, with their constraints.
 */
import {
  checkNote,
  describe,
  type Field,
  type Fields,
  fieldsOf,
  filled,
  isNull,
  itemsOf,
  keyOf,
  oneOf,
  required
} from "./fields.js"
import { checkTime, escapeHtml } from "./json.js"
import { quote, type Reporter } from "./report.js"

/** As in a snapshot document. */
interface Constraint {
  readonly type: string
  readonly property: string
  readonly operator: string
  readonly value: string
}

export interface Segment {
  readonly key: string
  /** As in a snapshot document. */
  readonly content: {
    readonly key: string
    readonly matchType: string
    readonly constraints: ReadonlyArray<Constraint>
  }
  /** Why Flipt omits the segment from every rule, if so. */
  readonly unusable: string | undefined
  readonly size: number
}

const segmentFields = new Set(["key", "name", "description", "match_type", "constraints"])
const constraintFields = new Set(["type", "property", "operator", "value", "description"])

const matchTypes = { ANY_MATCH_TYPE: "ANY_SEGMENT_MATCH_TYPE", ALL_MATCH_TYPE: "ALL_SEGMENT_MATCH_TYPE" } as const

const orders = ["eq", "neq", "lt", "lte", "gt", "gte"]
const presences = ["present", "notpresent"]
const texts = ["eq", "neq", "empty", "notempty", "prefix", "suffix", "contains", "notcontains"]
const memberships = ["isoneof", "isnotoneof"]

const operators = {
  STRING_COMPARISON_TYPE: [...texts, ...memberships],
  NUMBER_COMPARISON_TYPE: [...orders, ...presences, ...memberships],
  BOOLEAN_COMPARISON_TYPE: ["true", "false", ...presences],
  DATETIME_COMPARISON_TYPE: [...orders, ...presences],
  ENTITY_ID_COMPARISON_TYPE: [...texts, ...memberships]
} as const

type ComparisonType = keyof typeof operators

/** The elements of `isoneof` and `isnotoneof` as JSON text, as in snapshots. */
const listText = (report: Reporter, field: Field, type: ComparisonType): string => {
  const { path, value } = field
  const wanted = type === "NUMBER_COMPARISON_TYPE" ? "a number" : "a string"
  const items = value._tag === "List" ? value.items : []
  const written = items.map((item, index) => {
    const at = `${path}[${index}]`
    if (item._tag === "Scalar") {
      const content = item.value
      if (wanted === "a string" && typeof content === "string") {
        checkTime(report, item, at)
        return JSON.stringify(content)
      }
      if (wanted === "a number" && (typeof content === "bigint" || Number.isFinite(content))) {
        return typeof content === "bigint" ? content.toString() : JSON.stringify(content)
      }
    }
    const hint = item._tag === "Scalar" && wanted === "a string" ? "; put it in quotes" : ""
    report.error(item.offset, "Type", at, `each element must be ${wanted}, not ${describe(item)}${hint}`)
    return ""
  })
  return escapeHtml(`[${written.join(",")}]`)
}

const valueOf = (
  report: Reporter,
  field: Field | undefined,
  type: ComparisonType,
  operator: string,
  version: number
): string => {
  if (field === undefined) {
    return ""
  }
  const { path, value } = field
  const isMembership = memberships.includes(operator)
  if (isMembership && value._tag === "List") {
    if (version < 6) {
      report.warn(value.offset, "Version", path, `a list needs version "1.6" of the format or later, as Flipt requires`)
    }
    return listText(report, field, type)
  }
  if (value._tag !== "Scalar" || (isMembership && typeof value.value !== "string")) {
    const wanted = isMembership ? `a list with ${operator}` : `a string with ${operator}`
    report.error(value.offset, "Type", path, `value must be ${wanted}, not ${describe(value)}`)
    return ""
  }
  if (isMembership) {
    if (version >= 6) {
      report.warn(
        value.offset,
        "Version",
        path,
        `since version 1.6, Flipt rejects a string with ${operator}; write a list`
      )
    }
  } else if (typeof value.value !== "string") {
    report.warn(value.offset, "Type", path, `value should be a string, as Flipt requires; put it in quotes`)
  }
  checkTime(report, value, path)
  return isNull(value) ? "" : String(value.value)
}

/** The numbers that Go's `ParseFloat` accepts. */
const isFloat = (text: string): boolean =>
  /^[+-]?(?:inf|infinity|nan)$/i.test(text) ||
  /^[+-]?0x[\da-f]*\.?[\da-f]*p[+-]?\d+$/i.test(text) ||
  (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text)))

const instantPattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:[.,]\d+)?(?:Z|[+-]\d{2}:[0-5]\d))?$/

/** The times that Flipt accepts: RFC 3339, or a date. */
const isInstant = (text: string): boolean => {
  const match = instantPattern.exec(text)
  if (match === null) {
    return false
  }
  const [year, month, day] = match.slice(1, 4).map(Number) as [number, number, number]
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

const isListOf = (text: string, isElement: (element: unknown) => boolean): boolean => {
  try {
    const parsed: unknown = JSON.parse(text)
    return parsed === null || (Array.isArray(parsed) && parsed.every((it) => it === null || isElement(it)))
  } catch {
    return false
  }
}

/** What is wrong with a value that Flipt (since 2.10) cannot read. Flipt then omits the whole segment from every rule. */
const unreadable = (type: ComparisonType, operator: string, value: string): string | undefined => {
  if (memberships.includes(operator)) {
    return type === "NUMBER_COMPARISON_TYPE"
      ? isListOf(value, Number.isFinite)
        ? undefined
        : "is not a list of numbers"
      : isListOf(value, (element) => typeof element === "string")
        ? undefined
        : "is not a list of strings"
  }
  if (!orders.includes(operator) || value === "") {
    return undefined
  }
  return type === "NUMBER_COMPARISON_TYPE" && !isFloat(value)
    ? "is not a number"
    : type === "DATETIME_COMPARISON_TYPE" && !isInstant(value)
      ? "is not an RFC 3339 time"
      : undefined
}

const decodeConstraint = (
  report: Reporter,
  field: Field,
  version: number
): { readonly constraint: Constraint; readonly unusable: string | undefined } | undefined => {
  const fields = fieldsOf(report, field, "a constraint", constraintFields)
  if (fields === undefined) {
    return undefined
  }
  checkNote(fields, "description", { mayBeNull: true })
  const typeField = required(fields, "type")
  const type = typeField && oneOf(report, typeField, Object.keys(operators) as ReadonlyArray<ComparisonType>)
  const property = filled(fields, "property")
  const operatorField = required(fields, "operator")
  if (type === undefined || operatorField === undefined) {
    return undefined
  }
  const operator = oneOf<string>(report, operatorField, operators[type])
  if (operator === undefined || property === undefined) {
    return undefined
  }
  const valueField = fields.get("value")
  const value = valueOf(report, valueField, type, operator, version)
  const unusable = unreadable(type, operator, value)
  if (unusable !== undefined) {
    report.warn(
      valueField?.value.offset ?? fields.offset,
      "Value",
      valueField?.path ?? fields.path,
      `the value ${quote(value)} ${unusable}; Flipt omits a segment with such a constraint from every rule`
    )
  }
  return {
    constraint: {
      type: type.replace("_COMPARISON", "_CONSTRAINT_COMPARISON"),
      property: property.text,
      operator,
      value
    },
    unusable
  }
}

/** The segments of a document, keyed by segment. If two have the same key, the last one counts. */
export const decodeSegments = (document: Fields, version: number): ReadonlyMap<string, Segment> => {
  const { report } = document
  const segments = new Map<string, Segment>()
  for (const item of itemsOf(document, "segments")) {
    const fields = fieldsOf(report, item, "a segment", segmentFields)
    if (fields === undefined) {
      continue
    }
    const keyField = required(fields, "key")
    const key = keyField && keyOf(report, keyField)
    checkNote(fields, "name", { isRequired: true })
    checkNote(fields, "description", { mayBeNull: true })
    const typeField = required(fields, "match_type", `write ${Object.keys(matchTypes).join(" or ")}`)
    const matchType =
      typeField && oneOf(report, typeField, Object.keys(matchTypes) as ReadonlyArray<keyof typeof matchTypes>)
    const decoded = itemsOf(fields, "constraints").flatMap((field) => decodeConstraint(report, field, version) ?? [])
    if (keyField === undefined || key === undefined) {
      continue
    }
    if (segments.has(key)) {
      report.warn(
        keyField.value.offset,
        "Duplicate",
        keyField.path,
        `the segment ${quote(key)} is defined twice; Flipt uses the last definition`
      )
    }
    const content = {
      key,
      matchType: matchTypes[matchType ?? "ANY_MATCH_TYPE"],
      constraints: decoded.map(({ constraint }) => constraint)
    }
    segments.set(key, {
      key,
      content,
      unusable: decoded.find(({ unusable }) => unusable !== undefined)?.unusable,
      size: JSON.stringify(content).length
    })
  }
  return segments
}
