/**
 * The test kit: a client with flags that a test sets, on an engine that records evaluations.
 */
import { getSomes } from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Engine from "../../Engine.js"
import type * as Fetcher from "../../Fetcher.js"
import type * as FliptClient from "../../FliptClient.js"
import type { StartError } from "../../FliptError.js"
import type * as FliptTest from "../../FliptTest.js"
import type { EvaluationRequest, FlagInfo, FlagType } from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import * as client from "../client/make.js"
import { decodeState } from "../client/options.js"
import type * as Definition from "../document/definition.js"
import { fingerprint } from "../document/fingerprint.js"
import { toFlagInfo } from "../document/flagInfo.js"
import { decodeAndReadSeed } from "../document/seed/read.js"
import { writeSeed } from "../document/seed/write.js"
import { compileMockFlag, type MockResult, makeEvaluations, toDefinition } from "../engine/mock.js"
import { portable } from "../engine/portable/engine.js"
import * as engines from "../engine/tags.js"
import { Document, NotModified } from "../fetch/event.js"
import { makeStatic } from "../fetch/static.js"
import * as fetchers from "../fetch/tags.js"
import type { Evaluator } from "../snapshot/evaluator.js"
import { makeSnapshot } from "../snapshot/snapshot.js"
import * as tags from "./tags.js"

/** The value that a flag was set to, with a revision unique among all settings. */
interface Setting {
  readonly value: Engine.MockFlags[string]
  readonly revision: number
}

type Settings = ReadonlyMap<string, Setting>

/** What a kit shares with the kits isolated from it. */
interface Family {
  readonly source: Fetcher.Source
  readonly bytes: ReadonlyArray<Uint8Array>
  /** The state of the document, below the settings. */
  readonly base: Snapshot
  /** The references that the layer was built with. */
  readonly context: Context.Context<never>
  /** Numbers kits and settings, so that versions and fingerprints are unique. */
  readonly next: () => number
}

interface Kit extends FliptTest.Service {
  readonly family: Family
  /** The client of this kit only. */
  readonly own: FliptClient.Service
}

