/**
 * Converts OpenFeature's evaluation context to a Flipt entity.
 */
import { ErrorCode, type EvaluationContext as OpenFeatureContext } from "@openfeature/server-sdk"
import * as Either from "effect/Either"
import type { Entity, EvaluationContext } from "flipt-client-effect/Model"

export type NestedContext = "reject" | "flatten"

/** Why a context cannot be evaluated. */
export interface Problem {
  readonly errorCode: ErrorCode
  readonly errorMessage: string
}

/** Bounds the work for one evaluation, also for a context that contains itself. */
const MAX_NESTED = 1_000

const MAX_QUOTED = 100

/** A name from outside, escaped for a message. */
export const quote = (name: string): string =>
  JSON.stringify(name.length > MAX_QUOTED ? `${name.slice(0, MAX_QUOTED)}…` : name).replaceAll(
    /[\p{C}\u2028\u2029]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`
  )

const invalid = (errorMessage: string): Either.Either<never, Problem> =>
  Either.left({ errorCode: ErrorCode.INVALID_CONTEXT, errorMessage })

const missing: Either.Either<never, Problem> = Either.left({
  errorCode: ErrorCode.TARGETING_KEY_MISSING,
  errorMessage:
    "the context has no targetingKey; set it to the id of the user or other entity for which the flag is evaluated"
})

const isNested = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !(value instanceof Date)

/** Breadth first, so that if two properties get the same name, the less nested one counts. */
const flatten = (properties: object): Either.Either<EvaluationContext, Problem> => {
  const flat = new Map<string, unknown>()
  const pending: Array<readonly [name: string, value: unknown]> = Object.entries(properties)
  let nested = 0
  for (const [name, value] of pending) {
    if (isNested(value)) {
      for (const [key, inner] of Object.entries(value)) {
        if (++nested > MAX_NESTED) {
          return invalid(
            `the context has more than ${MAX_NESTED} nested values, the last in ${quote(name)}, or contains itself; pass only what constraints compare`
          )
        }
        pending.push([`${name}.${key}`, inner])
      }
    } else if (value !== null && !flat.has(name)) {
      flat.set(name, value)
    }
  }
  return Either.right(Object.fromEntries(flat) as EvaluationContext)
}

/**
 * The entity of a context. `null` counts as absent, which Flipt treats like an empty string. The client checks values
 * that are not objects.
 */
export const toEntity = (context: OpenFeatureContext, nested: NestedContext): Either.Either<Entity, Problem> => {
  const { targetingKey, ...properties } = context
  if (targetingKey === undefined || targetingKey === null || targetingKey === "") {
    return missing
  }
  if (typeof targetingKey !== "string") {
    return invalid(`targetingKey must be a string, not a ${typeof targetingKey}`)
  }
  for (const name in properties) {
    const value = properties[name]
    if (value === null) {
      properties[name] = undefined as never
    } else if (isNested(value)) {
      return nested === "flatten"
        ? Either.map(flatten(properties), (flat) => ({ entityId: targetingKey, context: flat }))
        : invalid(
            `context property ${quote(name)} is ${Array.isArray(value) ? "a list" : "an object"}, but Flipt compares strings, numbers, booleans and dates; omit it, or set nestedContext to "flatten"`
          )
    }
  }
  return Either.right({ entityId: targetingKey, context: properties as EvaluationContext })
}
