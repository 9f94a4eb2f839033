/**
 * Typed flags: decodes results into values, once per result object of a Snapshot.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import type * as Equivalence from "effect/Equivalence"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type * as Engine from "../../Engine.js"
import type * as Flag from "../../Flag.js"
import type * as FliptClient from "../../FliptClient.js"
import { DecodeError, type EvaluateError } from "../../FliptError.js"
import type * as Model from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import * as tags from "../client/tags.js"
import { printable, quoted } from "../util/outsideText.js"
import * as Attachments from "./attachments.js"
import * as Fallback from "./fallbacks.js"
import { Entity } from "./tags.js"

/** The internal members of a typed flag. */
interface Declaration<A> extends Flag.Flag<A> {
  readonly kind: "boolean" | "variant" | "json"
  /** Checks a variant. Returns the error, if any. */
  readonly problemOf: (variantKey: string, attachment: string | undefined) => DecodeError | undefined
  /** The result with which the flag has this value, or the reason why there is none. */
  readonly encode: (value: A) => Either.Either<Engine.MockValue, string>
}

export const declarationOf = <A>(flag: Flag.Flag<A>): Declaration<A> => flag as Declaration<A>

type Result = Model.BooleanResult | Model.VariantResult

/** A decoded result, with the effects that return it. */
interface Decoded<A> {
  readonly detail: Flag.Detail<A>
  readonly valueExit: Exit.Exit<A>
  readonly detailExit: Exit.Exit<Flag.Detail<A>>
}

const decoded = <A>(detail: Flag.Detail<A>): Decoded<A> => {
  Object.freeze(detail)
  return { detail, valueExit: Exit.succeed(detail.value), detailExit: Exit.succeed(detail) }
}

/** The operations for flags of one type. */
interface FlagType<R extends Result> {
  readonly evaluate: (client: FliptClient.Service, request: Model.EvaluationRequest) => Effect.Effect<R, EvaluateError>
  readonly watch: (
    client: FliptClient.Service,
    request: Model.EvaluationRequest
  ) => Stream.Stream<Either.Either<R, EvaluateError>>
  readonly evaluateOn: (snapshot: Snapshot, request: Model.EvaluationRequest) => Either.Either<R, EvaluateError>
}

const booleanType: FlagType<Model.BooleanResult> = {
  evaluate: (client, request) => client.evaluateBoolean(request),
  watch: (client, request) => client.watchBoolean(request),
  evaluateOn: (snapshot, request) => snapshot.boolean(request)
}

const variantType: FlagType<Model.VariantResult> = {
  evaluate: (client, request) => client.evaluateVariant(request),
  watch: (client, request) => client.watchVariant(request),
  evaluateOn: (snapshot, request) => snapshot.variant(request)
}

interface Spec<A, R extends Result> {
  readonly key: string
  readonly default: A
  readonly type: FlagType<R>
  /** Decodes a result. */
  readonly read: (result: R) => A | DecodeError
  readonly equivalence: () => Equivalence.Equivalence<A>
}

const make = <A, R extends Result>({
  default: otherwise,
  equivalence,
  key,
  read,
  type
}: Spec<A, R>): Omit<Flag.Flag<A>, typeof Flag.TypeId> => {
  const fallbacks = Fallback.make(key)
  const decodedResults = new WeakMap<R, Decoded<A>>()
  const fallback = Exit.succeed(otherwise)

  const decodeResult = (result: R): Decoded<A> => {
    const { reason } = result
    const variant = result._tag === "Variant" && result.variantKey !== "" ? result.variantKey : undefined
    const value = read(result)
    const decodedResult =
      value instanceof DecodeError
        ? decoded<A>({ value: otherwise, reason: "FALLBACK", variant, error: value })
        : decoded<A>({ value, reason, variant, error: undefined })
    decodedResults.set(result, decodedResult)
    return decodedResult
  }

  const decodedOf = (result: R): Decoded<A> => decodedResults.get(result) ?? decodeResult(result)

  const requestFor = ({ context, entityId }: Model.Entity): Model.EvaluationRequest => ({
    flagKey: key,
    entityId,
    context
  })

  const onResult = (client: FliptClient.Service, result: R): Effect.Effect<A> => {
    const { detail, valueExit } = decodedOf(result)
    return detail.error === undefined ? valueExit : Effect.zipRight(fallbacks.report(client, detail.error), valueExit)
  }

  const onError = (client: FliptClient.Service, error: EvaluateError): Effect.Effect<A> =>
    Effect.zipRight(fallbacks.report(client, error), fallback)

  const onDetailResult = (client: FliptClient.Service, result: R): Effect.Effect<Flag.Detail<A>> => {
    const { detail, detailExit } = decodedOf(result)
    return detail.error === undefined ? detailExit : Effect.zipRight(fallbacks.report(client, detail.error), detailExit)
  }

  const onDetailError = (client: FliptClient.Service, error: EvaluateError): Effect.Effect<Flag.Detail<A>> =>
    Effect.zipRight(
      fallbacks.report(client, error),
      decoded<A>({ value: otherwise, reason: "FALLBACK", variant: undefined, error }).detailExit
    )

  /** Reads the context directly: accessing services through effects would cost as much as the evaluation. */
  const evaluateWith =
    <B>(
      onSuccess: (client: FliptClient.Service, result: R) => Effect.Effect<B>,
      onFailure: (client: FliptClient.Service, error: EvaluateError) => Effect.Effect<B>
    ) =>
    (given?: Model.Entity): Effect.Effect<B, never, FliptClient.FliptClient | Flag.Entity> =>
      Effect.withFiberRuntime((fiber) => {
        const context = fiber.currentContext as Context.Context<FliptClient.FliptClient | Flag.Entity>
        const client = Context.unsafeGet(context, tags.FliptClient)
        const request = requestFor(given ?? Context.unsafeGet(context, Entity))
        return Effect.matchEffect(type.evaluate(client, request), {
          onFailure: (error) => onFailure(client, error),
          onSuccess: (result) => onSuccess(client, result)
        })
      })

  return {
    key,
    default: otherwise,
    // with a given entity, the Entity service is not required
    get: evaluateWith(onResult, onError) as Flag.Flag<A>["get"],
    detail: evaluateWith(onDetailResult, onDetailError) as Flag.Flag<A>["detail"],
    watch: (entity) =>
      Stream.unwrap(
        Effect.map(tags.FliptClient, (client) =>
          type.watch(client, requestFor(entity)).pipe(
            Stream.mapEffect(
              Either.match({
                onLeft: (error) => onError(client, error),
                onRight: (result) => onResult(client, result)
              })
            ),
            Stream.changesWith(equivalence())
          )
        )
      ),
    read: (snapshot, entity) => {
      const answer = type.evaluateOn(snapshot, requestFor(entity))
      if (Either.isLeft(answer)) {
        fallbacks.unsafeReport(snapshot, answer.left)
        return otherwise
      }
      const { error, value } = decodedOf(answer.right).detail
      if (error !== undefined) {
        fallbacks.unsafeReport(snapshot, error)
      }
      return value
    }
  }
}

