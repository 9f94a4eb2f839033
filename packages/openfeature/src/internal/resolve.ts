/**
 * Evaluates flags for OpenFeature, synchronously and with the current Snapshot.
 */
import {
  ErrorCode,
  type EvaluationContext,
  type FlagMetadata,
  type JsonValue,
  type ResolutionDetails,
  StandardResolutionReasons
} from "@openfeature/server-sdk"
import * as Either from "effect/Either"
import type { EvaluateError, EvaluationError } from "flipt-client-effect/FliptError"
import type { BooleanResult, EvaluationRequest, VariantResult } from "flipt-client-effect/Model"
import type { Snapshot } from "flipt-client-effect/Snapshot"
import { type NestedContext, type Problem, quote, toEntity } from "./context.js"

/** Everything that evaluations use. Replaced as a whole when something changes. */
export interface Serving {
  readonly snapshot: Either.Either<Snapshot, EvaluationError>
  readonly isStale: boolean
  readonly nestedContext: NestedContext
  /** The metadata of results without segments. */
  readonly metadata: FlagMetadata
  /** The metadata of results with segments. Results of a Snapshot are shared, so there are few. */
  readonly withSegments: WeakMap<VariantResult | BooleanResult, FlagMetadata>
  /** Parsed attachments. */
  readonly attachments: WeakMap<VariantResult, JsonValue>
}

export const errorCodes: Readonly<Record<EvaluationError["reason"], ErrorCode>> = {
  FlagNotFound: ErrorCode.FLAG_NOT_FOUND,
  FlagType: ErrorCode.TYPE_MISMATCH,
  NotReady: ErrorCode.PROVIDER_NOT_READY,
  Unavailable: ErrorCode.GENERAL,
  Closed: ErrorCode.PROVIDER_NOT_READY
}

const problemOf = (error: EvaluateError): Problem => ({
  errorCode:
    error._tag === "EvaluationError"
      ? errorCodes[error.reason]
      : error.path === "entityId"
        ? ErrorCode.TARGETING_KEY_MISSING
        : error.path.startsWith("context")
          ? ErrorCode.INVALID_CONTEXT
          : ErrorCode.GENERAL,
  errorMessage: error.message
})

const failed = <T>(serving: Serving, value: T, { errorCode, errorMessage }: Problem): ResolutionDetails<T> => ({
  value,
  reason: StandardResolutionReasons.ERROR,
  errorCode,
  errorMessage,
  flagMetadata: serving.metadata
})

const metadataOf = (serving: Serving, result: VariantResult | BooleanResult): FlagMetadata => {
  if (result.segmentKeys.length === 0) {
    return serving.metadata
  }
  let metadata = serving.withSegments.get(result)
  if (metadata === undefined) {
    metadata = Object.freeze({ ...serving.metadata, segmentKeys: result.segmentKeys.join(",") })
    serving.withSegments.set(result, metadata)
  }
  return metadata
}

const evaluate = <A>(
  serving: Serving,
  flagKey: string,
  context: EvaluationContext,
  ask: (snapshot: Snapshot, request: EvaluationRequest) => Either.Either<A, EvaluateError>
): Either.Either<A, Problem> => {
  const { snapshot } = serving
  if (Either.isLeft(snapshot)) {
    return Either.left(problemOf(snapshot.left))
  }
  const entity = toEntity(context, serving.nestedContext)
  if (Either.isLeft(entity)) {
    return Either.left(entity.left)
  }
  const result = ask(snapshot.right, { flagKey, entityId: entity.right.entityId, context: entity.right.context })
  return Either.isRight(result) ? Either.right(result.right) : Either.left(problemOf(result.left))
}

const askBoolean = (snapshot: Snapshot, request: EvaluationRequest) => snapshot.boolean(request)
const askVariant = (snapshot: Snapshot, request: EvaluationRequest) => snapshot.variant(request)

