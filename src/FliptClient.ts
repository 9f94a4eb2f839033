/**
 * Fetches a namespace's flags from Flipt, keeps them up to date, and evaluates them inside your application.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
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
import { FliptClient } from "./internal/client/tags.js"
import type { BatchEntry, BooleanResult, EvaluationRequest, FlagInfo, Seed, VariantResult } from "./Model.js"
import type { Snapshot } from "./Snapshot.js"
import type { Status } from "./Status.js"
import type * as Tls from "./Tls.js"

/**
 * A client for one namespace. Evaluations use the loaded state and never send a request.
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
   * Evaluates several flags of either type against one state. The results are in the order of the requests. An unknown
   * flag yields an `ErrorResult`; an invalid request fails the whole batch.
   */
  readonly evaluateBatch: (
    requests: ReadonlyArray<EvaluationRequest>
  ) => Effect.Effect<ReadonlyArray<BatchEntry>, EvaluateError>
  /** Lists all flags of the namespace, in the server's order. */
  readonly listFlags: Effect.Effect<ReadonlyArray<FlagInfo>, EvaluationError>
  /**
   * Returns the current compiled state, which stays open until the Scope closes. Use it to evaluate synchronously, or to
   * evaluate several flags consistently. To export the state as text, use `getSnapshot`.
   */
  readonly snapshot: Effect.Effect<Snapshot, EvaluationError, Scope.Scope>
  /**
   * Returns this client pinned to its current state until the Scope closes. Evaluations, `listFlags`, `snapshot` and
   * `getSnapshot` of the pinned client all use that state; if there is no usable state, they all fail with the current
   * error. All other members behave like those of the original client. After the Scope has closed, the pinned client
   * fails with reason `Closed`. See {@link withPinned}.
   */
  readonly pinned: Effect.Effect<Service, never, Scope.Scope>
  /** Exports the current state as base64 text, which the option `snapshot` of every Flipt client accepts. */
  readonly getSnapshot: Effect.Effect<Seed, EvaluationError>
  /** Fetches now, or joins a fetch that is already running. Returns true if a new document was loaded. */
  readonly refresh: Effect.Effect<boolean, RefreshError>
  /**
   * Like `refresh`, but fetches the whole state even if the source considers it unchanged. Use it if you suspect that the
   * source is wrong about that. Waits for a running `refresh` first. Returns false if the content equals the loaded one.
   */
  readonly refetch: Effect.Effect<boolean, RefreshError>
  /** Returns how up to date the state is. */
  readonly status: Effect.Effect<Status>
  /**
   * Emits the current status, and then every change. Each confirmation by the server is a change. A slow consumer skips
   * intermediate values and receives the latest. Ends when the client closes.
   */
  readonly statusChanges: Stream.Stream<Status>
  /**
   * Emits which flags changed, starting when the stream is run. A flag counts as changed only if its evaluation could
   * differ: changing a segment changes every flag that uses it, but changing ids, names, timestamps or white space
   * changes none. A slow consumer receives the difference to the last state it saw. Ends when the client closes.
   */
  readonly changes: Stream.Stream<Changes>
  /**
   * Waits until the status is `Ready`, which means that a state is loaded and the server has confirmed it. A stream may
   * not be connected yet. Never fails, and waits as long as an outage lasts, so consider `Effect.timeout`. Interrupts if
   * the client closes.
   */
  readonly awaitReady: Effect.Effect<void>
  /**
   * Emits the current result of a variant flag for an entity, and then every change. Errors are emitted as values,
   * because the next state may resolve them. Ends when the client closes.
   */
  readonly watchVariant: (request: EvaluationRequest) => Stream.Stream<Either.Either<VariantResult, EvaluateError>>
  /**
   * Emits the current result of a boolean flag for an entity, and then every change. Errors are emitted as values,
   * because the next state may resolve them. Ends when the client closes.
   */
  readonly watchBoolean: (request: EvaluationRequest) => Stream.Stream<Either.Either<BooleanResult, EvaluateError>>
}

/**
 * The keys of the flags that differ between two states.
 *
 * @since 0.1.0
 * @category models
 */
export interface Changes {
  readonly added: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
  /** The flags whose `Snapshot.fingerprint` changed. */
  readonly changed: ReadonlyArray<string>
}

export {
  /**
   * The tag of the client.
   *
   * @since 0.1.0
   * @category tags
   */
  FliptClient
}

/**
 * Options of the client itself, independent of its Engine and Fetcher.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateOptions {
  /**
   * What happens if the state cannot be updated.
   *
   * - `"fail"` (default): if the first fetch fails, the layer fails. If a later fetch fails, evaluations fail with an
   *   `EvaluationError` of reason `Unavailable` until a fetch succeeds.
   * - `"fallback"`: the client keeps serving the last state. At startup that is the state in the `SnapshotStore`, or else
   *   the option `snapshot`. If there is neither, evaluations fail with reason `NotReady` until the first fetch succeeds.
   *   Building the client waits for the first fetch for at most ten seconds.
   *
   * In both cases the client keeps fetching, and `status` says since when and why updates fail.
   */
  readonly errorStrategy?: "fail" | "fallback" | undefined
  /**
   * The state to start from: the result of `getSnapshot` from this or any other Flipt client. With the strategy
   * `fallback`, a state in the `SnapshotStore` takes precedence. Default: none.
   */
  readonly snapshot?: Seed | undefined
}

