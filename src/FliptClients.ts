/**
 * Clients for many namespaces in one program: each is made when it is first asked for, shared by all who ask for the same,
 * and closed when nobody has used it for a while. Where the namespaces are few and known, clients with tags of your own
 * do as well: see `FliptClient.make`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as FliptClient from "./FliptClient.js"
import type { EngineError, StartError, ValidationError } from "./FliptError.js"
import * as internal from "./internal/clients/make.js"
import type { Target } from "./Model.js"

/**
 * The clients of many namespaces, each for as long as it is used.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The client of a namespace, for as long as the Scope is open: the one that there is, or a new one, which starts as
   * that of `FliptClient.layer` does. Who asks while it starts waits for the same start, and it goes on when one of
   * them is interrupted.
   *
   * A start that fails is not remembered: who waits for it gets its error, and who asks next starts again. Fails with a
   * `ValidationError` of reason `Argument` when the target is none, and with an `EngineError` of reason `Closed` when
   * the clients are closed.
   *
   * `{}` and `{ namespace: "default" }` are the same target. There is no limit to how many clients there are: where a
   * namespace's name comes from outside, see first that it is one of yours.
   */
  readonly get: (target: Target) => Effect.Effect<FliptClient.Service, StartError, Scope.Scope>
}

/**
 * The clients of many namespaces, in the context of a program.
 *
 * @since 0.1.0
 * @category tags
 */
export class FliptClients extends Context.Tag("flipt-client-effect/FliptClients")<FliptClients, Service>() {}

/**
 * The options of `FliptClient.layer`, for every client; but for those that are of one namespace.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<FliptClient.Options, "environment" | "namespace" | "snapshot"> {
  /**
   * How long a client that nobody uses goes on, so that the next one who asks need not wait for a start. `Infinity`
   * keeps every client until the layer's scope closes. Default: five minutes.
   */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
}

/**
 * Clients that share one engine, one connection pool and one credential; each has its own state, its own entry in the
 * `SnapshotStore`, and its own requests or stream. The options are checked when the layer is built; requests are made
 * when a client is asked for. The layer fails with an `EngineError` only where `FLIPT_ENGINE` leaves it no choice.
 *
 * `Fetcher.RetryPolicy`, `SnapshotStore` and all else that a client honours are those of the layer's context, whoever
 * asks for the client. So are the logger and the clock. An Engine, Fetcher, Auth or Tls that you provide to it would not
 * be used, so it warns about them: build from parts with {@link layerWithoutDependencies}.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as FliptClients from "flipt-client-effect/FliptClients"
 *
 * // configured: by the FLIPT_* variables, but for those of one namespace
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
 * Clients by a layer of your choice for each target, with its defaults filled in. Each is built when its client is asked
 * for, and its scope closes with the client. What the clients are to share, such as an Engine, belongs outside of that
 * layer, and is provided to this one.
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
 * // in a test, without a server
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
  /** See {@link Options}. Default: five minutes. */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
}): Layer.Layer<FliptClients, ValidationError, R> =>
  Layer.scoped(FliptClients, internal.makeWithoutDependencies(options))

/**
 * Runs an effect with the client of another namespace in the place of its FliptClient. The client is kept for as long
 * as the effect runs: for what outlives it, such as a fiber that it leaves behind, ask with `get` in a scope that does
 * too. For many evaluations put it around all of them: taking a client costs more than a few evaluations.
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
