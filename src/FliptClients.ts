/**
 * Clients for many namespaces in one program. A client is created on first use, shared between all its users, and closed
 * after it has been idle for a while.
 *
 * If you have only a few fixed namespaces, you can give each client its own tag instead: see `FliptClient.make`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as FliptClient from "./FliptClient.js"
import type { EngineError, StartError, ValidationError } from "./FliptError.js"
import * as internal from "./internal/clients/make.js"
import { FliptClients } from "./internal/clients/tags.js"
import type { Target } from "./Model.js"

/**
 * Hands out clients by environment and namespace.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Returns the client for a target and keeps it open until the Scope closes. If there is no such client yet, it is
   * started like that of `FliptClient.layer`. Concurrent callers wait for the same start, which continues if one of them
   * is interrupted.
   *
   * If a start fails, all waiting callers get the error, and the next caller retries. Fails with a `ValidationError` of
   * reason `Argument` if the target is invalid, and with an `EngineError` of reason `Closed` after the layer's scope has
   * closed.
   *
   * `{}` and `{ namespace: "default" }` are the same target. The number of clients is not limited, so validate namespace
   * names that come from outside.
   */
  readonly get: (target: Target) => Effect.Effect<FliptClient.Service, StartError, Scope.Scope>
}

export {
  /**
   * The tag of the clients.
   *
   * @since 0.1.0
   * @category tags
   */
  FliptClients
}

/**
 * The options of `FliptClient.layer` that apply to every namespace.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<FliptClient.Options, "environment" | "namespace" | "snapshot"> {
  /**
   * How long an unused client stays open, so that its next user does not have to wait for a start. A plain number is in
   * milliseconds; `Infinity` keeps every client until the layer's scope closes. Default: five minutes.
   */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
}

/**
 * Clients that share one engine, one connection pool and one credential. Each client has its own state, its own entry in
 * the `SnapshotStore`, and its own requests or stream.
 *
 * Building the layer checks the options but sends no requests; a client sends its first request when it is started. The
 * layer fails with an `EngineError` only if `FLIPT_ENGINE` demands an engine that cannot be loaded, or is invalid.
 *
 * Clients use `Fetcher.RetryPolicy`, `SnapshotStore`, `Hook.Hooks`, `Telemetry`, the logger and the clock from the context
 * in which the layer is built, not from that of the caller of `get`. An Engine, Fetcher, Auth or Tls in the context is
 * not used and logs a warning. To supply those parts, use {@link layerWithoutDependencies}.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as FliptClients from "flipt-client-effect/FliptClients"
 *
 * // Configured by the FLIPT_* variables, except those that select a single namespace.
 * const clients = Layer.unwrapEffect(
 *   Effect.map(FliptClient.config, ({ environment: _, namespace: __, snapshot: ___, ...options }) =>
 *     FliptClients.layer({ ...options, idleTimeToLive: "1 hour" })
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<FliptClients, ValidationError | EngineError> =>
  Layer.scoped(FliptClients, internal.make(options))

/**
 * Clients built from a layer of your choice. `client` receives the target with its defaults filled in. Its layer is built
 * when the client is first used, and its scope closes with the client.
 *
 * Dependencies that the clients should share, such as an Engine, must be provided to the resulting layer and not inside
 * `client`.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Auth from "flipt-client-effect/Auth"
 * import * as Engine from "flipt-client-effect/Engine"
 * import * as Fetcher from "flipt-client-effect/Fetcher"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as FliptClients from "flipt-client-effect/FliptClients"
 * import * as Tls from "flipt-client-effect/Tls"
 *
 * const clients = FliptClients.layerWithoutDependencies({
 *   client: (target) =>
 *     FliptClient.layerWithoutDependencies({ errorStrategy: "fallback" }).pipe(
 *       Layer.provide(Fetcher.layerStreaming({ url: "https://flipt.example.com", ...target }))
 *     )
 * }).pipe(
 *   Layer.provide([
 *     Engine.layer,
 *     Auth.layerTokenFile("/var/run/secrets/flipt/token", { as: "jwtToken" }),
 *     Layer.provide(Tls.layerHttpClient, Tls.layerSystem)
 *   ])
 * )
 *
 * // In a test, without a server.
 * const testClients = FliptClients.layerWithoutDependencies({
 *   client: ({ namespace }) => FliptClient.layerMock({ "new-checkout": namespace === "beta" })
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWithoutDependencies = <R>(options: {
  readonly client: (target: {
    readonly environment: string
    readonly namespace: string
  }) => Layer.Layer<FliptClient.FliptClient, StartError, R>
  /** How long an unused client stays open: see {@link Options}. Default: five minutes. */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
}): Layer.Layer<FliptClients, ValidationError, R> =>
  Layer.scoped(FliptClients, internal.makeWithoutDependencies(options))

/**
 * Runs an effect with the client of the given target as its FliptClient. The client stays open while the effect runs. If
 * something outlives the effect, such as a daemon fiber, use `get` with a longer-lived Scope instead.
 *
 * Looking up a client costs more than a few evaluations, so wrap a group of evaluations rather than each one.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as FliptClients from "flipt-client-effect/FliptClients"
 *
 * const discount = FliptClient.evaluateBoolean({ flagKey: "discount", entityId: "user-42" })
 *
 * const program = Effect.all({
 *   shop: discount.pipe(FliptClients.provide({ namespace: "shop" })),
 *   blog: discount.pipe(FliptClients.provide({ namespace: "blog" }))
 * })
 *
 * const runnable = program.pipe(Effect.provide(FliptClients.layer({ url: "https://flipt.example.com" })))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const provide: {
  (
    target: Target
  ): <A, E, R>(
    self: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | StartError, Exclude<R, FliptClient.FliptClient> | FliptClients>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    target: Target
  ): Effect.Effect<A, E | StartError, Exclude<R, FliptClient.FliptClient> | FliptClients>
} = dual(
  2,
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    target: Target
  ): Effect.Effect<A, E | StartError, Exclude<R, FliptClient.FliptClient> | FliptClients> =>
    Effect.flatMap(FliptClients, (clients) =>
      // the effect's own Scope, if it has one, stays what it is
      Effect.scopedWith((scope) =>
        Effect.flatMap(Scope.extend(clients.get(target), scope), (client) =>
          Effect.provideService(self, FliptClient.FliptClient, client)
        )
      )
    )
)
