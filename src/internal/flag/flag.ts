/**
 * Typed flags: what Flipt answers becomes a value, once for each result that a Snapshot has.
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
import * as FliptClient from "../../FliptClient.js"
import { DecodeError, type EvaluateError } from "../../FliptError.js"
import type * as Model from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import * as Attachments from "./attachments.js"
import * as Fallback from "./fallbacks.js"

export type EntityTag = Context.Tag<Flag.Entity, Model.Entity>

/** What the library itself knows of a declaration. */
export interface Declared<A> extends Flag.Flag<A> {
  readonly kind: "boolean" | "variant" | "json"
  /** What is wrong with a variant, if anything is. */
  readonly inspect: (variantKey: string, attachment: string | undefined) => DecodeError | undefined
  /** What Flipt would have to answer for the flag to have this value, or why there is no such answer. */
  readonly encode: (value: A) => Either.Either<Engine.MockValue, string>
}

/** The declaration behind a typed flag. */
export const declared = <A>(flag: Flag.Flag<A>): Declared<A> => flag as Declared<A>

type Result = Model.BooleanResult | Model.VariantResult

/** What a result means, with the effects that give it. */
interface Outcome<A> {
  readonly detail: Flag.Detail<A>
  readonly value: Exit.Exit<A>
  readonly whole: Exit.Exit<Flag.Detail<A>>
}

const outcomeOf = <A>(detail: Flag.Detail<A>): Outcome<A> => {
  Object.freeze(detail)
  return { detail, value: Exit.succeed(detail.value), whole: Exit.succeed(detail) }
}

/** How flags of one type are asked for. */
interface Type<R extends Result> {
  readonly evaluate: (client: FliptClient.Service, request: Model.EvaluationRequest) => Effect.Effect<R, EvaluateError>
  readonly watch: (
    client: FliptClient.Service,
    request: Model.EvaluationRequest
  ) => Stream.Stream<Either.Either<R, EvaluateError>>
  readonly ask: (snapshot: Snapshot, request: Model.EvaluationRequest) => Either.Either<R, EvaluateError>
}

const booleanType: Type<Model.BooleanResult> = {
  evaluate: (client, request) => client.evaluateBoolean(request),
  watch: (client, request) => client.watchBoolean(request),
  ask: (snapshot, request) => snapshot.boolean(request)
}

const variantType: Type<Model.VariantResult> = {
  evaluate: (client, request) => client.evaluateVariant(request),
  watch: (client, request) => client.watchVariant(request),
  ask: (snapshot, request) => snapshot.variant(request)
}

interface Meaning<A, R extends Result> {
  readonly key: string
  readonly default: A
  readonly type: Type<R>
  /** What a result means, or what is wrong with it. */
  readonly read: (result: R) => A | DecodeError
  readonly equivalence: () => Equivalence.Equivalence<A>
}

const make = <A, R extends Result>(
  Entity: EntityTag,
  { default: otherwise, equivalence, key, read, type }: Meaning<A, R>
): Omit<Flag.Flag<A>, typeof Flag.TypeId> => {
  const fallbacks = Fallback.make(key)
  const outcomes = new WeakMap<R, Outcome<A>>()
  const fallback = Exit.succeed(otherwise)

  const makeOutcome = (result: R): Outcome<A> => {
    const { reason } = result
    const variant = result._tag === "Variant" && result.variantKey !== "" ? result.variantKey : undefined
    const value = read(result)
    const outcome =
      value instanceof DecodeError
        ? outcomeOf<A>({ value: otherwise, reason: "FALLBACK", variant, error: value })
        : outcomeOf<A>({ value, reason, variant, error: undefined })
    outcomes.set(result, outcome)
    return outcome
  }

  const outcome = (result: R): Outcome<A> => outcomes.get(result) ?? makeOutcome(result)

  const requestFor = ({ context, entityId }: Model.Entity): Model.EvaluationRequest => ({
    flagKey: key,
    entityId,
    context
  })

  const settle = (client: FliptClient.Service, result: R): Effect.Effect<A> => {
    const { detail, value } = outcome(result)
    return detail.error === undefined ? value : Effect.zipRight(fallbacks.tell(client, detail.error), value)
  }

  const fail = (client: FliptClient.Service, error: EvaluateError): Effect.Effect<A> =>
    Effect.zipRight(fallbacks.tell(client, error), fallback)

  const settleDetail = (client: FliptClient.Service, result: R): Effect.Effect<Flag.Detail<A>> => {
    const { detail, whole } = outcome(result)
    return detail.error === undefined ? whole : Effect.zipRight(fallbacks.tell(client, detail.error), whole)
  }

  const failDetail = (client: FliptClient.Service, error: EvaluateError): Effect.Effect<Flag.Detail<A>> =>
    Effect.zipRight(
      fallbacks.tell(client, error),
      outcomeOf<A>({ value: otherwise, reason: "FALLBACK", variant: undefined, error }).whole
    )

  /** Reads the context itself: services that are asked for in effects of their own cost as much as the evaluation. */
  const ask =
    <B>(
      onSuccess: (client: FliptClient.Service, result: R) => Effect.Effect<B>,
      onFailure: (client: FliptClient.Service, error: EvaluateError) => Effect.Effect<B>
    ) =>
    (given?: Model.Entity): Effect.Effect<B, never, FliptClient.FliptClient | Flag.Entity> =>
      Effect.withFiberRuntime((fiber) => {
        const context = fiber.currentContext as Context.Context<FliptClient.FliptClient | Flag.Entity>
        const client = Context.unsafeGet(context, FliptClient.FliptClient)
        const request = requestFor(given ?? Context.unsafeGet(context, Entity))
        return Effect.matchEffect(type.evaluate(client, request), {
          onFailure: (error) => onFailure(client, error),
          onSuccess: (result) => onSuccess(client, result)
        })
      })

  return {
    key,
    default: otherwise,
    // an entity that is given is not asked for
    get: ask(settle, fail) as Flag.Flag<A>["get"],
    detail: ask(settleDetail, failDetail) as Flag.Flag<A>["detail"],
    watch: (entity) =>
      Stream.unwrap(
        Effect.map(FliptClient.FliptClient, (client) =>
          type.watch(client, requestFor(entity)).pipe(
            Stream.mapEffect(
              Either.match({
                onLeft: (error) => fail(client, error),
                onRight: (result) => settle(client, result)
              })
            ),
            Stream.changesWith(equivalence())
          )
        )
      ),
    read: (snapshot, entity) => {
      const answer = type.ask(snapshot, requestFor(entity))
      if (Either.isLeft(answer)) {
        fallbacks.unsafeTell(snapshot, answer.left)
        return otherwise
      }
      const { error, value } = outcome(answer.right).detail
      if (error !== undefined) {
        fallbacks.unsafeTell(snapshot, error)
      }
      return value
    }
  }
}