/** The mock value that produces an outcome. */
const toMockValue = (outcome: MockResult): Engine.MockValue => {
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

/** An evaluator with the settings on top of the document's state. */
const makeOverlay = (
  base: Snapshot,
  settings: Settings,
  record: (evaluation: FliptTest.Evaluation) => void
): Evaluator => {
  const { namespace } = base
  const compiled = new Map(Array.from(settings, ([key, { value }]) => [key, compileMockFlag(key, value)]))
  const definitions = new Map(Array.from(settings, ([key, { value }]) => [key, toDefinition(key, value)]))
  const infos = Either.getOrElse(base.flags, (): ReadonlyArray<FlagInfo> => [])
  const types: ReadonlyMap<string, FlagType> = new Map(infos.map(({ key, type }) => [key, type]))

  const evaluateFlag = (request: EvaluationRequest): MockResult | undefined => {
    const own = compiled.get(request.flagKey)
    if (own !== undefined) {
      return own(request)
    }
    const type = types.get(request.flagKey.toWellFormed())
    return type === undefined
      ? undefined
      : // the request has already been checked
        ((type === "BOOLEAN_FLAG_TYPE" ? base.boolean(request) : base.variant(request)) as MockResult)
  }

  /** In document order; flags that are not in the document come last. */
  const merge = <A extends { readonly key: string }>(
    list: ReadonlyArray<A>,
    make: (definition: Definition.Flag) => A
  ): ReadonlyArray<A> => {
    const own = new Map(Array.from(definitions, ([key, definition]) => [key, make(definition)]))
    return [...new Map([...list.map((flag) => [flag.key, flag] as const), ...own]).values()]
  }

  return {
    engine: "test",
    namespace,
    digest: undefined,
    ...makeEvaluations(namespace, evaluateFlag, ({ context, entityId, flagKey }, outcome) =>
      record({
        request: { flagKey, entityId, ...(context === undefined ? {} : { context: { ...context } }) },
        value: toMockValue(outcome)
      })
    ),
    fingerprint: (flagKey) => {
      const definition = definitions.get(flagKey)
      if (definition === undefined) {
        return base.fingerprint(flagKey)
      }
      const { revision, value } = settings.get(flagKey) as Setting
      // the results of a function are unknown, so each function counts as a different flag
      const opaque = typeof value === "function" || value instanceof Error
      return opaque ? `${fingerprint(definition)}-${revision}` : fingerprint(definition)
    },
    flags: () => Either.right(merge(infos, toFlagInfo)),
    seed: Effect.flatMap(base.seed, (seed) =>
      writeSeed(
        namespace,
        merge(decodeAndReadSeed(seed, namespace), (it) => it)
      )
    )
  }
}

/** Runs an effect with a kit in the place of the layer's. */
export const provide =
  (kit: FliptTest.Service) =>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, Exclude<Exclude<R, tags.Isolated>, FliptTest.FliptTest>> =>
    effect.pipe(Effect.provideService(tags.Isolated, kit), Effect.provideService(tags.FliptTest, kit))

/** A client that delegates to the kit of the running fiber, if that kit belongs to the same family. */
const makeDelegatingClient = (own: FliptClient.Service, family: Family): FliptClient.Service => {
  const current = Effect.contextWith((context: Context.Context<never>): FliptClient.Service => {
    const kits = getSomes([Context.getOption(context, tags.FliptTest), Context.getOption(context, tags.Isolated)])
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
    refetch: Effect.flatMap(current, (client) => client.refetch),
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
    /** The settings of the last version that was fetched. */
    let served = initial
    let revision = 0
    const version = () => `${name}.${revision}`

    const compile = Effect.suspend(() =>
      makeSnapshot(makeOverlay(family.base, served, (evaluation) => evaluations.push(evaluation)))
    )
    const own = yield* decodeState(undefined).pipe(
      Effect.flatMap(client.make),
      Effect.provideService(engines.Engine, { name: "test", compile: () => compile, restore: () => compile }),
      Effect.provideService(fetchers.Fetcher, {
        source: family.source,
        fetch: (loaded) =>
          Effect.sync(() => {
            served = settings
            return Option.contains(loaded, version())
              ? NotModified()
              : Document({ bytes: family.bytes, version: Option.some(version()) })
          }),
        events: () => Stream.never
      }),
      Effect.mapInputContext((context: Context.Context<Scope.Scope>) => Context.merge(family.context, context))
    )

    // a refresh may join an earlier request, so repeat until the new version is loaded
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
          settings = new Map(settings).set(flagKey, { value, revision: family.next() })
          revision++
          return Effect.asVoid(load)
        }),
      isolate: Effect.suspend(() => Effect.orDie(makeKit(family, settings)))
    }
  })

/** Makes a kit over the state that a Fetcher returns, and the client that delegates to the kit of the running fiber. */
export const makeFrom = (
  { fetch, source }: Pick<Fetcher.Service, "fetch" | "source">,
  flags: Engine.MockFlags
): Effect.Effect<{ readonly kit: FliptTest.Service; readonly client: FliptClient.Service }, StartError, Scope.Scope> =>
  Effect.gen(function* () {
    const update = yield* fetch(Option.none())
    const bytes = update._tag === "Document" ? update.bytes : []
    const base = yield* portable.compile(source.namespace, bytes)
    let count = 0
    const family: Family = {
      source,
      bytes,
      base,
      context: Context.omit(tags.FliptTest)(yield* Effect.context<never>()) as Context.Context<never>,
      next: () => ++count
    }
    const initial = new Map(Object.entries(flags).map(([key, value]) => [key, { value, revision: family.next() }]))
    const kit = yield* makeKit(family, initial)
    return { kit, client: makeDelegatingClient(kit.own, family) }
  })

/** Makes a kit over a document. */
export const make = ({ document, flags = {}, ...target }: FliptTest.Options): ReturnType<typeof makeFrom> =>
  Effect.flatMap(makeStatic(document, target), (fetcher) => makeFrom(fetcher, flags))
