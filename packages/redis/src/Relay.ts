/**
 * Relays the flag state of a Flipt server to a fleet. Of all processes with a relay for the same namespace, one leads: it
 * fetches from Flipt and publishes each state in Redis. The others read it there.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import type * as Fetcher from "flipt-client-effect/Fetcher"
import type { ValidationError } from "flipt-client-effect/FliptError"
import type * as SnapshotStore from "flipt-client-effect/SnapshotStore"
import * as relay from "./internal/relay.js"
import type { Connection } from "./internal/tags.js"
import type { ReadOptions } from "./RedisFetcher.js"

/**
 * Options of a relay.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends ReadOptions {
  /** Whether this process may lead. Default: true. */
  readonly lead?: boolean | undefined
  /**
   * How long a process leads without renewing its lease. It renews three times as often. If a leader dies, another
   * process takes over within this time and a tenth of it. Default: 6 seconds.
   */
  readonly leaseDuration?: Duration.DurationInput | undefined
  /**
   * How long reading from Redis may fail before this process fetches from Flipt itself, until it can read from Redis
   * again. The whole fleet may do so at the same time, so each process adds a random delay of up to the same duration.
   * A process that starts without any state does not wait. Default: `Infinity`, so only the leader ever sends requests
   * to Flipt.
   */
  readonly fallbackAfter?: Duration.DurationInput | undefined
}

/**
 * Puts a relay between a client and its Fetcher, and publishes what the client loads.
 *
 * - **The leader** uses the Fetcher that this layer is built with. It publishes a state after its client has loaded it,
 *   so a document that does not load never reaches the fleet. A lease in Redis determines the leader. Each lease has a
 *   fencing token, and Redis rejects states with a token that is older than the latest lease, so a leader that was
 *   paused and still believes that it leads does no harm.
 * - **All others** read from Redis, as with `RedisFetcher.layer`. When the lease expires, one of them takes over.
 * - **A leader that cannot confirm its state** with Flipt for `staleAfter` gives up the lease, so that a process with a
 *   better connection can take over.
 * - **While Redis cannot be reached**, all processes keep the last state. The leader continues to fetch from Flipt. The
 *   `status` of the others is `Stale` until Redis is back, or until they fetch from Flipt after `fallbackAfter`.
 *
 * `status.mode` is `"redis"` while the process reads from Redis, and the mode of its Fetcher while it fetches from Flipt.
 *
 * The layer also provides a SnapshotStore: clients with the error strategy `fallback` start from the last state in
 * Redis if Flipt cannot be reached. If this layer is built with another SnapshotStore, it also saves states there, and
 * loads from it if Redis has no state.
 *
 * Neither credentials nor anything else about the Fetcher is written to Redis.
 *
 * @example
 * ```ts
 * import { Connection, Relay } from "@flipt-client-effect/redis"
 * import * as Layer from "effect/Layer"
 * import * as Auth from "flipt-client-effect/Auth"
 * import * as Engine from "flipt-client-effect/Engine"
 * import * as Fetcher from "flipt-client-effect/Fetcher"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as Tls from "flipt-client-effect/Tls"
 *
 * const flipt = Fetcher.layerStreaming({ url: "http://localhost:8080", namespace: "shop" }).pipe(
 *   Layer.provide([Tls.layerHttpClient, Auth.layerNone]),
 *   Layer.provide(Tls.layerSystem)
 * )
 *
 * const client = FliptClient.layerWithoutDependencies({ errorStrategy: "fallback" }).pipe(
 *   Layer.provide([Relay.layer({ fallbackAfter: "5 minutes" }), Engine.layer]),
 *   Layer.provide([flipt, Connection.layer({ url: "redis://localhost:6379" })])
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: Options
): Layer.Layer<Fetcher.Fetcher | SnapshotStore.SnapshotStore, ValidationError, Fetcher.Fetcher | Connection> =>
  Layer.scopedContext(relay.make(options))
