/**
 * The check of a request, the same for every engine. It runs before each evaluation, so the usual request passes it
 * without a single allocation.
 */
import { ValidationError } from "../../FliptError.js"
import type { EvaluationContext } from "../../Model.js"

const invalid = (path: string, message: string): ValidationError =>
  new ValidationError({ reason: "Argument", path, message })

const isOwn = Object.prototype.hasOwnProperty

/** The first character decides for nearly all texts. */
const isBlank = (text: string): boolean => {
  const first = text.charCodeAt(0)
  return !(first > 32 && first < 127) && text.trim() === ""
}

const checkText = (name: "flagKey" | "entityId", value: unknown, prefix: string): ValidationError | undefined => {
  if (typeof value === "string" ? isBlank(value) : value === undefined || value === null) {
    return invalid(prefix + name, `${name} cannot be empty`)
  }
  return typeof value === "string"
    ? undefined
    : invalid(prefix + name, `${name} must be a string, not a ${typeof value}`)
}

// `switch (typeof value)` calls a function of V8, and each of these is a look at the value's tag
const isValue = (value: unknown): boolean =>
  typeof value === "string" ||
  (typeof value === "number"
    ? Number.isFinite(value)
    : typeof value === "boolean" || value === undefined || (value instanceof Date && !Number.isNaN(value.getTime())))

const describe = (value: unknown): string =>
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
    return invalid(`${prefix}context`, `context must be an object of properties, not ${describe(context)}`)
  }
  for (const property in context) {
    const value = isOwn.call(context, property) ? (context as Record<string, unknown>)[property] : undefined
    if (!isValue(value)) {
      return invalid(
        `${prefix}context.${property}`,
        `context property ${JSON.stringify(property)} must be a string, a finite number, a boolean or a valid Date, not ${describe(value)}`
      )
    }
  }
  return undefined
}

/** What is wrong with the entity of a request, if anything is. */
export const checkEntity = (entityId: unknown, context: unknown, prefix: string): ValidationError | undefined =>
  checkText("entityId", entityId, prefix) ?? checkContext(context, prefix)

/** What is wrong with the key of a flag, if anything is. */
export const checkFlagKey = (flagKey: unknown, prefix: string): ValidationError | undefined =>
  checkText("flagKey", flagKey, prefix)

/** What is wrong with a request, if anything is. `prefix` leads to it: `requests[2].`, or nothing. */
export const checkRequest = (request: unknown, prefix: string): ValidationError | undefined => {
  if (typeof request !== "object" || request === null) {
    return invalid(
      prefix === "" ? "request" : prefix.slice(0, -1),
      `a request must be an object, not ${describe(request)}`
    )
  }
  const { context, entityId, flagKey } = request as Record<string, unknown>
  return checkFlagKey(flagKey, prefix) ?? checkEntity(entityId, context, prefix)
}

/** What is wrong with a batch, if anything is. */
export const checkBatch = (requests: unknown): ValidationError | undefined => {
  if (!Array.isArray(requests)) {
    return invalid("requests", `requests must be a list, not ${describe(requests)}`)
  }
  for (let index = 0; index < requests.length; index++) {
    const error = checkRequest(requests[index], `requests[${index}].`)
    if (error !== undefined) {
      return error
    }
  }
  return undefined
}

/** The text that a value stands for. A lone surrogate becomes U+FFFD. */
export const toText = (value: string): string => (value.isWellFormed() ? value : value.toWellFormed())

/** Whether a property's name has U+FFFD in it, which a lone surrogate in a request's property name stands for. */
export const isLenient = (property: string): boolean => property.includes("\ufffd")

/** What a context's value is to evaluation: numbers stay what they are, and what the check does not let in is nothing. */
const valueOf = (value: unknown): string | number => {
  if (typeof value === "string") {
    return value
  }
  if (typeof value === "number") {
    return Number.isFinite(value) ? value : ""
  }
  if (typeof value === "boolean") {
    return value ? "true" : "false"
  }
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : ""
}

/**
 * The value of a property that is the context's own, `""` when there is none. `lenient` is that of the property's name.
 */
export const readProperty = (
  context: EvaluationContext | undefined,
  property: string,
  lenient: boolean
): string | number => {
  if (context === undefined) {
    return ""
  }
  if (!lenient) {
    const value: unknown = context[property]
    return value !== undefined && isOwn.call(context, property) ? valueOf(value) : ""
  }
  // of names that become the same the last counts, as in the reference
  let found: unknown
  for (const name of Object.getOwnPropertyNames(context)) {
    const candidate = context[name]
    if (candidate !== undefined && name.toWellFormed() === property) {
      found = candidate
    }
  }
  return valueOf(found)
}