const covariant: Types.Covariant<never> = (value) => value

const typeId: typeof Flag.TypeId = Symbol.for("flipt-client-effect/Flag") as typeof Flag.TypeId

export const makeBoolean = (key: string, otherwise: boolean): Flag.Finite<boolean> => {
  const flag: Declaration<boolean> & Flag.Finite<boolean> = {
    [typeId]: covariant,
    ...make<boolean, Model.BooleanResult>({
      key,
      default: otherwise,
      type: booleanType,
      read: (result) => result.enabled,
      equivalence: () => Equal.equivalence()
    }),
    values: Object.freeze([true, false]),
    kind: "boolean",
    problemOf: () => undefined,
    encode: (value) => Either.right(value)
  }
  return Object.freeze(flag)
}

export const makeVariant = <V extends string>(
  key: string,
  variants: ReadonlyArray<V>,
  otherwise: V
): Flag.Finite<V> => {
  const values = Object.freeze([...variants])
  const known: ReadonlySet<string> = new Set(values)

  const problemOf = (variantKey: string): DecodeError | undefined =>
    variantKey === "" || known.has(variantKey)
      ? undefined
      : new DecodeError({
          reason: "Variant",
          flagKey: key,
          variantKey,
          message: `the variant ${quoted(variantKey)} of flag ${printable(key)} is not one of the declared variants: ${printable(values.map((value) => quoted(String(value))).join(", "), 1000)}`
        })

  const flag: Declaration<V> & Flag.Finite<V> = {
    [typeId]: covariant,
    ...make<V, Model.VariantResult>({
      key,
      default: otherwise,
      type: variantType,
      read: ({ variantKey }) => (variantKey === "" ? otherwise : (problemOf(variantKey) ?? (variantKey as V))),
      equivalence: () => Equal.equivalence()
    }),
    values,
    kind: "variant",
    problemOf,
    encode: (value) => Either.right(value)
  }
  return Object.freeze(flag)
}

/** The Schema's equivalence. Some Schemas have none; their values are compared with `Equal`. */
const equivalenceOf = <A, I>(schema: Schema.Schema<A, I>): Equivalence.Equivalence<A> => {
  try {
    return Schema.equivalence(schema)
  } catch {
    return Equal.equivalence()
  }
}

export const makeJson = <A, I>(key: string, schema: Schema.Schema<A, I>, otherwise: A): Flag.Flag<A> => {
  const attachments = Attachments.make(key, schema)
  const flag: Declaration<A> = {
    [typeId]: covariant,
    ...make<A, Model.VariantResult>({
      key,
      default: otherwise,
      type: variantType,
      read: ({ variantAttachment, variantKey }) =>
        variantKey === "" || Attachments.isAbsent(variantAttachment)
          ? otherwise
          : attachments.decode(variantKey, variantAttachment),
      equivalence: () => equivalenceOf(schema)
    }),
    kind: "json",
    problemOf: (variantKey, attachment) => {
      const value = Attachments.isAbsent(attachment) ? undefined : attachments.decode(variantKey, attachment)
      return value instanceof DecodeError ? value : undefined
    },
    encode: attachments.encode
  }
  return Object.freeze(flag)
}

/** The mock flag with which a typed flag has a value, or the values of a function. */
export const encodeSetting = (flag: Flag.Flag<unknown>, value: unknown): Engine.MockFlags[string] => {
  const { encode, key } = declarationOf(flag)
  const one = (it: unknown): Engine.MockValue =>
    Either.getOrThrowWith(encode(it), (problem) => new Error(`the flag ${printable(key)} cannot be set: ${problem}`))
  return typeof value === "function" ? (request) => one(value(request)) : one(value)
}
