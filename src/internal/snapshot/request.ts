/**
 * Validates requests, for every engine. It runs before each evaluation, so small predicates find out whether a request is
 * valid, without allocating anything. Other functions find out what is wrong.
 */
import * as Either from "effect/Either"
import { type EvaluateError, ValidationError } from "../../FliptError.js"
import type { EvaluationContext, EvaluationRequest } from "../../Model.js"
import { printable, quoted } from "../util/outsideText.js"

const invalid = (path: string, message: string): ValidationError =>
  new ValidationError({ reason: "Argument", path, message })

export const isOwn = Object.prototype.hasOwnProperty

/** Whether a value is a text that is not blank. The first character is enough for nearly all texts. */
export const isText = (value: unknown): value is string => {
  if (typeof value !== "string") {
    return false
  }
  const first = value.charCodeAt(0)
  return (first > 32 && first < 127) || value.trim() !== ""
}

const checkText = (name: "flagKey" | "entityId", value: unknown, prefix: string): ValidationError | undefined => {
  if (isText(value)) {
    return undefined
  }
  return invalid(
    prefix + name,
    value === undefined || value === null
      ? `${name} cannot be empty, and it is ${value}`
      : typeof value === "string"
        ? `${name} cannot be empty`
        : `${name} must be a string, not a ${typeof value}`
  )
}

// `switch (typeof value)` calls into the V8 runtime; these comparisons only check the value's tag
const isValue = (value: unknown): boolean =>
  typeof value === "string" ||
  (typeof value === "number"
    ? Number.isFinite(value)
    : typeof value === "boolean" || value === undefined || (value instanceof Date && !Number.isNaN(timeOf(value))))

/** The time of a Date. NaN if it is invalid, or if it only has the prototype of a Date. */
export const timeOf = (date: Date): number => {
  try {
    return Date.prototype.getTime.call(date)
  } catch {
    return Number.NaN
  }
}

/** Whether a value is a valid context, or none. */
export const isContext = (context: unknown): context is EvaluationContext | undefined => {
  if (context === undefined) {
    return true
  }
  if (typeof context !== "object" || context === null || Array.isArray(context)) {
    return false
  }
  for (const property in context) {
    // valid values need no check of ownership, which would take a tenth of an evaluation
    if (!isValue((context as Record<string, unknown>)[property]) && isOwn.call(context, property)) {
      return false
    }
  }
  return true
}

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
const checkRequest = (request: unknown, prefix: string): ValidationError | undefined => {
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

/** The result for a request that is not valid, or else is for an unknown flag. */
export const refuse = (
  request: EvaluationRequest,
  notFound: (flagKey: string) => Either.Either<never, EvaluateError>
): Either.Either<never, EvaluateError> => {
  const error = checkRequest(request, "")
  return error === undefined ? notFound(request.flagKey) : Either.left(error)
}

/** Checks requests before they are evaluated. Each property is read once, because it may be a getter. */
export const checked =
  <A>(
    evaluate: (
      flagKey: string,
      entityId: string,
      context: EvaluationContext | undefined
    ) => Either.Either<A, EvaluateError>,
    notFound: (flagKey: string) => Either.Either<never, EvaluateError>
  ) =>
  (request: EvaluationRequest): Either.Either<A, EvaluateError> => {
    if (typeof request !== "object" || request === null) {
      return refuse(request, notFound)
    }
    const { context, entityId, flagKey } = request
    return isText(flagKey) && isText(entityId) && isContext(context)
      ? evaluate(flagKey, entityId, context)
      : refuse(request, notFound)
  }
