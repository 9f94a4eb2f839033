/**
 * Validates requests, for every engine. It runs before each evaluation, so a valid request allocates nothing.
 */
import { ValidationError } from "../../FliptError.js"
import { printable, quoted } from "../util/outsideText.js"

const invalid = (path: string, message: string): ValidationError =>
  new ValidationError({ reason: "Argument", path, message })

export const isOwn = Object.prototype.hasOwnProperty

/** The first character is enough for nearly all texts. */
const isBlank = (text: string): boolean => {
  const first = text.charCodeAt(0)
  return !(first > 32 && first < 127) && text.trim() === ""
}

const checkText = (name: "flagKey" | "entityId", value: unknown, prefix: string): ValidationError | undefined => {
  if (typeof value === "string" ? isBlank(value) : value === undefined || value === null) {
    return invalid(
      prefix + name,
      `${name} cannot be empty${value === undefined || value === null ? `, and it is ${value}` : ""}`
    )
  }
  return typeof value === "string"
    ? undefined
    : invalid(prefix + name, `${name} must be a string, not a ${typeof value}`)
}

// `switch (typeof value)` calls into the V8 runtime; these comparisons only check the value's tag
const isValue = (value: unknown): boolean =>
  typeof value === "string" ||
  (typeof value === "number"
    ? Number.isFinite(value)
    : typeof value === "boolean" || value === undefined || (value instanceof Date && !Number.isNaN(value.getTime())))

const describeValue = (value: unknown): string =>
  typeof value === "number"
    ? String(value)
    : value instanceof Date
      ? "an invalid Date"
      : value === null
        ? "null"
        : Array.isArray(value)
          ? "a list"
          : typeof value === "object"
            ? "an object"
            : `a ${typeof value}`

const checkContext = (context: unknown, prefix: string): ValidationError | undefined => {
  if (context === undefined) {
    return undefined
  }
  if (typeof context !== "object" || context === null || Array.isArray(context)) {
    return invalid(`${prefix}context`, `context must be an object of properties, not ${describeValue(context)}`)
  }
  for (const property in context) {
    const value = isOwn.call(context, property) ? (context as Record<string, unknown>)[property] : undefined
    if (!isValue(value)) {
      return invalid(
        `${prefix}context.${printable(property)}`,
        `context property ${quoted(property)} must be a string, a finite number, a boolean or a valid Date, not ${describeValue(value)}`
      )
    }
  }
  return undefined
}

/** Checks the entity of a request. Returns the error, if any. */
export const checkEntity = (entityId: unknown, context: unknown, prefix: string): ValidationError | undefined =>
  checkText("entityId", entityId, prefix) ?? checkContext(context, prefix)

/** Checks a flag key. Returns the error, if any. */
export const checkFlagKey = (flagKey: unknown, prefix: string): ValidationError | undefined =>
  checkText("flagKey", flagKey, prefix)

/** Checks a request. Returns the error, if any. `prefix` is its path in a batch, such as `requests[2].`, or empty. */
export const checkRequest = (request: unknown, prefix: string): ValidationError | undefined => {
  if (typeof request !== "object" || request === null) {
    return invalid(
      prefix === "" ? "request" : prefix.slice(0, -1),
      `a request must be an object, not ${describeValue(request)}`
    )
  }
  const { context, entityId, flagKey } = request as Record<string, unknown>
  return checkFlagKey(flagKey, prefix) ?? checkEntity(entityId, context, prefix)
}

/** Checks a batch. Returns the first error, if any. */
export const checkBatch = (requests: unknown): ValidationError | undefined => {
  if (!Array.isArray(requests)) {
    return invalid("requests", `requests must be a list, not ${describeValue(requests)}`)
  }
  for (let index = 0; index < requests.length; index++) {
    const error = checkRequest(requests[index], `requests[${index}].`)
    if (error !== undefined) {
      return error
    }
  }
  return undefined
}
