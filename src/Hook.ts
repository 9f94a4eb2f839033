/**
 * What is told of every evaluation: before it, after it, when it failed, and at its end. For an audit, for the exposures
 * of an experiment, for figures of one's own; for OpenTelemetry there is `Telemetry`.
 *
 * Hooks run where a client evaluates by `evaluateVariant`, `evaluateBoolean` and `evaluateBatch`, a pinned client
 * included. They do not in a `Snapshot`, in `watchVariant` and in `watchBoolean`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Fetcher from "./Fetcher.js"
import type { EvaluateError } from "./FliptError.js"
import type { BooleanResult, EvaluationRequest, VariantResult } from "./Model.js"

/**
 * One evaluation, as one hook is told of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface HookContext {
  /** Whose flag it is: the client's environment and namespace. */
  readonly source: Fetcher.Source
  /** As the application has made it, and not checked: with what is no valid request, the evaluation fails. */
  readonly request: EvaluationRequest
  /** What this hook wants to keep from one of its functions to the next, of this one evaluation. Empty at first. */
  readonly data: Map<unknown, unknown>
}

/**
 * A hook observes, and changes nothing: not the request, not the result, not whether there is one. All of its functions
 * are optional, and are called in the fiber that evaluates, as part of the evaluation: they must be quick.
 *
 * Of several hooks `before` is called in their order, the others in reverse: what is said of one evaluation is nested.
 * `finally` comes last, after every `after` or `error`, and always.
 *
 * To hooks a batch is as many evaluations as it has requests. All of its `before` come first, then the rest request by
 * request. A flag that there is not is told to `error`, although the batch has an `ErrorResult` for it; where the batch
 * as a whole fails, all of them failed, with its error.
 *
 * A hook that throws breaks nothing: the evaluation goes on, and so do the other hooks. It is logged as a warning the
 * first time, with the error and its stack. A promise is not waited for; when it is rejected the hook has thrown, which
 * the next evaluation logs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hook {
  /** Before the evaluation. */
  readonly before?: ((context: HookContext) => void) | undefined
  /** After an evaluation that has a result. */
  readonly after?: ((context: HookContext, result: VariantResult | BooleanResult) => void) | undefined
  /** After an evaluation that failed. */
  readonly error?: ((context: HookContext, error: EvaluateError) => void) | undefined
  /** At the end of every evaluation, whatever came of it. */
  readonly finally?: ((context: HookContext) => void) | undefined
}

/**
 * The hooks of a client: by default none, which costs nothing. Read once, when the client is built.
 *
 * @since 0.1.0
 * @category references
 */
export class Hooks extends Context.Reference<Hooks>()("flipt-client-effect/Hook/Hooks", {
  defaultValue: (): ReadonlyArray<Hook> => []
}) {}

/**
 * Adds hooks, behind those that are there already. Provide it to the client's layer.
 *
 * Several of these add up when each is provided in a step of its own, the last step first. In one list they do not see
 * each other, and only one counts: give one `layer` all of those hooks.
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
