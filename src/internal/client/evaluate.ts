/**
 * The evaluation methods of a client: they evaluate with the current Snapshot, in the calling fiber.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Fiber from "effect/Fiber"
import type * as FliptClient from "../../FliptClient.js"
import { type EvaluateError, EvaluationError } from "../../FliptError.js"
import type { BatchEntry, BooleanResult, EvaluationRequest, VariantResult } from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import type { DeferredLogs } from "../telemetry/deferredLogs.js"
import type { HookRun } from "../telemetry/hooks.js"
import type { Outcome, RecordOutcome } from "../telemetry/outcome.js"
import { printable } from "../util/outsideText.js"
import type { SnapshotRef } from "./snapshotRef.js"

export type Evaluations = Pick<FliptClient.Service, "evaluateBatch" | "evaluateBoolean" | "evaluateVariant">

/** Converts a result to an effect that the fiber runs in one step. It would convert an Either to such an effect first. */
const toEffect = <A, E>(result: Either.Either<A, E>): Effect.Effect<A, E> =>
  Either.isRight(result) ? Effect.succeed(result.right) : Effect.fail(result.left)

/** Evaluations without hooks and telemetry. This is the hot path, so it does nothing else. */
export const plain = ({ current }: SnapshotRef): Evaluations => ({
  evaluateVariant: (request) =>
    Effect.suspend(() => {
      const now = current()
      return Either.isRight(now) ? toEffect(now.right.variant(request)) : Effect.fail(now.left)
    }),
  evaluateBoolean: (request) =>
    Effect.suspend(() => {
      const now = current()
      return Either.isRight(now) ? toEffect(now.right.boolean(request)) : Effect.fail(now.left)
    }),
  evaluateBatch: (requests) => Effect.suspend(() => toEffect(Either.flatMap(current(), (it) => it.batch(requests))))
})

/** The hooks and telemetry of a client. */
interface Instruments {
  /** Runs the `before` stage of all hooks. */
  readonly beginHooks: ((request: EvaluationRequest) => HookRun) | undefined
  readonly record: RecordOutcome | undefined
  readonly deferredLogs: DeferredLogs
}

const evaluateVariant = (snapshot: Snapshot, request: EvaluationRequest) => snapshot.variant(request)
const evaluateBoolean = (snapshot: Snapshot, request: EvaluationRequest) => snapshot.boolean(request)

/** The outcome of one batch entry, for hooks and telemetry. An unknown flag has the error of a single evaluation. */
const toOutcome = (snapshot: Snapshot, { entityId }: EvaluationRequest, entry: BatchEntry): Outcome =>
  entry._tag !== "Error"
    ? Either.right(entry)
    : entry.reason === "NOT_FOUND_ERROR_EVALUATION_REASON"
      ? snapshot.variant({ flagKey: entry.flagKey, entityId })
      : Either.left(
          new EvaluationError({
            reason: "Unavailable",
            flagKey: entry.flagKey,
            message: `the engine failed to evaluate ${printable(entry.namespaceKey)}/${printable(entry.flagKey)}`
          })
        )

/** Evaluations with hooks and telemetry. */
export const instrumented = (
  { current }: SnapshotRef,
  { beginHooks, deferredLogs, record }: Instruments
): Evaluations => {
  const evaluate = <A extends VariantResult | BooleanResult>(
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    request: EvaluationRequest,
    run: (snapshot: Snapshot, request: EvaluationRequest) => Either.Either<A, EvaluateError>
  ): Effect.Effect<A, EvaluateError> => {
    const hookRun = beginHooks?.(request)
    try {
      const now = current()
      const result = Either.isRight(now) ? run(now.right, request) : Either.left(now.left)
      record?.(fiber, Either.isRight(now) ? now.right.digest : undefined, request, result)
      hookRun?.complete(result)
      return toEffect(result)
    } finally {
      hookRun?.end()
    }
  }

  const evaluateBatch = (
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    requests: ReadonlyArray<EvaluationRequest>
  ): Effect.Effect<ReadonlyArray<BatchEntry>, EvaluateError> => {
    // an argument that is not a list is an error without evaluations
    const list = Array.isArray(requests) ? Array.from<EvaluationRequest>(requests) : []
    const hookRuns = beginHooks && list.map(beginHooks)
    try {
      const now = current()
      // evaluates the copy that the hooks have seen, since a hook could modify the caller's list
      const result = Either.isRight(now)
        ? now.right.batch(Array.isArray(requests) ? list : requests)
        : Either.left(now.left)
      const version = Either.isRight(now) ? now.right.digest : undefined
      list.forEach((request, index) => {
        const outcome = Either.flatMap(now, (snapshot) =>
          Either.flatMap(result, (entries) => toOutcome(snapshot, request, entries[index] as BatchEntry))
        )
        record?.(fiber, version, request, outcome)
        hookRuns?.[index]?.complete(outcome)
        hookRuns?.[index]?.end()
      })
      return result
    } finally {
      hookRuns?.forEach((one) => {
        one.end()
      })
    }
  }

  return {
    evaluateVariant: (request) =>
      Effect.withFiberRuntime((fiber) => deferredLogs.flushBefore(evaluate(fiber, request, evaluateVariant))),
    evaluateBoolean: (request) =>
      Effect.withFiberRuntime((fiber) => deferredLogs.flushBefore(evaluate(fiber, request, evaluateBoolean))),
    evaluateBatch: (requests) =>
      Effect.withFiberRuntime((fiber) => deferredLogs.flushBefore(evaluateBatch(fiber, requests)))
  }
}