const covariant: Types.Covariant<never> = (value) => value

const typeId: typeof Flag.TypeId = Symbol.for("flipt-client-effect/Flag") as typeof Flag.TypeId

export const makeBoolean = (Entity: EntityTag, key: string, otherwise: boolean): Flag.Finite<boolean> => {
  const flag: Declared<boolean> & Flag.Finite<boolean> = {
    [typeId]: covariant,
    ...make<boolean, Model.BooleanResult>(Entity, {
      key,
      default: otherwise,
      type: booleanType,
      read: (result) => result.enabled,
      equivalence: () => Equal.equivalence()
    }),
    values: Object.freeze([true, false]),
    kind: "boolean",
    inspect: () => undefined,
    encode: (value) => Either.right(value)
  }
  return Object.freeze(flag)
}

export const makeVariant = <V extends string>(
  Entity: EntityTag,
  key: string,
  variants: ReadonlyArray<V>,
  otherwise: V
): Flag.Finite<V> => {
  const values = Object.freeze([...variants])
  const known: ReadonlySet<string> = new Set(values)

  const inspect = (variantKey: string): DecodeError | undefined =>
    variantKey === "" || known.has(variantKey)
      ? undefined
      : new DecodeError({
          reason: "Variant",
          flagKey: key,
          variantKey,
          message: `the variant ${JSON.stringify(variantKey)} of flag ${key} is none of those declared: ${values.map((value) => JSON.stringify(value)).join(", ")}`
        })

  const flag: Declared<V> & Flag.Finite<V> = {
    [typeId]: covariant,
    ...make<V, Model.VariantResult>(Entity, {
      key,
      default: otherwise,
      type: variantType,
      read: ({ variantKey }) => (variantKey === "" ? otherwise : (inspect(variantKey) ?? (variantKey as V))),
      equivalence: () => Equal.equivalence()
    }),
    values,
    kind: "variant",
    inspect,
    encode: (value) => Either.right(value)
  }
  return Object.freeze(flag)
}

/** By what is the same to the Schema; there are Schemas of which nothing can be said. */
const equivalenceOf = <A, I>(schema: Schema.Schema<A, I>): Equivalence.Equivalence<A> => {
  try {
    return Schema.equivalence(schema)
  } catch {
    return Equal.equivalence()
  }
}

export const makeJson = <A, I>(
  Entity: EntityTag,
  key: string,
  schema: Schema.Schema<A, I>,
  otherwise: A
): Flag.Flag<A> => {
  const attachments = Attachments.make(key, schema)
  const flag: Declared<A> = {
    [typeId]: covariant,
    ...make<A, Model.VariantResult>(Entity, {
      key,
      default: otherwise,
      type: variantType,
      read: ({ variantAttachment, variantKey }) =>
        variantKey === "" || Attachments.isNone(variantAttachment)
          ? otherwise
          : attachments.decode(variantKey, variantAttachment),
      equivalence: () => equivalenceOf(schema)
    }),
    kind: "json",
    inspect: (variantKey, attachment) => {
      const value = Attachments.isNone(attachment) ? undefined : attachments.decode(variantKey, attachment)
      return value instanceof DecodeError ? value : undefined
    },
    encode: attachments.encode
  }
  return Object.freeze(flag)
}

/** What a test sets for a typed flag to have a value, or to have those of a function. */
export const encodeSetting = (flag: Flag.Flag<unknown>, value: unknown): Engine.MockFlags[string] => {
  const { encode, key } = declared(flag)
  const one = (it: unknown): Engine.MockValue =>
    Either.getOrThrowWith(encode(it), (problem) => new Error(`the flag ${key} cannot be set: ${problem}`))
  return typeof value === "function" ? (request) => one(value(request)) : one(value)
}
