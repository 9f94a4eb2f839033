/**
 * Clients of a fleet, with a relay or as readers only.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Auth from "flipt-client-effect/Auth"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import type { FetchError, StartError, ValidationError } from "flipt-client-effect/FliptError"
import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
import * as Tls from "flipt-client-effect/Tls"
import { untilOf } from "../../../../test/support/wait.js"
import { Connection, RedisFetcher, Relay } from "../../src/index.js"

/** Short enough for tests, but long enough for a busy machine. */
export const quick = { leaseDuration: "1500 millis", staleAfter: "4 seconds", updateInterval: "1 second" } as const
const { leaseDuration: _, ...quickRead } = quick

export interface Member {
  readonly client: FliptClient.Service
  readonly close: Effect.Effect<void>
}

/** Builds a client that ends with `close` or with the Scope. */
const member = (
  layer: Layer.Layer<FliptClient.FliptClient, StartError>
): Effect.Effect<Member, StartError, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const close = Scope.close(scope, Exit.void)
    yield* Effect.addFinalizer(() => close)
    const context = yield* Layer.buildWithScope(layer, scope)
    return { client: Context.get(context, FliptClient.FliptClient), close }
  })

export interface Options {
  readonly redis: Connection.Options
  /** Used instead of `redis`. */
  readonly connection?: Layer.Layer<Connection.Connection, ValidationError>
  readonly flipt: Fetcher.Options
  readonly relay?: Relay.Options
  readonly client?: FliptClient.StateOptions
  readonly mode?: "polling" | "streaming"
  readonly auth?: Layer.Layer<Auth.Auth, StartError>
  /** A SnapshotStore that the relay uses in addition to Redis. */
  readonly below?: Layer.Layer<SnapshotStore.SnapshotStore>
}

const noStore = Layer.succeed(SnapshotStore.SnapshotStore, {
  load: () => Effect.succeedNone,
  save: () => Effect.void
})

const noRetries = Layer.succeed(Fetcher.RetryPolicy, Schedule.stop)

export const relayLayer = ({
  auth = Auth.layerNone,
  below = noStore,
  client,
  connection,
  flipt,
  mode = "streaming",
  redis,
  relay
}: Options) => {
  const make = mode === "streaming" ? Fetcher.layerStreaming : Fetcher.layerPolling
  const origin = make({ updateInterval: "1 second", ...flipt }).pipe(
    Layer.provide([Tls.layerHttpClient, auth, noRetries]),
    Layer.provide(Tls.layerSystem)
  )
  return FliptClient.layerWithoutDependencies({ errorStrategy: "fallback", ...client }).pipe(
    Layer.provide([Relay.layer({ ...quick, ...relay }), Engine.layerPortable]),
    Layer.provide([origin, below, connection ?? Connection.layer({ requestTimeout: "2 seconds", ...redis })])
  )
}

/** A client with a relay. */
export const candidate = (options: Options): Effect.Effect<Member, StartError, Scope.Scope> =>
  member(relayLayer(options))

/** The state of a reader without an engine. */
export interface Loaded {
  readonly text: () => string
}

/** Readers that share a connection, each with only the parts of a client that it needs. */
export const readers = (
  count: number,
  redis: Connection.Options,
  options?: RedisFetcher.Options
): Effect.Effect<ReadonlyArray<Loaded>, ValidationError | FetchError, Scope.Scope> =>
  Effect.gen(function* () {
    const connection = yield* Layer.build(Connection.layer(redis))
    const make = Effect.gen(function* () {
      const fetcher = Context.get(
        yield* Layer.build(Layer.provide(RedisFetcher.layer(options), Layer.succeedContext(connection))),
        Fetcher.Fetcher
      )
      let loaded = Option.none<string>()
      let text = ""
      const refresh = Effect.map(
        Effect.suspend(() => fetcher.fetch(loaded)),
        (update) => {
          if (update._tag === "Document") {
            loaded = update.version
            text = Buffer.concat(update.bytes).toString()
          }
          return update._tag === "Document"
        }
      )
      yield* refresh
      const listener: Fetcher.Listener = {
        loaded: Effect.sync(() => loaded),
        isPushed: Effect.succeed(false),
        isReady: Effect.succeed(true),
        refresh
      }
      yield* Effect.forkScoped(Stream.runDrain(fetcher.events(listener)))
      return { text: () => text }
    })
    return yield* Effect.replicateEffect(make, count)
  })

/** A client that only reads. */
export const reader = (
  redis: Connection.Options,
  options?: RedisFetcher.Options,
  client?: FliptClient.StateOptions
): Effect.Effect<Member, StartError, Scope.Scope> =>
  member(
    FliptClient.layerWithoutDependencies({ errorStrategy: "fallback", ...client }).pipe(
      Layer.provide([RedisFetcher.layer({ ...quickRead, ...options }), Engine.layerPortable]),
      Layer.provide(Connection.layer({ requestTimeout: "2 seconds", ...redis }))
    )
  )

export const isOn = ({ client }: Member): Effect.Effect<boolean | string> =>
  client.evaluateBoolean({ flagKey: "on", entityId: "1" }).pipe(
    Effect.map(({ enabled }) => enabled),
    Effect.catchAll(({ reason }) => Effect.succeed(reason))
  )

export const awaitOn = (member: Member, enabled: boolean) => untilOf(isOn(member), (found) => found === enabled)

export const awaitStatus = (member: Member, ...tags: ReadonlyArray<string>) =>
  untilOf(member.client.status, ({ _tag }) => tags.includes(_tag))

export const awaitMode = (member: Member, mode: string) =>
  untilOf(member.client.status, (status) => status.mode === mode)

/** Waits until one of these members leads, which means that it fetches from Flipt, and returns it. */
export const awaitLeader = (members: ReadonlyArray<Member>) =>
  Effect.map(
    untilOf(
      Effect.filter(members, ({ client }) =>
        Effect.map(client.status, ({ _tag, mode }) => mode !== "redis" && _tag === "Ready")
      ),
      (leaders) => leaders.length === 1
    ),
    ([leader]) => leader!
  )
