/**
 * Typed flags: declare a flag's key, type and default once, and read its value without handling errors.
 *
 * If anything goes wrong, the flag returns its default: for example if the flag does not exist or has another type, if a
 * variant is not declared, if an attachment cannot be decoded, or if there is no state. Such fallbacks are reported: see
 * {@link Flag}.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { hasProperty } from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type { FliptClient } from "./FliptClient.js"
import type { DecodeError, EvaluateError, ValidationError } from "./FliptError.js"
import * as declarations from "./internal/flag/flag.js"
import { Entity } from "./internal/flag/tags.js"
import * as validation from "./internal/flag/validate.js"
import type * as Model from "./Model.js"
import type { Snapshot } from "./Snapshot.js"

/**
 * Identifies a typed flag.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("flipt-client-effect/Flag")

/**
 * The type of {@link TypeId}.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

export {
  /**
   * The tag of the current entity. Provide it once per request, and read flags without passing an entity.
   *
   * @example
   * ```ts
   * import * as Effect from "effect/Effect"
   * import * as Flag from "flipt-client-effect/Flag"
   *
   * const Checkout = Flag.boolean("new-checkout", { default: false })
   *
   * const handle = Effect.map(Checkout.get(), (enabled) => (enabled ? "new checkout" : "old checkout"))
   *
   * const request = handle.pipe(Effect.provideService(Flag.Entity, { entityId: "user-42", context: { plan: "pro" } }))
   * ```
   *
   * @since 0.1.0
   * @category tags
   */
  Entity
}

/**
 * The value of a flag and the reason for it. It is frozen, and equal evaluations may share one object.
 *
 * @since 0.1.0
 * @category models
 */
export interface Detail<out A> {
  readonly value: A
  /** The reason that Flipt gives, or `FALLBACK` if the value is the default because of `error`. */
  readonly reason: Model.Reason | "FALLBACK"
  /** The variant that Flipt returned, even if it could not be used. `undefined` if there is none. */
  readonly variant: string | undefined
  /** What went wrong. `undefined` if nothing did, even if the value is the default because Flipt returned none. */
  readonly error: EvaluateError | DecodeError | undefined
}

/**
 * A declared flag. Declare it once at module level and share it, because it caches decoded values.
 *
 * The value is the default if Flipt returns none, which is not an error: either no rule matches and there is no default
 * variant, or, for {@link json}, the variant has no attachment.
 *
 * The value is also the default if something goes wrong. In that case:
 *
 * - `detail` returns the error;
 * - a warning is logged, once per loaded state and kind of error, and once per outage;
 * - the counter `flipt_client_fallbacks`, tagged with `flag` and `error` (the reason of the error), is incremented.
 *
 * @since 0.1.0
 * @category models
 */
export interface Flag<out A> {
  readonly [TypeId]: Types.Covariant<A>
  readonly key: string
  readonly default: A
  /** Evaluates the flag with the client, for the given entity or for the {@link Entity} in the context. */
  readonly get: {
    (): Effect.Effect<A, never, FliptClient | Entity>
    (entity: Model.Entity): Effect.Effect<A, never, FliptClient>
  }
  /** Like `get`, but also returns the reason for the value. */
  readonly detail: {
    (): Effect.Effect<Detail<A>, never, FliptClient | Entity>
    (entity: Model.Entity): Effect.Effect<Detail<A>, never, FliptClient>
  }
  /**
   * Emits the current value, and then every change. Consecutive values are never equal. Ends when the client closes.
   */
  readonly watch: (entity: Model.Entity) => Stream.Stream<A, never, FliptClient>
  /**
   * Evaluates the flag in a Snapshot, synchronously. Warnings are logged by the fiber in which this is called. Outside of
   * a fiber, only the counter is incremented.
   */
  readonly read: (snapshot: Snapshot, entity: Model.Entity) => A
}

/**
 * A flag with a known set of values: one declared by {@link boolean} or {@link variant}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finite<out A> extends Flag<A> {
  /** All values that the flag can have. */
  readonly values: ReadonlyArray<A>
}

/**
 * Tests whether a value is a typed flag.
 *
 * @since 0.1.0
 * @category refinements
 */
export const isFlag = (u: unknown): u is Flag<unknown> => hasProperty(u, TypeId)

