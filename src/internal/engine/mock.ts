/**
 * Flags of tests, as plain values.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Engine from "../../Engine.js"
import { EvaluationError } from "../../FliptError.js"
import type { BooleanResult, EvaluationRequest, VariantResult } from "../../Model.js"
import type * as Definition from "../document/definition.js"
import { fingerprint } from "../document/fingerprint.js"
import { flagInfo } from "../document/flagInfo.js"
import { writeSeed } from "../document/seed/write.js"
import { type Evaluator, errorEntry, makeErrors } from "../snapshot/evaluator.js"
import { makeSnapshot } from "../snapshot/snapshot.js"

const none: ReadonlyArray<string> = Object.freeze([])

export type Outcome = Either.Either<VariantResult | BooleanResult, EvaluationError>

const isVariant = (value: Engine.MockValue): value is string | Exclude<Engine.MockValue, string | boolean | Error> =>
  typeof value === "string" || (typeof value === "object" && !(value instanceof EvaluationError))

const variantOf = (value: string | { readonly variant: string; readonly attachment?: unknown }) =>
  typeof value === "string"
    ? { key: value, attachment: undefined }
    : {
        key: value.variant,
        attachment: value.attachment === undefined ? undefined : JSON.stringify(value.attachment)
      }

/** The flag that a document would define to answer likewise, as far as one can: a function's answer is not known. */
export const define = (key: string, value: Engine.MockFlags[string]): Definition.Flag => {
  const known = typeof value === "function" ? undefined : value
  const variant = known !== undefined && isVariant(known) ? variantOf(known) : undefined
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

/** None of a value that there is not, as a function without types may give it. */
const outcomeOf = (flagKey: string, value: Engine.MockValue | undefined): Outcome | undefined => {
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
  const { attachment, key } = variantOf(value)
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

/** How a flag answers. As on the other engines, equal answers of one state are one object; a function's cannot be. */
export const answer = (
  flagKey: string,
  value: Engine.MockFlags[string]
): ((request: EvaluationRequest) => Outcome | undefined) => {
  if (typeof value === "function") {
    return (request) => outcomeOf(flagKey, value(request))
  }
  const outcome = outcomeOf(flagKey, value)
  return () => outcome
}

/**
 * The part of an Evaluator that evaluates, over one function that answers for flags of either type and knows none that
 * there is not. `observe` is told of every evaluation.
 */
export const evaluating = (
  namespace: string,
  ask: (request: EvaluationRequest) => Outcome | undefined,
  observe?: (request: EvaluationRequest, outcome: Outcome) => void
): Pick<Evaluator, "variant" | "boolean" | "bind" | "batch"> => {
  const errors = makeErrors(namespace)

  const evaluate = (request: EvaluationRequest, expected?: "Variant" | "Boolean"): Outcome => {
    const found = ask(request) ?? errors.notFound(request.flagKey)
    const outcome =
      Either.isRight(found) && expected !== undefined && found.right._tag !== expected
        ? errors.wrongType(request.flagKey, expected === "Variant" ? "variant" : "boolean")
        : found
    observe?.(request, outcome)
    return outcome
  }

  const variant: Evaluator["variant"] = (flagKey, entityId, context) =>
    evaluate({ flagKey, entityId, context }, "Variant") as Either.Either<VariantResult, EvaluationError>
  const boolean: Evaluator["boolean"] = (flagKey, entityId, context) =>
    evaluate({ flagKey, entityId, context }, "Boolean") as Either.Either<BooleanResult, EvaluationError>

  return {
    variant,
    boolean,
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
  const answers = new Map(Object.entries(flags).map(([key, value]) => [key, answer(key, value)]))
  const definitions = Object.entries(flags).map(([key, value]) => define(key, value))
  return {
    namespace,
    digest: undefined,
    ...evaluating(namespace, (request) => answers.get(request.flagKey)?.(request)),
    fingerprint: (flagKey) => {
      const definition = definitions.find((flag) => flag.key === flagKey)
      return definition && fingerprint(definition)
    },
    flags: () => Either.right(definitions.map(flagInfo)),
    seed: Effect.sync(() => writeSeed(namespace, definitions))
  }
}

/** An engine that answers with these flags, whatever document it is given. */
export const makeMock = (flags: Engine.MockFlags): Engine.Service => ({
  name: "mock",
  compile: (namespace) => makeSnapshot(makeEvaluator(namespace, flags)),
  restore: (namespace) => makeSnapshot(makeEvaluator(namespace, flags))
})
