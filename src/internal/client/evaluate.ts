/**
 * How a client evaluates: what is done with the Snapshot of now in the fiber that asks.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Fiber from "effect/Fiber"
import type * as FliptClient from "../../FliptClient.js"
import { type EvaluateError, EvaluationError } from "../../FliptError.js"
import type { BatchEntry, BooleanResult, EvaluationRequest, VariantResult } from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import type { Notes } from "../telemetry/deferredLogs.js"
import type { Told } from "../telemetry/hooks.js"
import type { Outcome, Record } from "../telemetry/outcome.js"
import type { View } from "./snapshotRef.js"

export type Evaluations = Pick<FliptClient.Service, "evaluateBatch" | "evaluateBoolean" | "evaluateVariant">

/** Nothing but the evaluation, as plain as can be: these are what a program does all day. */
export const plain = ({ current }: View): Evaluations => ({
  evaluateVariant: (request) =>
    Effect.suspend(() => {
      const now = current()
      return Either.isRight(now) ? now.right.variant(request) : Effect.fail(now.left)
    }),
  evaluateBoolean: (request) =>
    Effect.suspend(() => {
      const now = current()
      return Either.isRight(now) ? now.right.boolean(request) : Effect.fail(now.left)
    }),
  evaluateBatch: (requests) => Effect.suspend(() => Either.flatMap(current(), (it) => it.batch(requests)))
})

/** Who is told of evaluations. */
export interface Observers {
  /** Tells the hooks that an evaluation begins. */
  readonly begin: ((request: EvaluationRequest) => Told) | undefined
  readonly record: Record | undefined
  readonly notes: Notes
}

const askVariant = (snapshot: Snapshot, request: EvaluationRequest) => snapshot.variant(request)
const askBoolean = (snapshot: Snapshot, request: EvaluationRequest) => snapshot.boolean(request)

/** An entry of a batch, as the evaluation of its own that it is to those who are told. */
const outcomeOf = (entry: BatchEntry): Outcome =>
  entry._tag !== "Error"
    ? Either.right(entry)
    : Either.left(
        entry.reason === "NOT_FOUND_ERROR_EVALUATION_REASON"
          ? new EvaluationError({
              reason: "FlagNotFound",
              flagKey: entry.flagKey,
              message: `invalid request: failed to get flag information ${entry.namespaceKey}/${entry.flagKey}`
            })
          : new EvaluationError({
              reason: "Unavailable",
              flagKey: entry.flagKey,
              message: `the engine has no answer for ${entry.namespaceKey}/${entry.flagKey}`
            })
      )

/** The same evaluations, told to those who want to know. */
export const observed = ({ current }: View, { begin, notes, record }: Observers): Evaluations => {
  const answer = <A extends VariantResult | BooleanResult>(
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    request: EvaluationRequest,
    ask: (snapshot: Snapshot, request: EvaluationRequest) => Either.Either<A, EvaluateError>
  ): Effect.Effect<A, EvaluateError> => {
    const told = begin?.(request)
    try {
      const now = current()
      const result = Either.isRight(now) ? ask(now.right, request) : Either.left(now.left)
      record?.(fiber, Either.isRight(now) ? now.right.digest : undefined, request, result)
      told?.settle(result)
      return result
    } finally {
      told?.end()
    }
  }

  const answerBatch = (
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    requests: ReadonlyArray<EvaluationRequest>
  ): Effect.Effect<ReadonlyArray<BatchEntry>, EvaluateError> => {
    // what is no list is an error, and no evaluation of anything
    const list = Array.isArray(requests) ? Array.from<EvaluationRequest>(requests) : []
    const told = begin && list.map(begin)
    try {
      const now = current()
      // the list of those who are told, since a hook may know of the caller's own and change it
      const result = Either.isRight(now)
        ? now.right.batch(Array.isArray(requests) ? list : requests)
        : Either.left(now.left)
      const version = Either.isRight(now) ? now.right.digest : undefined
      list.forEach((request, index) => {
        const outcome = Either.flatMap(result, (entries) => outcomeOf(entries[index] as BatchEntry))
        record?.(fiber, version, request, outcome)
        told?.[index]?.settle(outcome)
        told?.[index]?.end()
      })
      return result
    } finally {
      told?.forEach((one) => {
        one.end()
      })
    }
  }

  return {
    evaluateVariant: (request) => Effect.withFiberRuntime((fiber) => notes.before(answer(fiber, request, askVariant))),
    evaluateBoolean: (request) => Effect.withFiberRuntime((fiber) => notes.before(answer(fiber, request, askBoolean))),
    evaluateBatch: (requests) => Effect.withFiberRuntime((fiber) => notes.before(answerBatch(fiber, requests)))
  }
}
