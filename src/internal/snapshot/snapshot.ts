/**
 * What a Snapshot is on every engine: requests are checked, and a closed one answers nothing any more.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { EngineError, type EvaluateError, EvaluationError } from "../../FliptError.js"
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
import { type Defined, definitions } from "./definitions.js"
import { checkBatch, checkEntity, checkFlagKey, checkRequest } from "./request.js"

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
const MAX_REMEMBERED = 256
const MAX_REMEMBERED_LENGTH = 256

const closedMessage = "the snapshot is closed: the scope that it was handed out in is over"

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

/** The Snapshot of an evaluator, alive until the Scope ends. */
export const makeSnapshot = (evaluator: Evaluator): Effect.Effect<Snapshot, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => unsafeMake(evaluator)),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ snapshot }) => snapshot))

const askVariant = (evaluator: Evaluator, { context, entityId, flagKey }: EvaluationRequest) =>
  evaluator.variant(flagKey, entityId, context)

const askBoolean = (evaluator: Evaluator, { context, entityId, flagKey }: EvaluationRequest) =>
  evaluator.boolean(flagKey, entityId, context)

const unsafeMake = (evaluator: Evaluator): { readonly snapshot: Snapshot; readonly close: () => void } => {
  // Looked at before each evaluation and after it: a getter of a context may close the Snapshot.
  let open: Evaluator | undefined = evaluator
  let closed: Either.Either<never, EvaluationError> | undefined
  let flags: Snapshot["flags"] | undefined
  const { digest, namespace } = evaluator

  const answerClosed = (): Either.Either<never, EvaluationError> => {
    closed ??= Either.left(new EvaluationError({ reason: "Closed", message: closedMessage }))
    return closed
  }

  const answer = <A>(
    request: EvaluationRequest,
    ask: (evaluator: Evaluator, request: EvaluationRequest) => Either.Either<A, EvaluationError>
  ): Either.Either<A, EvaluateError> => {
    const current = open
    if (current === undefined) {
      return answerClosed()
    }
    const invalid = checkRequest(request, "")
    if (invalid !== undefined) {
      return Either.left(invalid)
    }
    const result = ask(current, request)
    return open === undefined ? answerClosed() : result
  }

  const whileOpen = <A>(ask: (evaluator: Evaluator) => Effect.Effect<A, EngineError>): Effect.Effect<A, EngineError> =>
    Effect.suspend(() =>
      open === undefined ? Effect.fail(new EngineError({ reason: "Closed", message: closedMessage })) : ask(open)
    )

  const snapshot: Snapshot & Defined = {
    namespace,
    digest,
    fingerprint: (flagKey) => open?.fingerprint(flagKey),
    variant: (request) => answer(request, askVariant),
    boolean: (request) => answer(request, askBoolean),
    batch: (requests) => {
      const current = open
      if (current === undefined) {
        return answerClosed()
      }
      const invalid = checkBatch(requests)
      if (invalid !== undefined) {
        return Either.left(invalid)
      }
      const entries = Object.freeze(current.batch(requests))
      return open === undefined ? answerClosed() : Either.right(entries)
    },
    bind: (entityId, context) => {
      const invalidEntity = checkEntity(entityId, context, "")
      const bound = invalidEntity === undefined ? open?.bind(entityId, context) : undefined
      const refusal = (flagKey: string): Either.Either<never, EvaluateError> | undefined => {
        if (open === undefined) {
          return answerClosed()
        }
        const invalid = checkFlagKey(flagKey, "") ?? invalidEntity
        return invalid && Either.left(invalid)
      }
      return {
        variant: (flagKey) => {
          const result = refusal(flagKey) ?? (bound as BoundEvaluator).variant(flagKey)
          return open === undefined ? answerClosed() : result
        },
        boolean: (flagKey) => {
          const result = refusal(flagKey) ?? (bound as BoundEvaluator).boolean(flagKey)
          return open === undefined ? answerClosed() : result
        }
      }
    },
    get flags() {
      if (open === undefined) {
        return answerClosed()
      }
      if (flags === undefined) {
        const made = Either.map(open.flags(), (list) => Object.freeze(list))
        if (Either.isLeft(made)) {
          return made
        }
        flags = made
      }
      return flags
    },
    seed: whileOpen((it) => it.seed),
    [definitions]: evaluator.definitions && whileOpen((it) => it.definitions as NonNullable<Evaluator["definitions"]>)
  }

  return {
    snapshot,
    close: () => {
      open = undefined
      flags = undefined
    }
  }
}
