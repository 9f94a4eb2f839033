/**
 * The client: a namespace's flag state, fetched from Flipt, kept current in the background, and evaluated inside the
 * application. Its scope owns everything that it uses.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Auth from "./Auth.js"
import * as Engine from "./Engine.js"
import * as Fetcher from "./Fetcher.js"
import type { EvaluateError, EvaluationError, RefreshError, StartError } from "./FliptError.js"
import * as configs from "./internal/client/config.js"
import * as oneStop from "./internal/client/defaultClient.js"
import * as client from "./internal/client/make.js"
import { decodeState } from "./internal/client/options.js"
import type { BatchEntry, BooleanResult, EvaluationRequest, FlagInfo, Seed, VariantResult } from "./Model.js"
import type { Snapshot } from "./Snapshot.js"
import type { Status } from "./Status.js"
import type * as Tls from "./Tls.js"

/**
 * The client of one namespace. All evaluations are by the state that is loaded, and make no request.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Evaluates a variant flag. */
  readonly evaluateVariant: (request: EvaluationRequest) => Effect.Effect<VariantResult, EvaluateError>
  /** Evaluates a boolean flag. */
  readonly evaluateBoolean: (request: EvaluationRequest) => Effect.Effect<BooleanResult, EvaluateError>
  /**
   * Evaluates many flags, of either type, over one state and in the order of the requests. An unknown flag gives an
   * `ErrorResult` in its place; a request that is not valid fails the whole.
   */
  readonly evaluateBatch: (
    requests: ReadonlyArray<EvaluationRequest>
  ) => Effect.Effect<ReadonlyArray<BatchEntry>, EvaluateError>
  /** All flags of the namespace, in the server's order. */
  readonly listFlags: Effect.Effect<ReadonlyArray<FlagInfo>, EvaluationError>
  /**
   * The compiled state of now, kept alive until the Scope ends: for one consistent view in a request, and to evaluate
   * synchronously. Not to be confused with `getSnapshot`.
   */
  readonly snapshot: Effect.Effect<Snapshot, EvaluationError, Scope.Scope>
  /**
   * This client over the state of now, until the Scope ends: evaluations, `listFlags`, `snapshot` and `getSnapshot` all
   * answer from one state, or all with the error of now where there is none. Everything else is the client's own. Once
   * the Scope has ended it answers `Closed`. See {@link withPinned}.
   */
  readonly pinned: Effect.Effect<Service, never, Scope.Scope>
  /** The state of now as base64 text, to store or to hand to another Flipt client: what the option `snapshot` takes. */
  readonly getSnapshot: Effect.Effect<Seed, EvaluationError>
  /** Fetches now, or joins the fetch that is under way. True when a document was loaded, false when nothing is new. */
  readonly refresh: Effect.Effect<boolean, RefreshError>
  /** How current the state is. */
  readonly status: Effect.Effect<Status>
  /**
   * The status now, and every other that it becomes, which with each confirmation by the server is one. Who is slow
   * gets the latest one and misses those before it. Ends when the client closes.
   */
  readonly statusChanges: Stream.Stream<Status>
  /**
   * Which flags are others than before, from the time on when the stream is run: by all that evaluation can see of
   * them, so that a changed segment changes every flag that uses it, and ids, names, timestamps and white space change
   * none. Who is slow gets the difference to what it last got. Ends when the client closes.
   */
  readonly changes: Stream.Stream<Changes>
  /**
   * Waits until the status is `Ready`: the state is loaded, and the server has confirmed it. A stream may not be up yet
   * then. Never fails, and waits as long as an outage lasts: add `Effect.timeout`. Interrupted when the client closes.
   */
  readonly awaitReady: Effect.Effect<void>
  /**
   * The result of a variant flag for an entity now, and every other that it becomes. Errors are values here, since the
   * next state may end them. Ends when the client closes.
   */
  readonly watchVariant: (request: EvaluationRequest) => Stream.Stream<Either.Either<VariantResult, EvaluateError>>
  /**
   * The result of a boolean flag for an entity now, and every other that it becomes. Errors are values here, since the
   * next state may end them. Ends when the client closes.
   */
  readonly watchBoolean: (request: EvaluationRequest) => Stream.Stream<Either.Either<BooleanResult, EvaluateError>>
}

/**
 * The keys of flags that are others than before.
 *
 * @since 0.1.0
 * @category models
 */
export interface Changes {
  readonly added: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
  /** Those that evaluation may now answer differently: by `Snapshot.fingerprint`. */
  readonly changed: ReadonlyArray<string>
}

/**
 * The client.
 *
 * @since 0.1.0
 * @category tags
 */
export class FliptClient extends Context.Tag("flipt-client-effect/FliptClient")<FliptClient, Service>() {}

