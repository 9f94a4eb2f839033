/**
 * One compiled flag state, to evaluate synchronously.
 *
 * A client's `snapshot` hands out the state of now. It does not change any more: whatever happens on the server, two
 * evaluations over the same Snapshot agree with each other. That makes it the right thing for a hot loop, and for one
 * request that asks for several flags.
 *
 * @since 0.1.0
 */
import type { Effect } from "effect/Effect"
import type { Either } from "effect/Either"
import type { EngineError, EvaluateError, EvaluationError } from "./FliptError.js"
import type {
  BatchEntry,
  BooleanResult,
  EvaluationContext,
  EvaluationRequest,
  FlagInfo,
  Seed,
  VariantResult
} from "./Model.js"

/**
 * An immutable flag state, alive until the Scope ends that it was compiled or handed out in. After that every call
 * answers with an `EvaluationError` of reason `Closed`.
 *
 * Every function is synchronous and total, and can be used apart from its object.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Either from "effect/Either"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const program = Effect.scoped(
 *   Effect.gen(function* () {
 *     const client = yield* FliptClient.FliptClient
 *     const snapshot = yield* client.snapshot
 *     const enabled = Either.match(snapshot.boolean({ flagKey: "new-checkout", entityId: "user-1" }), {
 *       onLeft: () => false,
 *       onRight: (result) => result.enabled
 *     })
 *     return enabled
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot {
  /** The key of the namespace whose state this is. */
  readonly namespace: string
  /** The document's own digest, which Flipt v2 sends. */
  readonly digest: string | undefined
  /**
   * A text that stands for everything that evaluation of this flag can see: equal for equal content, on every engine.
   * A changed rule, segment or attachment changes it; ids, names, descriptions, timestamps and white space do not.
   * `undefined` when there is no such flag, or the Snapshot is closed.
   */
  readonly fingerprint: (flagKey: string) => string | undefined
  /** Evaluates a variant flag. */
  readonly variant: (request: EvaluationRequest) => Either<VariantResult, EvaluateError>
  /** Evaluates a boolean flag. */
  readonly boolean: (request: EvaluationRequest) => Either<BooleanResult, EvaluateError>
  /**
   * Evaluates many flags, of either type, in the order of the requests. An unknown flag gives an `ErrorResult` in its
   * place; a request that is not valid fails the whole.
   */
  readonly batch: (requests: ReadonlyArray<EvaluationRequest>) => Either<ReadonlyArray<BatchEntry>, EvaluateError>
  /**
   * For many flags of one entity: it is checked once, and what was read of its context may be kept, so leave the context
   * as it is.
   */
  readonly bind: (entityId: string, context?: EvaluationContext) => Bound
  /** All flags in the document's order; made when first asked for. */
  readonly flags: Either<ReadonlyArray<FlagInfo>, EvaluationError>
  /** The same state as base64 text, for any Flipt client to start from. Fails with reason `Closed` alone. */
  readonly seed: Effect<Seed, EngineError>
}

/**
 * A Snapshot seen by one entity.
 *
 * @example
 * ```ts
 * import * as Either from "effect/Either"
 * import type * as Snapshot from "flipt-client-effect/Snapshot"
 *
 * // synchronous, and over one state: the two flags cannot disagree
 * const settings = (snapshot: Snapshot.Snapshot, userId: string) => {
 *   const user = snapshot.bind(userId, { plan: "pro" })
 *   return Either.all({ checkout: user.boolean("new-checkout"), theme: user.variant("theme") })
 * }
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface Bound {
  /** Evaluates a variant flag for the entity. */
  readonly variant: (flagKey: string) => Either<VariantResult, EvaluateError>
  /** Evaluates a boolean flag for the entity. */
  readonly boolean: (flagKey: string) => Either<BooleanResult, EvaluateError>
}
