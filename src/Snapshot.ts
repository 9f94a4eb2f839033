/**
 * An immutable, compiled flag state with synchronous evaluation.
 *
 * The `snapshot` of a client returns its current state. A Snapshot never changes, so evaluations of the same Snapshot
 * are consistent with each other even if the server's state changes. Use one in a hot loop, or in a request that
 * evaluates several flags.
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
 * An immutable flag state. It stays open until the Scope in which it was obtained closes. After that, every call returns
 * an `EvaluationError` of reason `Closed`.
 *
 * All functions are synchronous, never throw, and can be passed around without the object.
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
  /** The key of the namespace. */
  readonly namespace: string
  /** The engine that compiled this state and evaluates its flags. `Engine.layer` chooses one for each document. */
  readonly engine: "native" | "portable" | (string & {})
  /** The digest that the document contains. Only Flipt v2 sends one. */
  readonly digest: string | undefined
  /**
   * Returns a fingerprint of everything that affects the evaluation of a flag. It is the same for the same content on
   * every engine. Changing a rule, segment or attachment changes it; ids, names, descriptions, timestamps and white
   * space do not. Returns `undefined` if there is no such flag or the Snapshot is closed.
   */
  readonly fingerprint: (flagKey: string) => string | undefined
  /** Evaluates a variant flag. */
  readonly variant: (request: EvaluationRequest) => Either<VariantResult, EvaluateError>
  /** Evaluates a boolean flag. */
  readonly boolean: (request: EvaluationRequest) => Either<BooleanResult, EvaluateError>
  /**
   * Evaluates several flags of either type. The results are in the order of the requests. An unknown flag yields an
   * `ErrorResult`; an invalid request fails the whole batch.
   */
  readonly batch: (requests: ReadonlyArray<EvaluationRequest>) => Either<ReadonlyArray<BatchEntry>, EvaluateError>
  /**
   * Binds an entity, to evaluate several flags for it. The entity is validated once, and values read from its context
   * may be cached, so do not change the context afterwards.
   */
  readonly bind: (entityId: string, context?: EvaluationContext) => Bound
  /** All flags in document order. The list is built on first access. */
  readonly flags: Either<ReadonlyArray<FlagInfo>, EvaluationError>
  /** This state as base64 text, which can start any Flipt client. Fails only with reason `Closed`. */
  readonly seed: Effect<Seed, EngineError>
}

/**
 * A Snapshot bound to one entity.
 *
 * @example
 * ```ts
 * import * as Either from "effect/Either"
 * import type * as Snapshot from "flipt-client-effect/Snapshot"
 *
 * // Both flags come from the same state, so they are consistent.
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
