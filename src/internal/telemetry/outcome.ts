import type * as Either from "effect/Either"
import type * as Fiber from "effect/Fiber"
import type { EvaluateError } from "../../FliptError.js"
import type { BooleanResult, EvaluationRequest, VariantResult } from "../../Model.js"

/** Tells telemetry what came of an evaluation; does not throw. `version` is that of the state which was evaluated. */
export type Record = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  version: string | undefined,
  request: EvaluationRequest,
  outcome: Outcome
) => void

/** What came of one evaluation. */
export type Outcome = Either.Either<VariantResult | BooleanResult, EvaluateError>
