/**
 * The errors of this library: one family, each a value in the error channel that says what happened, to what, and what
 * to do about it.
 *
 * - {@link ValidationError}: an argument or an option is wrong; the caller's to mend.
 * - {@link EvaluationError}: a flag could not be evaluated.
 * - {@link FetchError}: flag state could not be fetched.
 * - {@link EngineError}: a document could not be compiled, or the engine could not be used.
 * - {@link AuthError}: no credential could be had.
 * - {@link DecodeError}: a typed flag was answered, and not with one of its values.
 *
 * @since 0.1.0
 */
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * What marks the errors of this library, whichever copy of it they come from.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("flipt-client-effect/FliptError")

/**
 * The type of {@link TypeId}.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

const common = { message: Schema.String, cause: Schema.optional(Schema.Defect) }

/**
 * An argument or an option is wrong. `path` names it: `"flagKey"`, `"context.age"`, `"requests[2].entityId"`,
 * `"updateInterval"`.
 *
 * The reason says what kind of input it is: an argument of a call (`Argument`), an option or an environment variable
 * (`Option`), TLS material (`Certificate`), a snapshot to start from (`Seed`), or declarations of flags that the loaded
 * state contradicts (`Flag`, of `Flag.layerValidate` alone).
 *
 * @since 0.1.0
 * @category errors
 */
export class ValidationError extends Schema.TaggedError<ValidationError>("flipt-client-effect/ValidationError")(
  "ValidationError",
  { ...common, reason: Schema.Literal("Argument", "Option", "Certificate", "Seed", "Flag"), path: Schema.String }
) {
  /** @since 0.1.0 */
  get [TypeId](): TypeId {
    return TypeId
  }
}

/**
 * A flag could not be evaluated.
 *
 * - `FlagNotFound`: the namespace has no flag of that key.
 * - `FlagType`: the flag is of the other type.
 * - `NotReady`: no state has been loaded yet (strategy `fallback`); `cause` is the error of the last attempt.
 * - `Unavailable`: the last attempt to bring the state up to date failed (strategy `fail`); `cause` is its error.
 * - `Closed`: the scope of the client or of the Snapshot is over.
 *
 * @since 0.1.0
 * @category errors
 */
export class EvaluationError extends Schema.TaggedError<EvaluationError>("flipt-client-effect/EvaluationError")(
  "EvaluationError",
  {
    ...common,
    reason: Schema.Literal("FlagNotFound", "FlagType", "NotReady", "Unavailable", "Closed"),
    flagKey: Schema.optional(Schema.String)
  }
) {
  /** @since 0.1.0 */
  get [TypeId](): TypeId {
    return TypeId
  }
}

/**
 * Flag state could not be fetched.
 *
 * - `Network`: no connection, DNS, a connection that broke, a body cut short.
 * - `Timeout`: `requestTimeout` passed.
 * - `Certificate`: the server's or the client's certificate was refused.
 * - `Unauthorized`, `Forbidden`, `NotFound`: status 401, 403, 404.
 * - `Status`: any other status that is not a success.
 * - `Body`: the body could not be decoded.
 * - `TooLarge`: the body is larger than `maxBodySize`.
 * - `Auth`: no credential could be had; `cause` is the {@link AuthError}.
 * - `Source`: a source that is not Flipt's HTTP API (a file, an effect) failed.
 *
 * `retryable` says whether the same request may succeed a little later; `retryAfter` is what the server asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class FetchError extends Schema.TaggedError<FetchError>("flipt-client-effect/FetchError")("FetchError", {
  ...common,
  reason: Schema.Literal(
    "Network",
    "Timeout",
    "Certificate",
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "Status",
    "Body",
    "TooLarge",
    "Auth",
    "Source"
  ),
  status: Schema.optional(Schema.Number),
  retryable: Schema.Boolean,
  retryAfter: Schema.optional(Schema.DurationFromSelf)
}) {
  /** @since 0.1.0 */
  get [TypeId](): TypeId {
    return TypeId
  }
}

/**
 * A document could not be compiled, or the engine could not be used.
 *
 * - `Load`: the engine itself could not be loaded.
 * - `Document`: the text is not a snapshot document of Flipt; the message says what is wrong and where.
 * - `Limit`: the document goes beyond a limit, such as the depth of its nesting.
 * - `Closed`: the scope of the Snapshot, of the client or of the clients is over.
 * - `Panic`: a fault inside the engine.
 *
 * @since 0.1.0
 * @category errors
 */
export class EngineError extends Schema.TaggedError<EngineError>("flipt-client-effect/EngineError")("EngineError", {
  ...common,
  reason: Schema.Literal("Load", "Document", "Limit", "Closed", "Panic")
}) {
  /** @since 0.1.0 */
  get [TypeId](): TypeId {
    return TypeId
  }
}

/**
 * No credential could be had: acquiring it failed (`Acquire`), or the last one ran out (`Expired`).
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthError extends Schema.TaggedError<AuthError>("flipt-client-effect/AuthError")("AuthError", {
  ...common,
  reason: Schema.Literal("Acquire", "Expired")
}) {
  /** @since 0.1.0 */
  get [TypeId](): TypeId {
    return TypeId
  }
}

/**
 * A typed flag was answered, and not with one of the values that it is declared to have. It never fails an effect of
 * this library: the flag gives its default, and `Flag.Detail` has this error.
 *
 * - `Variant`: the variant is none of those that are declared.
 * - `Attachment`: the variant's attachment is not JSON, or does not decode by the flag's Schema.
 *
 * The message quotes what does not decode, shortened to some hundred characters.
 *
 * @since 0.1.0
 * @category errors
 */
export class DecodeError extends Schema.TaggedError<DecodeError>("flipt-client-effect/DecodeError")("DecodeError", {
  ...common,
  reason: Schema.Literal("Variant", "Attachment"),
  flagKey: Schema.String,
  variantKey: Schema.String
}) {
  /** @since 0.1.0 */
  get [TypeId](): TypeId {
    return TypeId
  }
}

/**
 * Every error of this library.
 *
 * @since 0.1.0
 * @category models
 */
export type FliptError = ValidationError | EvaluationError | FetchError | EngineError | AuthError | DecodeError

/**
 * How building a client can fail.
 *
 * @since 0.1.0
 * @category models
 */
export type StartError = ValidationError | FetchError | EngineError

/**
 * How an evaluation can fail.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import type * as FliptError from "flipt-client-effect/FliptError"
 *
 * // an outage is answered with "off"; a typo in the program stays an error
 * const offWhileAway = (error: FliptError.EvaluateError): Effect.Effect<boolean, FliptError.EvaluateError> =>
 *   error.reason === "NotReady" || error.reason === "Unavailable" ? Effect.succeed(false) : Effect.fail(error)
 *
 * const enabled = FliptClient.evaluateBoolean({ flagKey: "new-checkout", entityId: "user-42" }).pipe(
 *   Effect.map((result) => result.enabled),
 *   Effect.catchAll(offWhileAway)
 * )
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type EvaluateError = ValidationError | EvaluationError

/**
 * How bringing the state up to date can fail.
 *
 * @since 0.1.0
 * @category models
 */
export type RefreshError = FetchError | EngineError

/**
 * Whether a value is an error of this library.
 *
 * @example
 * ```ts
 * import * as FliptError from "flipt-client-effect/FliptError"
 *
 * const describe = (error: unknown): string =>
 *   FliptError.isFliptError(error) ? `${error._tag} (${error.message})` : "another error"
 * ```
 *
 * @since 0.1.0
 * @category refinements
 */
export const isFliptError = (u: unknown): u is FliptError => hasProperty(u, TypeId)
