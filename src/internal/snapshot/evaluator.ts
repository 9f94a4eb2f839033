/**
 * The contract between Snapshots and engines, and the errors that all engines share.
 */
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type EngineError, type EvaluateError, EvaluationError } from "../../FliptError.js"
import type {
  BatchEntry,
  BooleanResult,
  ErrorResult,
  EvaluationContext,
  EvaluationRequest,
  FlagInfo,
  Seed,
  VariantResult
} from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import type * as Definition from "../document/definition.js"
import { printable } from "../util/outsideText.js"
import type { NativeHandle } from "./nativeHandle.js"

/** Evaluation for one entity. */
export interface BoundEvaluator {
  readonly variant: (flagKey: string) => Either.Either<VariantResult, EvaluationError>
  readonly boolean: (flagKey: string) => Either.Either<BooleanResult, EvaluationError>
}

/** What an engine implements. Except for `variant` and `boolean`, all requests have passed the request check. */
export interface Evaluator {
  readonly engine: Snapshot["engine"]
  readonly namespace: string
  readonly digest: string | undefined
  /** The keys of flags that have a list with an escape. Such a list counts as empty, unlike on the server. */
  readonly escapedLists?: ReadonlyArray<string>
  /** Checks and evaluates a request. */
  readonly variant: (request: EvaluationRequest) => Either.Either<VariantResult, EvaluateError>
  /** Checks and evaluates a request. */
  readonly boolean: (request: EvaluationRequest) => Either.Either<BooleanResult, EvaluateError>
  readonly bind: (entityId: string, context: EvaluationContext | undefined) => BoundEvaluator
  readonly batch: (requests: ReadonlyArray<EvaluationRequest>) => ReadonlyArray<BatchEntry>
  readonly fingerprint: (flagKey: string) => string | undefined
  readonly flags: () => Either.Either<ReadonlyArray<FlagInfo>, EvaluationError>
  readonly seed: Effect.Effect<Seed, EngineError>
  /** Where the compiled state is, if it is native. */
  readonly nativeHandle?: NativeHandle
  /** All flags as they are defined, where that takes less than reading the seed. */
  readonly definitions?: Effect.Effect<ReadonlyArray<Definition.Flag>, EngineError>
}

/** Bounds the cached errors: flag keys can come from outside. */
const MAX_CACHED_ERRORS = 256

const MAX_CACHED_KEY_LENGTH = 256

/**
 * Makes an error without a stack trace. Capturing a trace takes four times as long as the rest. A cached error would also
 * show every caller the trace of the first.
 */
const withoutStackTrace = (make: () => EvaluationError): EvaluationError => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = limit
  }
}

/**
 * Creates and caches evaluation errors. Each message begins with the text of the official engine, and a semicolon and an
 * explanation follow. `countFlags` returns the number of flags, or `undefined` if the engine cannot tell. It is called for
 * every new error of an unknown flag, so an engine that has to count keeps the number.
 */
export const makeErrors = (namespace: string, countFlags: () => number | undefined) => {
  const notFound = new Map<string, Either.Either<never, EvaluationError>>()
  const wrongType = new Map<string, Either.Either<never, EvaluationError>>()

  const missing = (): string => {
    const count = countFlags()
    return count === undefined
      ? "the namespace has no flag with this key"
      : `none of the ${count} flags of the namespace has this key`
  }

  const cached = (
    cache: Map<string, Either.Either<never, EvaluationError>>,
    flagKey: string,
    make: () => EvaluationError
  ): Either.Either<never, EvaluationError> => {
    let error = cache.get(flagKey)
    if (error === undefined) {
      error = Either.left(withoutStackTrace(make))
      if (flagKey.length > MAX_CACHED_KEY_LENGTH) {
        return error
      }
      if (cache.size >= MAX_CACHED_ERRORS) {
        cache.clear()
      }
      cache.set(flagKey, error)
    }
    return error
  }

  return {
    /** The cached result of `notFound`, if any. */
    cachedNotFound: (flagKey: string) => notFound.get(flagKey),
    notFound: (flagKey: string) =>
      cached(
        notFound,
        flagKey,
        () =>
          new EvaluationError(
            {
              reason: "FlagNotFound",
              flagKey,
              message: `invalid request: failed to get flag information ${printable(namespace)}/${printable(flagKey.toWellFormed())}; ${missing()}`
            },
            // validation would take most of the time, and hostile callers can send a new key with every request
            { disableValidation: true }
          )
      ),
    wrongType: (flagKey: string, expected: "variant" | "boolean") =>
      cached(
        wrongType,
        flagKey,
        () =>
          new EvaluationError({
            reason: "FlagType",
            flagKey,
            message: `invalid request: ${printable(flagKey)} is not a ${expected} flag; it is a ${expected === "boolean" ? "variant" : "boolean"} flag, so use ${expected === "boolean" ? "evaluateVariant" : "evaluateBoolean"}`
          })
      )
  }
}

/** The batch entry for a flag that cannot be evaluated. */
export const errorEntry = (
  namespaceKey: string,
  flagKey: string,
  reason: ErrorResult["reason"] = "NOT_FOUND_ERROR_EVALUATION_REASON"
): ErrorResult => Object.freeze({ _tag: "Error", flagKey: flagKey.toWellFormed(), namespaceKey, reason })
