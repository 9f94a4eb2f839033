/**
 * The errors of this library. Each is a tagged error with a `reason` to match on. Its message says what is wrong, what was
 * found, and what to do about it.
 *
 * - {@link ValidationError}: an argument or an option is invalid.
 * - {@link EvaluationError}: a flag could not be evaluated.
 * - {@link FetchError}: the flag state could not be fetched.
 * - {@link EngineError}: a document could not be compiled, or the engine could not be used.
 * - {@link AuthError}: no valid credential is available.
 * - {@link DecodeError}: a typed flag returned a value that its declaration does not allow.
 *
 * @since 0.1.0
 */
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * Identifies the errors of this library, even if several copies of it are loaded.
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
 * An argument or an option is invalid. `path` names it, for example `"flagKey"`, `"context.age"`,
 * `"requests[2].entityId"` or `"updateInterval"`. The message never repeats a value that may be secret.
 *
 * - `Argument`: an argument of a call.
 * - `Option`: an option or an environment variable.
 * - `Certificate`: a certificate, a private key or its passphrase.
 * - `Seed`: a seed to start from.
 * - `Flag`: flag declarations that do not match the loaded state. Only `Flag.layerValidate` fails with this reason.
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
 * - `FlagNotFound`: the namespace has no flag with this key.
 * - `FlagType`: the flag is of the other type.
 * - `NotReady`: no state has been loaded yet (error strategy `fallback`). `cause` is the error of the last attempt.
 * - `Unavailable`: the last attempt to update the state failed (error strategy `fail`). `cause` is the error of that
 *   attempt.
 * - `Closed`: the scope of the client or of the Snapshot has closed.
 *
 * `flagKey` is the key of the flag, if the error concerns a single flag. `FlagNotFound` and `FlagType` errors are cached and
 * shared between callers, so they have no stack trace.
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
 * The flag state could not be fetched.
 *
 * - `Network`: DNS or the connection failed, the connection broke, or the body was truncated.
 * - `Timeout`: the server did not respond within `requestTimeout`.
 * - `Certificate`: the server's or the client's certificate was rejected.
 * - `Unauthorized`, `Forbidden`, `NotFound`: the server responded with status 401, 403 or 404.
 * - `Status`: the server responded with another unsuccessful status.
 * - `Body`: the body could not be decoded.
 * - `TooLarge`: the body is larger than `maxBodySize`.
 * - `Auth`: no credential was available. `cause` is the {@link AuthError}, if there is one.
 * - `Source`: a source other than Flipt's HTTP API, such as a file or an effect, failed.
 *
 * `status` is the status of the response, if there was one. `retryable` says whether the same request may succeed later:
 * the client retries only such requests. `retryAfter` is the delay that the server requested.
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
 * - `Load`: the engine could not be loaded.
 * - `Document`: the text is not a valid Flipt snapshot document. The message says what is wrong and where.
 * - `Limit`: the document exceeds a limit, such as the maximum nesting depth.
 * - `Closed`: the scope of the Snapshot, the client or the clients has closed.
 * - `Panic`: an internal fault of the engine.
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
 * No valid credential is available.
 *
 * - `Acquire`: acquiring the credential failed.
 * - `Expired`: the last credential has expired.
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
 * A typed flag returned a value that its declaration does not allow. No effect of this library fails with this error:
 * the flag returns its default, and `Flag.Detail` carries the error.
 *
 * - `Variant`: the variant is not one of those declared.
 * - `Attachment`: the attachment is not valid JSON, or the flag's Schema cannot decode it.
 *
 * The message quotes the value, cut to a few hundred characters.
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
 * Any error of this library.
 *
 * @since 0.1.0
 * @category models
 */
export type FliptError = ValidationError | EvaluationError | FetchError | EngineError | AuthError | DecodeError

/**
 * The errors with which building a client can fail.
 *
 * @since 0.1.0
 * @category models
 */
export type StartError = ValidationError | FetchError | EngineError

/**
 * The errors with which an evaluation can fail. A batch fails with them as a whole.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import type * as FliptError from "flipt-client-effect/FliptError"
 *
 * // Treat an outage as "off", but keep errors such as a misspelled flag key.
 * const offDuringOutage = (error: FliptError.EvaluateError): Effect.Effect<boolean, FliptError.EvaluateError> =>
 *   error.reason === "NotReady" || error.reason === "Unavailable" ? Effect.succeed(false) : Effect.fail(error)
 *
 * const enabled = FliptClient.evaluateBoolean({ flagKey: "new-checkout", entityId: "user-42" }).pipe(
 *   Effect.map((result) => result.enabled),
 *   Effect.catchAll(offDuringOutage)
 * )
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type EvaluateError = ValidationError | EvaluationError

/**
 * The errors with which an update of the state can fail.
 *
 * @since 0.1.0
 * @category models
 */
export type RefreshError = FetchError | EngineError

/**
 * Tests whether a value is an error of this library.
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
