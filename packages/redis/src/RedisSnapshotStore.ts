/**
 * Keeps the last flag state in Redis, for clients that fetch from Flipt themselves.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import type { ValidationError } from "flipt-client-effect/FliptError"
import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
import * as store from "./internal/store.js"
import type { Connection } from "./internal/tags.js"

/**
 * Options of {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The maximum size of a document in bytes. Larger ones are neither stored nor read. Default: 256 MiB. */
  readonly maxBodySize?: number | undefined
}

/**
 * A SnapshotStore in Redis. Any number of clients can share it: a state that is already stored is not sent again.
 *
 * It also reads the states that a relay has published under the same prefix, and never replaces them.
 *
 * @example
 * ```ts
 * import { Connection, RedisSnapshotStore } from "@flipt-client-effect/redis"
 * import * as Layer from "effect/Layer"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const client = FliptClient.layer({ namespace: "shop", errorStrategy: "fallback" }).pipe(
 *   Layer.provide(RedisSnapshotStore.layer()),
 *   Layer.provide(Connection.layer({ url: "redis://localhost:6379" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<SnapshotStore.SnapshotStore, ValidationError, Connection> =>
  Layer.effect(SnapshotStore.SnapshotStore, store.make(options))