/**
 * Options of {@link layer} and {@link make}, named as in the official SDKs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Fetcher.Options, StateOptions {
  /** The credential to send. Default: none. */
  readonly authentication?: Auth.Authentication | undefined
  /**
   * How to keep the state up to date: `"polling"` fetches every `updateInterval`; `"streaming"` also receives changes
   * that a Flipt v2 server pushes. Default: `"polling"`.
   */
  readonly fetchMode?: "polling" | "streaming" | undefined
  /** TLS and proxy settings. Default: the settings of the platform. */
  readonly tlsConfig?: Tls.Options | undefined
}

type Wrapped<A> = A extends unknown ? Config.Config.Wrap<A> : never

/**
 * {@link Options} as a single Config, or as an object of Configs.
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
 * The default configuration of {@link layerConfig}: options read from the `FLIPT_*` environment variables. Map it to add
 * options that have no variable.
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
 * Creates a client like {@link layer}, in the current Scope. Use it to put a client under a tag of your own.
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
 * Creates a client from the Engine and Fetcher in the context, in the current Scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeWithoutDependencies = (
  options?: StateOptions
): Effect.Effect<Service, StartError, Engine.Engine | Fetcher.Fetcher | Scope.Scope> =>
  Effect.withSpan(Effect.flatMap(decodeState(options), client.make), "FliptClient.make", { captureStackTrace: false })

/**
 * A complete client: it brings its own engine, HTTP client, authentication and Fetcher, configured by the options of the
 * official SDKs.
 *
 * The layer is ready once the first fetch has ended, or with the error strategy `fallback` after at most ten seconds.
 * Each call creates a separate client, so store the layer in a constant and reuse it.
 *
 * It uses `Fetcher.RetryPolicy`, `SnapshotStore`, `Hook.Hooks` and `Telemetry` from the context. An Engine, Fetcher, Auth
 * or Tls in the context is not used and logs a warning. To supply those, use {@link layerWithoutDependencies}.
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
 * A complete client like {@link layer}, configured through `Config`. Without an argument it reads these variables:
 *
 * - `FLIPT_URL`, `FLIPT_ENVIRONMENT`, `FLIPT_NAMESPACE`, `FLIPT_REFERENCE`, and `FLIPT_CLIENT_TOKEN` or `FLIPT_JWT_TOKEN`
 * - `FLIPT_FETCH_MODE`, `FLIPT_UPDATE_INTERVAL`, `FLIPT_REQUEST_TIMEOUT`, `FLIPT_ERROR_STRATEGY` and `FLIPT_SNAPSHOT`
 * - for TLS: `FLIPT_CA_CERT_FILE`, `FLIPT_CA_CERT_DATA`, `FLIPT_ONLY_CUSTOM_CA`, `FLIPT_CLIENT_CERT_FILE`,
 *   `FLIPT_CLIENT_CERT_DATA`, `FLIPT_CLIENT_KEY_FILE`, `FLIPT_CLIENT_KEY_DATA`, `FLIPT_KEY_PASSPHRASE`,
 *   `FLIPT_INSECURE_SKIP_VERIFY`, `FLIPT_INSECURE_SKIP_HOSTNAME_VERIFY`, `FLIPT_TLS_SERVER_NAME`,
 *   `FLIPT_TLS_MIN_VERSION`, `FLIPT_TLS_RELOAD_INTERVAL`, `FLIPT_PROXY` and `FLIPT_HTTP2`
 *
 * A duration is text such as `30 seconds`, a plain number of seconds, or `infinity`. Empty variables count as unset.
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
 * A client that uses the Engine and Fetcher from the context.
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
 * A complete client without a server, for tests. To change flags during a test, use `FliptTest`.
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
 * Evaluates a variant flag with the client from the context.
 *
 * @since 0.1.0
 * @category accessors
 */
export const evaluateVariant = (request: EvaluationRequest): Effect.Effect<VariantResult, EvaluateError, FliptClient> =>
  Effect.flatMap(FliptClient, (client) => client.evaluateVariant(request))

/**
 * Evaluates a boolean flag with the client from the context.
 *
 * @since 0.1.0
 * @category accessors
 */
export const evaluateBoolean = (request: EvaluationRequest): Effect.Effect<BooleanResult, EvaluateError, FliptClient> =>
  Effect.flatMap(FliptClient, (client) => client.evaluateBoolean(request))

/**
 * Evaluates several flags with the client from the context.
 *
 * @since 0.1.0
 * @category accessors
 */
export const evaluateBatch = (
  requests: ReadonlyArray<EvaluationRequest>
): Effect.Effect<ReadonlyArray<BatchEntry>, EvaluateError, FliptClient> =>
  Effect.flatMap(FliptClient, (client) => client.evaluateBatch(requests))

/**
 * Runs an effect, such as the handler of a request, with the client pinned to its current state, so all its evaluations
 * are consistent even if a new state arrives meanwhile. A nested `withPinned` keeps the outer state.
 * In fibers that outlive the effect, the pinned client fails with reason `Closed`.
 *
 * Hooks and telemetry still apply. If a single function evaluates several flags, `snapshot` is simpler and faster.
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