/**
 * Declares a boolean flag.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Flag from "flipt-client-effect/Flag"
 *
 * export const Checkout = Flag.boolean("new-checkout", { default: false })
 *
 * const page = (userId: string) =>
 *   Effect.map(Checkout.get({ entityId: userId }), (enabled) => (enabled ? "/checkout-v2" : "/checkout"))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const boolean = (key: string, options: { readonly default: boolean }): Finite<boolean> =>
  declarations.makeBoolean(key, options.default)

/**
 * Declares a variant flag with the variants that your program handles. Any other variant counts as an error, and the flag
 * returns its default. You may declare variants that the flag in Flipt does not have.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Flag from "flipt-client-effect/Flag"
 *
 * export const Theme = Flag.variant("theme", ["light", "dark"], { default: "light" })
 *
 * const colors = { light: "#fff", dark: "#000" }
 * const background = Effect.map(Theme.get(), (theme) => colors[theme])
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const variant = <const V extends readonly [string, ...ReadonlyArray<string>]>(
  key: string,
  variants: V,
  options: { readonly default: NoInfer<V[number]> }
): Finite<V[number]> => declarations.makeVariant<V[number]>(key, variants, options.default)

/**
 * Declares a variant flag whose value is the variant's attachment, decoded with a Schema. If the variant has no attachment
 * (absent, `""` or `null`), the flag returns its default without an error.
 *
 * Decoded values are cached and shared, so do not mutate them. Decoding must be synchronous: with a Schema that requires
 * asynchronous decoding, the flag always returns its default and reports an error.
 *
 * @example
 * ```ts
 * import * as Schema from "effect/Schema"
 * import * as Flag from "flipt-client-effect/Flag"
 *
 * const Limits = Schema.Struct({ uploads: Schema.Int, kinds: Schema.ReadonlySet(Schema.String) })
 *
 * export const UploadLimits = Flag.json("upload-limits", Limits, {
 *   default: { uploads: 10, kinds: new Set(["image/png"]) }
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const json = <A, I>(
  key: string,
  schema: Schema.Schema<A, I>,
  options: { readonly default: NoInfer<A> }
): Flag<A> => declarations.makeJson(key, schema, options.default)

/**
 * A difference between a declared flag and the loaded state.
 *
 * @since 0.1.0
 * @category models
 */
export interface Difference {
  /** The flag's key. */
  readonly flag: string
  /**
   * - `Missing`: the flag does not exist.
   * - `Type`: the flag is of the other type.
   * - `Variant`: the flag can return a variant that is not declared.
   * - `Attachment`: a variant has an attachment that cannot be decoded.
   * - `Unchecked`: there is no state to compare with. The message says why.
   */
  readonly reason: "Missing" | "Type" | "Variant" | "Attachment" | "Unchecked"
  readonly message: string
}

/**
 * Compares declared flags with the loaded state and returns all differences. For each flag it checks the default variant
 * and every variant that has a share in a rule, whether or not the flag is enabled. Never fails.
 *
 * @since 0.1.0
 * @category validation
 */
export const validate: (
  flags: Iterable<Flag<unknown>>
) => Effect.Effect<ReadonlyArray<Difference>, never, FliptClient> = validation.validate

/**
 * Runs {@link validate} when the layer is built. It logs all differences in one warning or, with `onMismatch: "fail"`,
 * fails with a `ValidationError` of reason `Flag`.
 *
 * If there is no state to compare with, the layer only logs a warning, so that a service with the error strategy
 * `fallback` can start without its server.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Flag from "flipt-client-effect/Flag"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const Checkout = Flag.boolean("new-checkout", { default: false })
 *
 * const Flipt = Flag.layerValidate([Checkout], { onMismatch: "fail" }).pipe(
 *   Layer.provideMerge(FliptClient.layer({ url: "http://localhost:8080" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category validation
 */
export const layerValidate = (
  flags: Iterable<Flag<unknown>>,
  options?: {
    /** What to do about differences. Default: `"warn"`. */
    readonly onMismatch?: "warn" | "fail" | undefined
  }
): Layer.Layer<never, ValidationError, FliptClient> => validation.layer(flags, options?.onMismatch ?? "warn")
