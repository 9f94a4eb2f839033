/**
 * Makes a Snapshot from an engine's evaluator: it checks requests and refuses them once it is closed.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { EngineError, type EvaluateError, EvaluationError } from "../../FliptError.js"
import type { EvaluationRequest } from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import { type Defined, definitions, escapedLists } from "./definitions.js"
import type { BoundEvaluator, Evaluator } from "./evaluator.js"
import { type HasNativeHandle, nativeHandle } from "./nativeHandle.js"
import { checkBatch, checkEntity, checkFlagKey } from "./request.js"

const closedMessage = "the snapshot is closed: its scope has ended"

/** A Snapshot over an evaluator. It closes when the Scope ends. */
export const makeSnapshot = (evaluator: Evaluator): Effect.Effect<Snapshot, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => unsafeMake(evaluator)),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ snapshot }) => snapshot))

const evaluateVariant = (evaluator: Evaluator, request: EvaluationRequest) => evaluator.variant(request)

const evaluateBoolean = (evaluator: Evaluator, request: EvaluationRequest) => evaluator.boolean(request)

const readFlags: unique symbol = Symbol("flipt-client-effect/readFlags")

interface LazyFlags {
  readonly [readFlags]: () => Snapshot["flags"]
}

/** The property `flags`. All Snapshots share the getter: V8 makes slow dictionaries of objects with a getter each. */
const flagsProperty: PropertyDescriptor & ThisType<LazyFlags> = {
  enumerable: true,
  get() {
    return this[readFlags]()
  }
}

const unsafeMake = (evaluator: Evaluator): { readonly snapshot: Snapshot; readonly close: () => void } => {
  // Checked before and after each evaluation, because a getter in the context may close the Snapshot.
  let open: Evaluator | undefined = evaluator
  let closed: Either.Either<never, EvaluationError> | undefined
  let flags: Snapshot["flags"] | undefined
  const { digest, engine, namespace } = evaluator

  const closedResult = (): Either.Either<never, EvaluationError> => {
    closed ??= Either.left(new EvaluationError({ reason: "Closed", message: closedMessage }))
    return closed
  }

  const evaluate = <A>(
    request: EvaluationRequest,
    run: (evaluator: Evaluator, request: EvaluationRequest) => Either.Either<A, EvaluateError>
  ): Either.Either<A, EvaluateError> => {
    const current = open
    if (current === undefined) {
      return closedResult()
    }
    const result = run(current, request)
    return open === undefined ? closedResult() : result
  }

  const whileOpen = <A>(ask: (evaluator: Evaluator) => Effect.Effect<A, EngineError>): Effect.Effect<A, EngineError> =>
    Effect.suspend(() =>
      open === undefined ? Effect.fail(new EngineError({ reason: "Closed", message: closedMessage })) : ask(open)
    )

  const flagsWhileOpen = (): Snapshot["flags"] => {
    if (open === undefined) {
      return closedResult()
    }
    if (flags === undefined) {
      const made = Either.map(open.flags(), (list) => Object.freeze(list))
      if (Either.isLeft(made)) {
        return made
      }
      flags = made
    }
    return flags
  }

  const withoutFlags: Omit<Snapshot, "flags"> & Defined & HasNativeHandle & LazyFlags = {
    namespace,
    engine,
    digest,
    fingerprint: (flagKey) => open?.fingerprint(flagKey),
    variant: (request) => evaluate(request, evaluateVariant),
    boolean: (request) => evaluate(request, evaluateBoolean),
    batch: (requests) => {
      const current = open
      if (current === undefined) {
        return closedResult()
      }
      const invalid = checkBatch(requests)
      if (invalid !== undefined) {
        return Either.left(invalid)
      }
      const entries = Object.freeze(current.batch(requests))
      return open === undefined ? closedResult() : Either.right(entries)
    },
    bind: (entityId, context) => {
      const invalidEntity = checkEntity(entityId, context, "")
      const bound = invalidEntity === undefined ? open?.bind(entityId, context) : undefined
      const refusal = (flagKey: string): Either.Either<never, EvaluateError> | undefined => {
        if (open === undefined) {
          return closedResult()
        }
        const invalid = checkFlagKey(flagKey, "") ?? invalidEntity
        return invalid && Either.left(invalid)
      }
      return {
        variant: (flagKey) => {
          const result = refusal(flagKey) ?? (bound as BoundEvaluator).variant(flagKey)
          return open === undefined ? closedResult() : result
        },
        boolean: (flagKey) => {
          const result = refusal(flagKey) ?? (bound as BoundEvaluator).boolean(flagKey)
          return open === undefined ? closedResult() : result
        }
      }
    },
    seed: whileOpen((it) => it.seed),
    [readFlags]: flagsWhileOpen,
    [nativeHandle]: evaluator.nativeHandle,
    [escapedLists]: evaluator.escapedLists,
    [definitions]: evaluator.definitions && whileOpen((it) => it.definitions as NonNullable<Evaluator["definitions"]>)
  }

  return {
    snapshot: Object.defineProperty(withoutFlags, "flags", flagsProperty) as typeof withoutFlags & Snapshot,
    close: () => {
      open = undefined
      flags = undefined
    }
  }
}