export const boolean = (
  serving: Serving,
  flagKey: string,
  defaultValue: boolean,
  context: EvaluationContext
): ResolutionDetails<boolean> => {
  const evaluated = evaluate(serving, flagKey, context, askBoolean)
  if (Either.isLeft(evaluated)) {
    return failed(serving, defaultValue, evaluated.left)
  }
  const result = evaluated.right
  return {
    value: result.enabled,
    variant: result.enabled ? "on" : "off",
    reason: serving.isStale
      ? StandardResolutionReasons.STALE
      : result.reason !== "MATCH_EVALUATION_REASON"
        ? StandardResolutionReasons.DEFAULT
        : // a percentage rollout has no segments
          result.segmentKeys.length === 0
          ? StandardResolutionReasons.SPLIT
          : StandardResolutionReasons.TARGETING_MATCH,
    flagMetadata: metadataOf(serving, result)
  }
}

/** Evaluates a variant flag. `read` converts the variant to a value. */
const variant = <T>(
  serving: Serving,
  flagKey: string,
  defaultValue: T,
  context: EvaluationContext,
  read: (result: VariantResult, serving: Serving) => Either.Either<T, Problem>
): ResolutionDetails<T> => {
  const evaluated = evaluate(serving, flagKey, context, askVariant)
  if (Either.isLeft(evaluated)) {
    return failed(serving, defaultValue, evaluated.left)
  }
  const result = evaluated.right
  const isDisabled = result.reason === "FLAG_DISABLED_EVALUATION_REASON"
  const reason = serving.isStale
    ? StandardResolutionReasons.STALE
    : isDisabled
      ? StandardResolutionReasons.DISABLED
      : result.match
        ? StandardResolutionReasons.TARGETING_MATCH
        : StandardResolutionReasons.DEFAULT
  if (isDisabled || result.variantKey === "") {
    return { value: defaultValue, reason, flagMetadata: metadataOf(serving, result) }
  }
  const value = read(result, serving)
  return Either.isLeft(value)
    ? failed(serving, defaultValue, value.left)
    : { value: value.right, variant: result.variantKey, reason, flagMetadata: metadataOf(serving, result) }
}

const mismatch = (errorMessage: string): Either.Either<never, Problem> =>
  Either.left({ errorCode: ErrorCode.TYPE_MISMATCH, errorMessage })

const describe = ({ flagKey, variantKey }: VariantResult): string =>
  `variant ${quote(variantKey)} of flag ${quote(flagKey)}`

const readKey = ({ variantKey }: VariantResult) => Either.right(variantKey)

/** Parses numbers like Flipt's remote provider, so that both return the same values. */
const readNumber = (result: VariantResult): Either.Either<number, Problem> => {
  const value = Number.parseFloat(result.variantKey)
  return Number.isNaN(value) ? mismatch(`${describe(result)} is not a number`) : Either.right(value)
}

/** Freezes a parsed value deeply. */
const freeze = (value: JsonValue): JsonValue => {
  const pending: Array<unknown> = [value]
  for (const next of pending) {
    if (typeof next === "object" && next !== null) {
      for (const inner of Object.values(Object.freeze(next))) {
        pending.push(inner)
      }
    }
  }
  return value
}

const readAttachment = (result: VariantResult, { attachments }: Serving): Either.Either<JsonValue, Problem> => {
  const parsed = attachments.get(result)
  if (parsed !== undefined) {
    return Either.right(parsed)
  }
  if (result.variantAttachment === undefined || result.variantAttachment === "") {
    return mismatch(`${describe(result)} has no attachment; getStringValue returns the key of the variant`)
  }
  try {
    const value = freeze(JSON.parse(result.variantAttachment) as JsonValue)
    attachments.set(result, value)
    return Either.right(value)
  } catch {
    return Either.left({
      errorCode: ErrorCode.PARSE_ERROR,
      errorMessage: `the attachment of ${describe(result)} is not JSON`
    })
  }
}

export const string = (serving: Serving, flagKey: string, defaultValue: string, context: EvaluationContext) =>
  variant(serving, flagKey, defaultValue, context, readKey)

export const number = (serving: Serving, flagKey: string, defaultValue: number, context: EvaluationContext) =>
  variant(serving, flagKey, defaultValue, context, readNumber)

/** Evaluates a variant flag to its attachment. Like in OpenFeature, `T` is not checked: the caller must know the type. */
export const object = <T extends JsonValue>(
  serving: Serving,
  flagKey: string,
  defaultValue: T,
  context: EvaluationContext
): ResolutionDetails<T> =>
  variant<JsonValue>(serving, flagKey, defaultValue, context, readAttachment) as ResolutionDetails<T>