/**
 * What concerns the client alone.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateOptions {
  /**
   * What happens when the state cannot be brought up to date.
   *
   * - `"fail"` (default): the layer fails when its first fetch does. Later, evaluations fail with an `EvaluationError`
   *   of reason `Unavailable` until the next fetch succeeds.
   * - `"fallback"`: the last state goes on; at the start that of the `SnapshotStore`, else the `snapshot` option. With
   *   none of them the client starts all the same, and evaluations fail with reason `NotReady` until the first fetch
   *   succeeds. The start waits for the first fetch for ten seconds at most.
   *
   * In both, fetching goes on, and `status` says since when and why.
   */
  readonly errorStrategy?: "fail" | "fallback" | undefined
  /**
   * What `getSnapshot` of this or another Flipt client gave, to start from. There is no time in it, so a state that a
   * `SnapshotStore` has kept is taken for the newer one. Default: none.
   */
  readonly snapshot?: Seed | undefined
}

/**
 * The options of the official SDKs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Fetcher.Options, StateOptions {
  /** Default: no credential is sent. */
  readonly authentication?: Auth.Authentication | undefined
  /**
   * How the state is kept current: asked for every `updateInterval`, or also pushed by the server as it changes, by
   * Flipt v2. Default: `"polling"`.
   */
  readonly fetchMode?: "polling" | "streaming" | undefined
  /** What connections are secured with, and the proxy that they go through. Default: the platform's own settings. */
  readonly tlsConfig?: Tls.Options | undefined
}

type Wrapped<A> = A extends unknown ? Config.Config.Wrap<A> : never

/**
 * The options as a Config, or as an object of Configs.
 *
 * @since 0.1.0
 * @category models
 */
export type ConfigOptions =
  | Config.Config<Options>
  | (Config.Config.Wrap<Omit<Options, "authentication">> & {
      // Config.Wrap does not distribute over a union
      readonly authentication?: Wrapped<Auth.Authentication> | Config.Config<Auth.Authentication | undefined>
    })

/**
 * The options as the variables have them that {@link layerConfig} reads when it is given nothing, to add what has no
 * variable.
 *
 * @example
 * ```ts
 * import * as Config from "effect/Config"
 * import * as Redacted from "effect/Redacted"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const client = FliptClient.layerConfig(
 *   Config.map(FliptClient.config, (options) => ({ ...options, headers: { "X-Key": Redacted.make("my-key") } }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<Options> = configs.environment

/**
 * Makes a client with everything that it needs, in the Scope. For a tag of your own: `Layer.scoped(MyTag, make(...))`.
 *
 * @example
 * ```ts
 * import * as Context from "effect/Context"
 * import * as Layer from "effect/Layer"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * class ShopFlags extends Context.Tag("ShopFlags")<ShopFlags, FliptClient.Service>() {}
 *
 * const shopFlags = Layer.scoped(ShopFlags, FliptClient.make({ namespace: "shop" }))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Service, StartError, Scope.Scope> => oneStop.make(options)

/**
 * Makes a client from an Engine and a Fetcher of your choice.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeWithoutDependencies = (
  options?: StateOptions
): Effect.Effect<Service, StartError, Engine.Engine | Fetcher.Fetcher | Scope.Scope> =>
  Effect.flatMap(decodeState(options), client.make)

/**
 * The one-stop client: engine, HTTP client, authentication and fetcher inside, by the official SDKs' options. It is
 * built when the first fetch has ended, with the strategy `fallback` after ten seconds at the latest. It honours
 * `Fetcher.RetryPolicy`, `SnapshotStore`, `Hook.Hooks` and `Telemetry`.
 *
 * An Engine, Fetcher, Auth or Tls that you provide to it would not be used, so it warns about them: build from parts
 * with {@link layerWithoutDependencies}.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Redacted from "effect/Redacted"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const program = FliptClient.evaluateBoolean({ flagKey: "new-checkout", entityId: "user-1", context: { plan: "pro" } })
 *
 * const runnable = program.pipe(
 *   Effect.provide(
 *     FliptClient.layer({
 *       url: "https://flipt.example.com",
 *       authentication: { clientToken: Redacted.make("my-token") },
 *       updateInterval: "30 seconds",
 *       errorStrategy: "fallback"
 *     })
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<FliptClient, StartError> =>
  Layer.scoped(FliptClient, make(options))

/**
 * The one-stop client, configured. Without an argument it reads `FLIPT_URL`, `FLIPT_ENVIRONMENT`, `FLIPT_NAMESPACE`,
 * `FLIPT_REFERENCE`, `FLIPT_CLIENT_TOKEN` or `FLIPT_JWT_TOKEN`, `FLIPT_FETCH_MODE`, `FLIPT_UPDATE_INTERVAL`,
 * `FLIPT_REQUEST_TIMEOUT`, `FLIPT_ERROR_STRATEGY` and `FLIPT_SNAPSHOT`. A duration there is a text such as
 * `30 seconds`, a bare number of seconds, or `infinity`.
 *
 * For TLS it reads `FLIPT_CA_CERT_FILE`, `FLIPT_CA_CERT_DATA`, `FLIPT_ONLY_CUSTOM_CA`, `FLIPT_CLIENT_CERT_FILE`,
 * `FLIPT_CLIENT_CERT_DATA`, `FLIPT_CLIENT_KEY_FILE`, `FLIPT_CLIENT_KEY_DATA`, `FLIPT_KEY_PASSPHRASE`,
 * `FLIPT_INSECURE_SKIP_VERIFY`, `FLIPT_INSECURE_SKIP_HOSTNAME_VERIFY`, `FLIPT_TLS_SERVER_NAME`,
 * `FLIPT_TLS_MIN_VERSION`, `FLIPT_TLS_RELOAD_INTERVAL`, `FLIPT_PROXY` and `FLIPT_HTTP2`. An empty one counts as unset.
 *
 * @example
 * ```ts
 * import * as Config from "effect/Config"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const client = FliptClient.layerConfig({
 *   url: Config.string("FLAGS_URL"),
 *   authentication: { clientToken: Config.redacted("FLAGS_TOKEN") }
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (options?: ConfigOptions): Layer.Layer<FliptClient, StartError | ConfigError.ConfigError> =>
  Layer.scoped(
    FliptClient,
    Effect.flatMap(options === undefined ? configs.environment : configs.fromOptions(options), make)
  )

/**
 * The client from an Engine and a Fetcher of your choice.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Engine from "flipt-client-effect/Engine"
 * import * as Fetcher from "flipt-client-effect/Fetcher"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const client = FliptClient.layerWithoutDependencies().pipe(
 *   Layer.provide([Engine.layerPortable, Fetcher.layerFile("flags.json")])
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWithoutDependencies = (
  options?: StateOptions
): Layer.Layer<FliptClient, StartError, Engine.Engine | Fetcher.Fetcher> =>
  Layer.scoped(FliptClient, makeWithoutDependencies(options))

/**
 * A whole client without a server, for tests: `Engine.layerMock` under `Fetcher.layerStatic`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const test = FliptClient.evaluateBoolean({ flagKey: "new-checkout", entityId: "user-1" }).pipe(
 *   Effect.provide(FliptClient.layerMock({ "new-checkout": true }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMock = (flags: Engine.MockFlags): Layer.Layer<FliptClient> =>
  layerWithoutDependencies().pipe(Layer.provide([Engine.layerMock(flags), Fetcher.layerStatic()]), Layer.orDie)

/**
 * Evaluates a variant flag with the client of the context.
 *
 * @since 0.1.0
 * @category accessors
 */
