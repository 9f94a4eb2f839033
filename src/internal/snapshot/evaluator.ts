import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type EngineError, EvaluationError } from "../../FliptError.js"
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
import type * as Definition from "../document/definition.js"

/** Evaluation for one entity. */
export interface BoundEvaluator {
  readonly variant: (flagKey: string) => Either.Either<VariantResult, EvaluationError>
  readonly boolean: (flagKey: string) => Either.Either<BooleanResult, EvaluationError>
}

/** What an engine knows how to do, for requests that have been checked. */
export interface Evaluator {
  readonly namespace: string
  readonly digest: string | undefined
  readonly variant: (
    flagKey: string,
    entityId: string,
    context: EvaluationContext | undefined
  ) => Either.Either<VariantResult, EvaluationError>
  readonly boolean: (
    flagKey: string,
    entityId: string,
    context: EvaluationContext | undefined
  ) => Either.Either<BooleanResult, EvaluationError>
  readonly bind: (entityId: string, context: EvaluationContext | undefined) => BoundEvaluator
  readonly batch: (requests: ReadonlyArray<EvaluationRequest>) => ReadonlyArray<BatchEntry>
  readonly fingerprint: (flagKey: string) => string | undefined
  readonly flags: () => Either.Either<ReadonlyArray<FlagInfo>, EvaluationError>
  readonly seed: Effect.Effect<Seed, EngineError>
  /** All flags as they are defined, where that takes less than reading the seed. */
  readonly definitions?: Effect.Effect<ReadonlyArray<Definition.Flag>, EngineError>
}

/** Of unknown flag keys: a typo costs the making of an error once, and hostile keys cost little memory. */
export const MAX_REMEMBERED = 256

export const MAX_REMEMBERED_LENGTH = 256

/** The errors of evaluation, in the words of the official engine. Each is made once. */
export const makeErrors = (namespace: string) => {
  const notFound = new Map<string, Either.Either<never, EvaluationError>>()
  const wrongType = new Map<string, Either.Either<never, EvaluationError>>()

  const remember = (
    memory: Map<string, Either.Either<never, EvaluationError>>,
    flagKey: string,
    make: () => EvaluationError
  ): Either.Either<never, EvaluationError> => {
    let error = memory.get(flagKey)
    if (error === undefined) {
      error = Either.left(make())
      if (flagKey.length > MAX_REMEMBERED_LENGTH) {
        return error
      }
      if (memory.size >= MAX_REMEMBERED) {
        memory.clear()
      }
      memory.set(flagKey, error)
    }
    return error
  }

  return {
    /** What {@link notFound} gave before, as far as it is remembered. */
    knownNotFound: (flagKey: string) => notFound.get(flagKey),
    notFound: (flagKey: string) =>
      remember(
        notFound,
        flagKey,
        () =>
          new EvaluationError(
            {
              reason: "FlagNotFound",
              flagKey,
              message: `invalid request: failed to get flag information ${namespace}/${flagKey.toWellFormed()}`
            },
            // keys can come from outside, each another one, and looking at what is known to be right takes most of the time
            { disableValidation: true }
          )
      ),
    wrongType: (flagKey: string, expected: "variant" | "boolean") =>
      remember(
        wrongType,
        flagKey,
        () =>
          new EvaluationError({
            reason: "FlagType",
            flagKey,
            message: `invalid request: ${flagKey} is not a ${expected} flag`
          })
      )
  }
}

/** What stands in a batch for a flag that there is not. */
export const errorEntry = (
  namespaceKey: string,
  flagKey: string,
  reason: ErrorResult["reason"] = "NOT_FOUND_ERROR_EVALUATION_REASON"
): ErrorResult => Object.freeze({ _tag: "Error", flagKey: flagKey.toWellFormed(), namespaceKey, reason })
