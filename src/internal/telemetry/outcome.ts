/**
 * The outcome of an evaluation, as hooks and telemetry receive it.
 */
import type * as Either from "effect/Either"
import type * as Fiber from "effect/Fiber"
import type { EvaluateError } from "../../FliptError.js"
import type { BooleanResult, EvaluationRequest, VariantResult } from "../../Model.js"

/** Records the outcome of an evaluation. Never throws. `version` is the version of the evaluated state. */
export type RecordOutcome = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  version: string | undefined,
  request: EvaluationRequest,
  outcome: Outcome
) => void

export type Outcome = Either.Either<VariantResult | BooleanResult, EvaluateError>
