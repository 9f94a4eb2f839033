/**
 * Functions that run with every evaluation, for example to write an audit log, to track the exposures of an experiment,
 * or to record metrics of your own. For OpenTelemetry, use `Telemetry`.
 *
 * Hooks run for `evaluateVariant`, `evaluateBoolean` and `evaluateBatch` of a client, pinned or not, and for typed flags
 * that evaluate through a client. They do not run for a `Snapshot`, `watchVariant` or `watchBoolean`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Fetcher from "./Fetcher.js"
import type { EvaluateError } from "./FliptError.js"
import { Hooks } from "./internal/telemetry/tags.js"
import type { BooleanResult, EvaluationRequest, VariantResult } from "./Model.js"

/**
 * Describes an evaluation to a hook.
 *
 * @since 0.1.0
 * @category models
 */
export interface HookContext {
  /** The source of the client's state, with its environment and namespace. */
  readonly source: Fetcher.Source
  /** The request as the application made it. It has not been validated: an invalid request makes the evaluation fail. */
  readonly request: EvaluationRequest
  /** Data that this hook can pass between its own functions during this evaluation. Initially empty. */
  readonly data: Map<unknown, unknown>
}

/**
 * Observes evaluations. A hook cannot change the request or the result.
 *
 * All functions are optional. They run synchronously in the evaluating fiber, so they should return quickly.
 *
 * With several hooks, `before` runs in the order of the hooks and the other functions run in reverse order, so that
 * calls nest. `finally` always runs, after `after` or `error`.
 *
 * A batch counts as one evaluation per request. All `before` calls come first, then the remaining calls, request by
 * request. An unknown flag calls `error`, even though the batch returns an `ErrorResult` for it. If the whole batch fails,
 * `error` is called for every request with the error of the batch.
 *
 * If a hook throws, the evaluation and the other hooks continue. The first such error is logged as a warning with its
 * stack. Promises are not awaited; a rejected promise counts as a throw and is logged by the next evaluation.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hook {
  /** Runs before the evaluation. */
  readonly before?: ((context: HookContext) => void) | undefined
  /** Runs after an evaluation that succeeded. */
  readonly after?: ((context: HookContext, result: VariantResult | BooleanResult) => void) | undefined
  /** Runs after an evaluation that failed. */
  readonly error?: ((context: HookContext, error: EvaluateError) => void) | undefined
  /** Runs at the end of every evaluation. */
  readonly finally?: ((context: HookContext) => void) | undefined
}

export {
  /**
   * The hooks of a client. By default there are none, and evaluations have no overhead. The hooks are read once, when
   * the client is built.
   *
   * @since 0.1.0
   * @category references
   */
  Hooks
}

/**
 * Appends hooks to those already in the context. Provide it to the client's layer.
 *
 * Hooks from several `layer` calls add up only if you provide each layer in its own step; the hooks provided last come
 * first. Layers that are merged, or passed in one list, replace each other. In that case pass all hooks to one call.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as Hook from "flipt-client-effect/Hook"
 *
 * declare const track: (entityId: string, flagKey: string, variant: string) => void
 *
 * const exposures: Hook.Hook = {
 *   after: ({ request }, result) => {
 *     if (result._tag === "Variant" && result.match) {
 *       track(request.entityId, result.flagKey, result.variantKey)
 *     }
 *   }
 * }
 *
 * const client = FliptClient.layer({ namespace: "shop" }).pipe(Layer.provide(Hook.layer(exposures)))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (...hooks: ReadonlyArray<Hook>): Layer.Layer<Hooks> =>
  Layer.effect(
    Hooks,
    Effect.map(Hooks, (before) => [...before, ...hooks])
  )
