/**
 * Typed flags: a flag's key, type and default, declared once, and asked for without an error to handle.
 *
 * Whatever goes wrong (no such flag, a flag of the other type, a variant that is not declared, an attachment that does
 * not decode, no state at all) gives the default. It is not silent: see {@link Flag}.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { hasProperty } from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type { FliptClient } from "./FliptClient.js"
import type { DecodeError, EvaluateError, ValidationError } from "./FliptError.js"
import * as declarations from "./internal/flag/flag.js"
import * as validation from "./internal/flag/validate.js"
import type * as Model from "./Model.js"
import type { Snapshot } from "./Snapshot.js"

/**
 * Marks a typed flag.
 *
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("flipt-client-effect/Flag")

/**
 * The type of the mark.
 *
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * Who is asked about, from the context: provide it once a request, and ask for flags without an argument.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Flag from "flipt-client-effect/Flag"
 *
 * const Checkout = Flag.boolean("new-checkout", { default: false })
 *
 * const handle = Effect.map(Checkout.get(), (enabled) => (enabled ? "the new checkout" : "the old one"))
 *
 * const request = handle.pipe(Effect.provideService(Flag.Entity, { entityId: "user-42", context: { plan: "pro" } }))
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class Entity extends Context.Tag("flipt-client-effect/Flag/Entity")<Entity, Model.Entity>() {}

/**
 * A value, and how it came about. Frozen, and shared between equal evaluations.
 *
 * @since 0.1.0
 * @category models
 */
export interface Detail<out A> {
  readonly value: A
  /** Why Flipt answered as it did; `FALLBACK` where the value is the default because of `error`. */
  readonly reason: Model.Reason | "FALLBACK"
  /** The variant that Flipt answered with, also when it could not be used; `undefined` where there is none. */
  readonly variant: string | undefined
  /** What went wrong; `undefined` where the value is what Flipt says, and where Flipt says nothing. */
  readonly error: EvaluateError | DecodeError | undefined
}

/**
 * A flag, declared. Declare it once, in a module, and share it: what it has decoded is kept with it.
 *
 * The value is the default where Flipt gives none, which is no error: no rule matches and there is no default variant,
 * or, for {@link json}, the variant has no attachment. It is the default too where something is wrong, and then
 *
 * - `detail` has the error,
 * - a warning is logged, once for each state that is loaded, and in an outage once,
 * - the counter `flipt_client_fallbacks`, tagged with `flag` and `error` (the error's reason), grows with each one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Flag<out A> {
  readonly [TypeId]: Types.Covariant<A>
  readonly key: string
  readonly default: A
  /** The value for an entity, or for the {@link Entity} of the context. Goes through the client's `evaluate*`. */
  readonly get: {
    (): Effect.Effect<A, never, FliptClient | Entity>
    (entity: Model.Entity): Effect.Effect<A, never, FliptClient>
  }
  /** The same, with how the value came about. */
  readonly detail: {
    (): Effect.Effect<Detail<A>, never, FliptClient | Entity>
    (entity: Model.Entity): Effect.Effect<Detail<A>, never, FliptClient>
  }
  /**
   * The value now, and every other that it becomes: the next one is never equal to the one before. Ends when the client
   * closes.
   */
  readonly watch: (entity: Model.Entity) => Stream.Stream<A, never, FliptClient>
  /**
   * The value in a Snapshot at hand, synchronously. A warning is logged by the fiber that this is called in; outside of
   * any fiber the counter alone tells.
   */
  readonly read: (snapshot: Snapshot, entity: Model.Entity) => A
}

/**
 * A flag whose values are known: {@link boolean} and {@link variant}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finite<out A> extends Flag<A> {
  /** All values that it can have. */
  readonly values: ReadonlyArray<A>
}

/**
 * Whether a value is a typed flag.
 *
 * @since 0.1.0
 * @category refinements
 */
export const isFlag = (u: unknown): u is Flag<unknown> => hasProperty(u, TypeId)

/**
 * A boolean flag.
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
  declarations.makeBoolean(Entity, key, options.default)

/**
 * A variant flag, with the variants that the program knows. Another one is an error, and gives the default.
 *
 * The variants that count are those the flag can answer with; one that is declared and never given is no difference.
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
): Finite<V[number]> => declarations.makeVariant<V[number]>(Entity, key, variants, options.default)

/**
 * A variant flag whose value is the attachment of the variant, decoded by a Schema. A variant without an attachment
 * (absent, `""` or `null`) gives the default, and no error: it stands for what the program does by itself.
 *
 * An attachment is decoded when it is first met, and not with each call, so the value is shared: do not change it.
 * Decoding is synchronous; a Schema that needs to wait is an error of the flag.
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
): Flag<A> => declarations.makeJson(Entity, key, schema, options.default)

/**
 * Something in which declaration and loaded state differ.
 *
 * @since 0.1.0
 * @category models
 */
export interface Difference {
  /** The flag's key. */
  readonly flag: string
  /**
   * - `Missing`: there is no such flag.
   * - `Type`: the flag is of the other type.
   * - `Variant`: the flag has a variant that is not declared.
   * - `Attachment`: a variant has an attachment that does not decode.
   * - `Unchecked`: there is no state to compare with; the message says why.
   */
  readonly reason: "Missing" | "Type" | "Variant" | "Attachment" | "Unchecked"
  readonly message: string
}

/**
 * Holds declarations against the loaded state, and gives all differences. Of a flag every variant is looked at that it
 * has a share for in a rule, and its default variant, whether the flag is enabled or not. Never fails.
 *
 * @since 0.1.0
 * @category validation
 */
export const validate: (
  flags: Iterable<Flag<unknown>>
) => Effect.Effect<ReadonlyArray<Difference>, never, FliptClient> = validation.validate

/**
 * Runs {@link validate} when it is built, and tells all differences in one warning, or, with `onMismatch: "fail"`, in a
 * `ValidationError` of reason `Flag`. Where there is no state to compare with, it warns in both: a service that is
 * told to start without its server does so.
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
    /** Default: `"warn"`. */
    readonly onMismatch?: "warn" | "fail" | undefined
  }
): Layer.Layer<never, ValidationError, FliptClient> => validation.layer(flags, options?.onMismatch ?? "warn")
