/**
 * One flag state for all worker threads of a process. The client of the main thread loads it; the workers evaluate it, each
 * on its own thread.
 *
 * A state of the native engine exists once, however many workers use it. A state of the portable engine is compiled in
 * each worker, from bytes that exist once.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as FliptClient from "./FliptClient.js"
import type { StartError, ValidationError } from "./FliptError.js"
import { Sharing } from "./internal/client/sharing.js"
import * as tags from "./internal/client/tags.js"
import * as client from "./internal/workers/client.js"
import * as serve from "./internal/workers/serve.js"
import type { Target } from "./Model.js"

/**
 * Options of {@link layerClient}: the environment and the namespace of the client in the main thread, and what happens if
 * that client cannot update its state.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientOptions extends Target, FliptClient.StateOptions {}

/**
 * Serves the states of the clients that are built with this layer to all workers of the process. It works for every client:
 * those of `FliptClient`, `FliptClients` and `FliptTest`.
 *
 * Workers get each new state and each change of the status as soon as the client has it. A worker can start at any time and
 * gets the current state. A process can have one such client per environment and namespace.
 *
 * Serve from the main thread. Workers would not notice if a worker that serves is terminated. Fails with a `ValidationError`
 * on platforms other than Node.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as Workers from "flipt-client-effect/Workers"
 *
 * const flags = FliptClient.layer({ url: "http://localhost:8080", namespace: "shop" }).pipe(
 *   Layer.provide(Workers.layerServe)
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerServe: Layer.Layer<never, ValidationError> = Layer.effect(
  Sharing,
  Effect.as(client.checkPlatform, serve.make)
)

/**
 * A client for a worker thread. It evaluates the state that a client with {@link layerServe} has loaded, and needs neither a
 * server nor a credential.
 *
 * - `status` is that of the client in the main thread, except for `engine`, and for the moment in which the worker loads a
 *   state.
 * - `refresh` and `refetch` run in the main thread.
 * - `errorStrategy` decides what happens in an outage of the main thread's client, as in `FliptClient.layer`. With `fail`,
 *   building the client fails if there is no state within 30 seconds.
 * - If the client of the main thread closes, the worker keeps its last state, and `status` is `Stale` with a `FetchError` of
 *   reason `Source`. The worker continues with the next client that serves the namespace.
 *
 * Hooks and telemetry come from the context. A `SnapshotStore` is not used.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as Workers from "flipt-client-effect/Workers"
 *
 * // in the worker
 * const program = FliptClient.evaluateBoolean({ flagKey: "new-checkout", entityId: "user-1" }).pipe(
 *   Effect.provide(Workers.layerClient({ namespace: "shop" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClient = (options?: ClientOptions): Layer.Layer<FliptClient.FliptClient, StartError> =>
  Layer.scoped(tags.FliptClient, client.make(options))
