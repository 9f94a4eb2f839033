/**
 * The test kit: a client over flags that a test sets, on an engine that keeps what was evaluated.
 */
import { getSomes } from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Engine from "../../Engine.js"
import * as Fetcher from "../../Fetcher.js"
import * as FliptClient from "../../FliptClient.js"
import type { StartError } from "../../FliptError.js"
import type * as FliptTest from "../../FliptTest.js"
import type { EvaluationRequest, FlagInfo, FlagType } from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import type * as Definition from "../document/definition.js"
import { fingerprint } from "../document/fingerprint.js"
import { flagInfo } from "../document/flagInfo.js"
import { readSeedOf } from "../document/seed/read.js"
import { writeSeed } from "../document/seed/write.js"
import { answer, define, evaluating, type Outcome } from "../engine/mock.js"
import { portable } from "../engine/portable/engine.js"
import { makeStatic } from "../fetch/static.js"
import type { Evaluator } from "../snapshot/evaluator.js"
import { makeSnapshot } from "../snapshot/snapshot.js"

export type Tag = Context.Tag<FliptTest.FliptTest, FliptTest.Service>

/** A flag as it was set, and by which of all settings. */
interface Setting {
  readonly value: Engine.MockFlags[string]
  readonly turn: number
}

type Settings = ReadonlyMap<string, Setting>

/** What a kit and those that are isolated from it have in common. */
interface Family {
  readonly tag: Tag
  readonly source: Fetcher.Source
  readonly bytes: ReadonlyArray<Uint8Array>
  /** The document's state, under what is set. */
  readonly base: Snapshot
  /** References that the layer was built with. */
  readonly context: Context.Context<never>
  /** Numbers kits and settings, so that no two states are taken for the same. */
  readonly next: () => number
}

interface Kit extends FliptTest.Service {
  readonly family: Family
  /** The client itself, which knows of no other kit. */
  readonly own: FliptClient.Service
}

/** What one would have to set to get the outcome. */
const valueOf = (outcome: Outcome): Engine.MockValue => {
  if (Either.isLeft(outcome)) {
    return outcome.left
  }
  const result = outcome.right
  if (result._tag === "Boolean") {
    return result.enabled
  }
  const { variantAttachment, variantKey } = result
  if (variantAttachment === undefined) {
    return variantKey
  }
  const parsed = Either.try((): unknown => JSON.parse(variantAttachment))
  return { variant: variantKey, attachment: Either.getOrElse(parsed, () => variantAttachment) }
}

/** The settings of now over the document's state. */
const overlay = (base: Snapshot, settings: Settings, record: (evaluation: FliptTest.Evaluation) => void): Evaluator => {
  const { namespace } = base
  const answers = new Map(Array.from(settings, ([key, { value }]) => [key, answer(key, value)]))
  const definitions = new Map(Array.from(settings, ([key, { value }]) => [key, define(key, value)]))
  const infos = Either.getOrElse(base.flags, (): ReadonlyArray<FlagInfo> => [])
  const types: ReadonlyMap<string, FlagType> = new Map(infos.map(({ key, type }) => [key, type]))

  const ask = (request: EvaluationRequest): Outcome | undefined => {
    const own = answers.get(request.flagKey)
    if (own !== undefined) {
      return own(request)
    }
    const type = types.get(request.flagKey.toWellFormed())
    return type === undefined
      ? undefined
      : // the request has been checked
        ((type === "BOOLEAN_FLAG_TYPE" ? base.boolean(request) : base.variant(request)) as Outcome)
  }

  /** In the document's order, and what it has not at the end. */
  const merge = <A extends { readonly key: string }>(
    list: ReadonlyArray<A>,
    make: (definition: Definition.Flag) => A
  ): ReadonlyArray<A> => {
    const own = new Map(Array.from(definitions, ([key, definition]) => [key, make(definition)]))
    return [...new Map([...list.map((flag) => [flag.key, flag] as const), ...own]).values()]
  }

  return {
    namespace,
    digest: undefined,
    ...evaluating(namespace, ask, ({ context, entityId, flagKey }, outcome) =>
      record({
        request: { flagKey, entityId, ...(context === undefined ? {} : { context: { ...context } }) },
        value: valueOf(outcome)
      })
    ),
    fingerprint: (flagKey) => {
      const definition = definitions.get(flagKey)
      if (definition === undefined) {
        return base.fingerprint(flagKey)
      }
      const { turn, value } = settings.get(flagKey) as Setting
      // what a function answers is not known, so another one is another flag
      const opaque = typeof value === "function" || value instanceof Error
      return opaque ? `${fingerprint(definition)}-${turn}` : fingerprint(definition)
    },
    flags: () => Either.right(merge(infos, flagInfo)),
    seed: Effect.map(base.seed, (seed) =>
      writeSeed(
        namespace,
        merge(readSeedOf(seed, namespace), (it) => it)
      )
    )
  }
}

/**
 * The kit of an effect that is isolated. The public tag does not tell: a service that provides its effects with the
 * context that it was built in brings the layer's kit back.
 */