export const evaluateVariant = (request: EvaluationRequest): Effect.Effect<VariantResult, EvaluateError, FliptClient> =>
  Effect.flatMap(FliptClient, (client) => client.evaluateVariant(request))

/**
 * Evaluates a boolean flag with the client of the context.
 *
 * @since 0.1.0
 * @category accessors
 */
export const evaluateBoolean = (request: EvaluationRequest): Effect.Effect<BooleanResult, EvaluateError, FliptClient> =>
  Effect.flatMap(FliptClient, (client) => client.evaluateBoolean(request))

/**
 * Evaluates many flags with the client of the context.
 *
 * @since 0.1.0
 * @category accessors
 */
export const evaluateBatch = (
  requests: ReadonlyArray<EvaluationRequest>
): Effect.Effect<ReadonlyArray<BatchEntry>, EvaluateError, FliptClient> =>
  Effect.flatMap(FliptClient, (client) => client.evaluateBatch(requests))

/**
 * Runs an effect, such as the handling of one request, with the client pinned to the state of now: whatever it
 * evaluates, wherever in it, agrees with the rest, also when a new state comes in the middle. Inside of another one
 * it is still that one's state. Fibers that outlive the effect get `Closed` from the pinned client.
 *
 * It serves code that takes the client out of the context and evaluates by effects, hooks and telemetry included. Where
 * one function asks for several flags, `snapshot` is simpler, and faster.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const price = FliptClient.evaluateBoolean({ flagKey: "new-prices", entityId: "user-1" })
 * const banner = FliptClient.evaluateVariant({ flagKey: "price-banner", entityId: "user-1" })
 *
 * const handleRequest = Effect.all({ price, banner }).pipe(FliptClient.withPinned)
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withPinned = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | FliptClient> =>
  Effect.scopedWith((scope) =>
    Effect.flatMap(FliptClient, (client) =>
      Effect.flatMap(Scope.extend(client.pinned, scope), (pinned) => Effect.provideService(self, FliptClient, pinned))
    )
  )
