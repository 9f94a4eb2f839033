/**
 * Reads the flag state that a relay publishes in Redis. A process with this Fetcher never sends a request to Flipt.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import type * as Fetcher from "flipt-client-effect/Fetcher"
import type { ValidationError } from "flipt-client-effect/FliptError"
import type { Target } from "flipt-client-effect/Model"
import type * as SnapshotStore from "flipt-client-effect/SnapshotStore"
import * as reader from "./internal/readerLayer.js"
import type { Connection } from "./internal/tags.js"

/**
 * How a state is read from Redis.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReadOptions {
  /**
   * How long after its last confirmation by the leader a state counts as outdated. From then on, `status` is `Stale`.
   * Keep it above twice the relay's `leaseDuration`, so that a change of leaders is not an outage. Default: 20 seconds.
   */
  readonly staleAfter?: Duration.DurationInput | undefined
  /**
   * How often to read from Redis, in addition to the messages that report changes. Each interval varies randomly by up to
   * 10 % either way. Default: 10 seconds.
   */
  readonly updateInterval?: Duration.DurationInput | undefined
  /** The maximum size of a document in bytes. Larger ones are neither published nor read. Default: 256 MiB. */
  readonly maxBodySize?: number | undefined
}

/**
 * Options of {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends ReadOptions, Target {}

/**
 * A Fetcher that reads from Redis, and a SnapshotStore for the start of a client with the error strategy `fallback`.
 *
 * The Fetcher subscribes to changes, and reads the state whenever it has connected, so nothing is missed. A fetch fails,
 * and `status` becomes `Stale`, if Redis cannot be reached, or if no relay has confirmed the state for `staleAfter`:
 * Flipt cannot be reached, or no process leads. The last state remains in use.
 *
 * If the first fetch finds no confirmed state, it waits ten seconds for one. Then a client with the error strategy
 * `fallback` starts from the last state in Redis, and a client with the error strategy `fail` does not start. If Redis
 * cannot be reached, the client starts from the SnapshotStore with which this layer is built, if there is one.
 *
 * @example
 * ```ts
 * import { Connection, RedisFetcher } from "@flipt-client-effect/redis"
 * import * as Layer from "effect/Layer"
 * import * as Engine from "flipt-client-effect/Engine"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const client = FliptClient.layerWithoutDependencies({ errorStrategy: "fallback" }).pipe(
 *   Layer.provide([RedisFetcher.layer({ namespace: "shop" }), Engine.layer]),
 *   Layer.provide(Connection.layer({ url: "redis://localhost:6379" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: Options
): Layer.Layer<Fetcher.Fetcher | SnapshotStore.SnapshotStore, ValidationError, Connection> =>
  Layer.effectContext(reader.make(options))