class Isolated extends Context.Tag("flipt-client-effect/FliptTest/Isolated")<Isolated, FliptTest.Service>() {}

/** Runs an effect with a kit in the place of the layer's. */
export const provide =
  (tag: Tag, kit: FliptTest.Service) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<Exclude<R, Isolated>, FliptTest.FliptTest>> =>
    effect.pipe(Effect.provideService(Isolated, kit), Effect.provideService(tag, kit))

/** The client of the kit that the running fiber has, as long as it is of the same family. */
const delegating = (own: FliptClient.Service, family: Family): FliptClient.Service => {
  const current = Effect.contextWith((context: Context.Context<never>): FliptClient.Service => {
    const kits = getSomes([Context.getOption(context, family.tag), Context.getOption(context, Isolated)])
    return (kits as Array<Kit>).find((kit) => kit.family === family && kit.own !== own)?.own ?? own
  })
  const stream = <A>(of: (client: FliptClient.Service) => Stream.Stream<A>): Stream.Stream<A> =>
    Stream.unwrap(Effect.map(current, of))
  return {
    evaluateVariant: (request) => Effect.flatMap(current, (client) => client.evaluateVariant(request)),
    evaluateBoolean: (request) => Effect.flatMap(current, (client) => client.evaluateBoolean(request)),
    evaluateBatch: (requests) => Effect.flatMap(current, (client) => client.evaluateBatch(requests)),
    listFlags: Effect.flatMap(current, (client) => client.listFlags),
    snapshot: Effect.flatMap(current, (client) => client.snapshot),
    pinned: Effect.flatMap(current, (client) => client.pinned),
    getSnapshot: Effect.flatMap(current, (client) => client.getSnapshot),
    refresh: Effect.flatMap(current, (client) => client.refresh),
    status: Effect.flatMap(current, (client) => client.status),
    statusChanges: stream((client) => client.statusChanges),
    changes: stream((client) => client.changes),
    awaitReady: Effect.flatMap(current, (client) => client.awaitReady),
    watchVariant: (request) => stream((client) => client.watchVariant(request)),
    watchBoolean: (request) => stream((client) => client.watchBoolean(request))
  }
}

const makeKit = (family: Family, initial: Settings): Effect.Effect<Kit, StartError, Scope.Scope> =>
  Effect.gen(function* () {
    const name = family.next()
    const evaluations: Array<FliptTest.Evaluation> = []
    let settings = initial
    /** Those that the version stands for which was handed out last. */
    let taken = initial
    let turn = 0
    const version = () => `${name}.${turn}`

    const compile = Effect.suspend(() =>
      makeSnapshot(overlay(family.base, taken, (evaluation) => evaluations.push(evaluation)))
    )
    const own = yield* FliptClient.makeWithoutDependencies().pipe(
      Effect.provideService(Engine.Engine, { name: "test", compile: () => compile, restore: () => compile }),
      Effect.provideService(Fetcher.Fetcher, {
        source: family.source,
        fetch: (loaded) =>
          Effect.sync(() => {
            taken = settings
            return Option.contains(loaded, version())
              ? Fetcher.NotModified()
              : Fetcher.Document({ bytes: family.bytes, version: Option.some(version()) })
          }),
        events: () => Stream.never
      }),
      Effect.mapInputContext((context: Context.Context<Scope.Scope>) => Context.merge(family.context, context))
    )

    // a refresh may join a request that was made before
    const load = Effect.zipRight(own.refresh, own.status).pipe(
      Effect.repeat({ until: (status) => status.version === version() }),
      Effect.orDie
    )
    return {
      family,
      own,
      evaluations: Effect.sync(() => [...evaluations]),
      set: (flagKey, value) =>
        Effect.suspend(() => {
          settings = new Map(settings).set(flagKey, { value, turn: family.next() })
          turn++
          return Effect.asVoid(load)
        }),
      isolate: Effect.suspend(() => Effect.orDie(makeKit(family, settings)))
    }
  })

/** A kit, with the client that follows the kit of whoever uses it. */
export const make = (
  tag: Tag,
  options: FliptTest.Options
): Effect.Effect<{ readonly kit: FliptTest.Service; readonly client: FliptClient.Service }, StartError, Scope.Scope> =>
  Effect.gen(function* () {
    const { document, flags = {}, ...target } = options
    const { fetch, source } = yield* makeStatic(document, target)
    const update = yield* fetch(Option.none())
    const bytes = update._tag === "Document" ? update.bytes : []
    const base = yield* portable.compile(source.namespace, bytes)
    let count = 0
    const family: Family = {
      tag,
      source,
      bytes,
      base,
      context: Context.omit(tag)(yield* Effect.context<never>()) as Context.Context<never>,
      next: () => ++count
    }
    const initial = new Map(Object.entries(flags).map(([key, value]) => [key, { value, turn: family.next() }]))
    const kit = yield* makeKit(family, initial)
    return { kit, client: delegating(kit.own, family) }
  })
