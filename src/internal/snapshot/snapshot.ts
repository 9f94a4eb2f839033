/**
 * What a Snapshot is on every engine: requests are checked, and a closed one answers nothing any more.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { EngineError, type EvaluateError, EvaluationError } from "../../FliptError.js"
import type { EvaluationRequest } from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import { type Defined, definitions } from "./definitions.js"
import type { BoundEvaluator, Evaluator } from "./evaluator.js"
import { checkBatch, checkEntity, checkFlagKey, checkRequest } from "./request.js"

const closedMessage = "the snapshot is closed: the scope that it was handed out in is over"

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
