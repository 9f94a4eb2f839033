/**
 * The engine of tests: flags as plain values.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Engine from "../Engine.js"
import { EvaluationError } from "../FliptError.js"
import type { BooleanResult, EvaluationRequest, VariantResult } from "../Model.js"
import type * as Definition from "./definition.js"
import { fingerprint } from "./fingerprint.js"
import { flagInfo } from "./portable.js"
import { writeSeed } from "./seed.js"
import { type Evaluator, errorEntry, makeErrors, makeSnapshot } from "./snapshot.js"

const none: ReadonlyArray<string> = Object.freeze([])

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
const define = (key: string, value: Engine.MockFlags[string]): Definition.Flag => {
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

const makeEvaluator = (namespace: string, flags: Engine.MockFlags): Evaluator => {
  const errors = makeErrors(namespace)
  const values = new Map(Object.entries(flags))
  const definitions = Array.from(values, ([key, value]) => define(key, value))

  const evaluate = ({
    context,
    entityId,
    flagKey
  }: EvaluationRequest): Either.Either<VariantResult | BooleanResult, EvaluationError> => {
    const flag = values.get(flagKey)
    const value = typeof flag === "function" ? flag({ flagKey, entityId, context }) : flag
    if (value === undefined) {
      return errors.notFound(flagKey)
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

  const variant = (request: EvaluationRequest) =>
    Either.flatMap(evaluate(request), (result) =>
      result._tag === "Variant" ? Either.right(result) : errors.wrongType(request.flagKey, "variant")
    )
  const boolean = (request: EvaluationRequest) =>
    Either.flatMap(evaluate(request), (result) =>
      result._tag === "Boolean" ? Either.right(result) : errors.wrongType(request.flagKey, "boolean")
    )

  return {
    namespace,
    digest: undefined,
    variant: (flagKey, entityId, context) => variant({ flagKey, entityId, context }),
    boolean: (flagKey, entityId, context) => boolean({ flagKey, entityId, context }),
    bind: (entityId, context) => ({
      variant: (flagKey) => variant({ flagKey, entityId, context }),
      boolean: (flagKey) => boolean({ flagKey, entityId, context })
    }),
    batch: (requests) =>
      requests.map((request) =>
        Either.match(evaluate(request), {
          onLeft: (error) =>
            errorEntry(
              namespace,
              request.flagKey,
              error.reason === "FlagNotFound" ? "NOT_FOUND_ERROR_EVALUATION_REASON" : "UNKNOWN_ERROR_EVALUATION_REASON"
            ),
          onRight: (result) => result
        })
      ),
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
