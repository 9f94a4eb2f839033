/**
 * Writes YAML values as JSON text, like Flipt's attachments and lists: with sorted keys and without blanks.
 */
import { byCodePoint } from "./order.js"
import type { Reporter } from "./report.js"
import type { Value } from "./tree.js"

/** Go's encoder escapes these, so that JSON can be embedded in HTML. */
const escapes: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029"
}

/** Escapes JSON text like Go's `json.Marshal`. These characters occur only in strings. */
export const escapeHtml = (json: string): string =>
  json.replaceAll(/[<>&\u2028\u2029]/g, (character) => escapes[character] ?? character)

/** Times in the format of YAML 1.1. Without quotes, Go reads them as times, and YAML 1.2 as strings. */
const timePattern = /^\d{4}-\d{1,2}-\d{1,2}(?:(?:[Tt]|[ \t]+)\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d*)?.*)?$/

/** Warns about a string that Flipt reads as a time. */
export const checkTime = (report: Reporter, value: Value, path: string): void => {
  if (value._tag === "Scalar" && value.isPlain && typeof value.value === "string" && timePattern.test(value.value)) {
    report.warn(
      value.offset,
      "Value",
      path,
      "without quotes, Flipt reads this as a time and rewrites or rejects it; put it in quotes"
    )
  }
}

export const toJson = (report: Reporter, value: Value, path: string): string => {
  if (value._tag === "List") {
    return `[${value.items.map((item, index) => toJson(report, item, `${path}[${index}]`)).join(",")}]`
  }
  if (value._tag === "Mapping") {
    return `{${[...value.entries]
      .sort(([a], [b]) => byCodePoint(a, b))
      .map(([name, entry]) => `${JSON.stringify(name)}:${toJson(report, entry.value, path)}`)
      .join(",")}}`
  }
  if (typeof value.value === "number" || typeof value.value === "bigint") {
    const number = Number(value.value)
    if (!Number.isFinite(number)) {
      report.error(value.offset, "Value", path, `JSON has no number ${value.value}; put it in quotes`)
    }
    return JSON.stringify(number)
  }
  checkTime(report, value, path)
  return JSON.stringify(value.value)
}
