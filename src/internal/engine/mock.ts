/**
 * The mock engine: flags as plain values, for tests.
 */
import * as Either from "effect/Either"
import type * as Engine from "../../Engine.js"
import { EvaluationError } from "../../FliptError.js"
import type { BooleanResult, EvaluationContext, EvaluationRequest, VariantResult } from "../../Model.js"
import type * as Definition from "../document/definition.js"
import { fingerprint } from "../document/fingerprint.js"
import { toFlagInfo } from "../document/flagInfo.js"
import { writeSeed } from "../document/seed/write.js"
import { type Evaluator, errorEntry, makeErrors } from "../snapshot/evaluator.js"
import { checked } from "../snapshot/request.js"
import { makeSnapshot } from "../snapshot/snapshot.js"

const none: ReadonlyArray<string> = Object.freeze([])

export type MockResult = Either.Either<VariantResult | BooleanResult, EvaluationError>

const isVariant = (value: Engine.MockValue): value is string | Exclude<Engine.MockValue, string | boolean | Error> =>
  typeof value === "string" || (typeof value === "object" && !(value instanceof EvaluationError))

const toVariant = (value: string | { readonly variant: string; readonly attachment?: unknown }) =>
  typeof value === "string"
    ? { key: value, attachment: undefined }
    : {
        key: value.variant,
        attachment: value.attachment === undefined ? undefined : JSON.stringify(value.attachment)
      }

/** The closest definition in a document that gives the same results. A function's results are unknown. */
export const toDefinition = (key: string, value: Engine.MockFlags[string]): Definition.Flag => {
  const known = typeof value === "function" ? undefined : value
  const variant = known !== undefined && isVariant(known) ? toVariant(known) : undefined
  return {
    key,
    boolean: typeof known === "boolean",
    enabled: known !== false,
    description: undefined,
    defaultVariant: variant && { id: variant.key, key: variant.key, attachment: variant.attachment },
    rules: [],
    rollouts: []
  }
}

/** Returns `undefined` if there is no value: an untyped function may return `undefined`. */
const toResult = (flagKey: string, value: Engine.MockValue | undefined): MockResult | undefined => {
  if (value === undefined) {
    return undefined
  }
  if (value instanceof EvaluationError) {
    return Either.left(value)
  }
  const common = { flagKey, reason: "MATCH_EVALUATION_REASON", segmentKeys: none } as const
  if (!isVariant(value)) {
    return Either.right(Object.freeze({ _tag: "Boolean", enabled: value, ...common }))
  }
  const { attachment, key } = toVariant(value)
  return Either.right(
    Object.freeze({
      _tag: "Variant",
      match: true,
      variantKey: key,
      ...(attachment === undefined ? {} : { variantAttachment: attachment }),
      ...common
    })
  )
}

/** Compiles a mock flag. As in the other engines, a fixed value yields the same result object each time. */
export const compileMockFlag = (
  flagKey: string,
  value: Engine.MockFlags[string]
): ((request: EvaluationRequest) => MockResult | undefined) => {
  if (typeof value === "function") {
    return (request) => toResult(flagKey, value(request))
  }
  const outcome = toResult(flagKey, value)
  return () => outcome
}

/**
 * Implements the evaluation methods of an Evaluator with one function for flags of both types. The function returns
 * `undefined` for unknown flags. Every evaluation calls `onEvaluation`.
 */
export const makeEvaluations = (
  namespace: string,
  evaluateFlag: (request: EvaluationRequest) => MockResult | undefined,
  onEvaluation?: (request: EvaluationRequest, outcome: MockResult) => void
): Pick<Evaluator, "variant" | "boolean" | "bind" | "batch"> => {
  const errors = makeErrors(namespace, () => undefined)

  const evaluate = (request: EvaluationRequest, expected?: "Variant" | "Boolean"): MockResult => {
    const found = evaluateFlag(request) ?? errors.notFound(request.flagKey)
    const outcome =
      Either.isRight(found) && expected !== undefined && found.right._tag !== expected
        ? errors.wrongType(request.flagKey, expected === "Variant" ? "variant" : "boolean")
        : found
    onEvaluation?.(request, outcome)
    return outcome
  }

  const variant = (flagKey: string, entityId: string, context: EvaluationContext | undefined) =>
    evaluate({ flagKey, entityId, context }, "Variant") as Either.Either<VariantResult, EvaluationError>
  const boolean = (flagKey: string, entityId: string, context: EvaluationContext | undefined) =>
    evaluate({ flagKey, entityId, context }, "Boolean") as Either.Either<BooleanResult, EvaluationError>

  return {
    variant: checked(variant, errors.notFound),
    boolean: checked(boolean, errors.notFound),
    bind: (entityId, context) => ({
      variant: (flagKey) => variant(flagKey, entityId, context),
      boolean: (flagKey) => boolean(flagKey, entityId, context)
    }),
    batch: (requests) =>
      requests.map(({ context, entityId, flagKey }) =>
        Either.match(evaluate({ flagKey, entityId, context }), {
          onLeft: (error) =>
            errorEntry(
              namespace,
              flagKey,
              error.reason === "FlagNotFound" ? "NOT_FOUND_ERROR_EVALUATION_REASON" : "UNKNOWN_ERROR_EVALUATION_REASON"
            ),
          onRight: (result) => result
        })
      )
  }
}

const makeEvaluator = (namespace: string, flags: Engine.MockFlags): Evaluator => {
  const compiled = new Map(Object.entries(flags).map(([key, value]) => [key, compileMockFlag(key, value)]))
  const definitions = Object.entries(flags).map(([key, value]) => toDefinition(key, value))
  return {
    engine: "mock",
    namespace,
    digest: undefined,
    ...makeEvaluations(namespace, (request) => compiled.get(request.flagKey)?.(request)),
    fingerprint: (flagKey) => {
      const definition = definitions.find((flag) => flag.key === flagKey)
      return definition && fingerprint(definition)
    },
    flags: () => Either.right(definitions.map(toFlagInfo)),
    seed: writeSeed(namespace, definitions)
  }
}

/** Makes an engine that serves the given flags, whatever document it compiles. */
export const makeMock = (flags: Engine.MockFlags): Engine.Service => ({
  name: "mock",
  compile: (namespace) => makeSnapshot(makeEvaluator(namespace, flags)),
  restore: (namespace) => makeSnapshot(makeEvaluator(namespace, flags))
})
