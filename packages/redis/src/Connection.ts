/**
 * The connection to Redis or Valkey, version 6 or later. All layers of this package that use the same Connection share
 * it, for any number of namespaces.
 *
 * @since 0.1.0
 */
import type * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Stream from "effect/Stream"
import type { FetchError, ValidationError } from "flipt-client-effect/FliptError"
import type { Cluster, ClusterNode, ClusterOptions, Redis, RedisOptions } from "ioredis"
import * as connection from "./internal/connection.js"
import { Connection } from "./internal/tags.js"

/**
 * What a subscription reports.
 *
 * - `Subscribed`: the subscription is active, for the first time or again after a connection loss. Messages may have
 *   been missed in between.
 * - `Message`: a message arrived.
 * - `Lost`: the connection broke. It is restored in the background.
 * - `Refused`: Redis does not allow the subscription.
 *
 * @since 0.1.0
 * @category models
 */
export type Signal = Data.TaggedEnum<{
  Subscribed: {}
  Message: { readonly text: string }
  Lost: {}
  Refused: { readonly message: string }
}>

/**
 * An ioredis client for commands, and another one for subscriptions.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The prefix of all keys and channels. */
  readonly prefix: string
  /** How long a state stays in Redis after it was last written or confirmed. */
  readonly timeToLive: Duration.Duration
  /**
   * Sends commands. If the connection is down, it waits for it first. Fails after `requestTimeout` in total, with reason
   * `Timeout` or `Network` if Redis cannot be reached, and `Source` if it rejects a command. `transfer` multiplies the
   * timeout by ten, for values that can be large.
   */
  readonly run: <A>(
    command: (client: Redis | Cluster) => Promise<A>,
    options?: { readonly transfer?: boolean }
  ) => Effect.Effect<A, FetchError>
  /** Subscribes to a channel. A slow consumer receives only the latest 16 signals. */
  readonly subscribe: (channel: string) => Stream.Stream<Signal>
}

export {
  /**
   * The tag of the connection.
   *
   * @since 0.1.0
   * @category tags
   */
  Connection
}

/**
 * Options that do not depend on how Redis is deployed.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommonOptions {
  /**
   * The prefix of all keys and channels. Fleets of different Flipt servers, or of different references, need different
   * prefixes. Default: `"flipt"`.
   */
  readonly prefix?: string | undefined
  /**
   * How long a state stays in Redis after it was last written or confirmed. A running relay confirms it continuously.
   * Default: 30 days.
   */
  readonly timeToLive?: Duration.DurationInput | undefined
  /**
   * How long a command may take, including the wait for a connection. Transfers of documents may take ten times as
   * long. When it is exceeded, the connection is replaced. Default: 5 seconds.
   */
  readonly requestTimeout?: Duration.DurationInput | undefined
}

/**
 * Options of {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends CommonOptions {
  /**
   * `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS. Overrides `redis`. Default:
   * `"redis://localhost:6379"`.
   */
  readonly url?: string | Redacted.Redacted | undefined
  /**
   * Options of ioredis, such as TLS, ACL user and Sentinel. They override the defaults of this package: it reconnects
   * after at most half a second, and neither queues nor repeats commands. Default: none.
   */
  readonly redis?: RedisOptions | undefined
}

/**
 * Connects to a single Redis, or to the master that Sentinels name.
 *
 * The layer does not wait for the connection, and does not fail if Redis cannot be reached: the layers that use it report
 * that and recover. It fails if an option is invalid.
 *
 * @example
 * ```ts
 * import { Connection } from "@flipt-client-effect/redis"
 * import * as Redacted from "effect/Redacted"
 *
 * const single = Connection.layer({ url: Redacted.make("rediss://flags:password@redis.internal:6380") })
 *
 * const sentinel = Connection.layer({
 *   redis: { name: "flags", sentinels: [{ host: "sentinel-1", port: 26379 }, { host: "sentinel-2", port: 26379 }] }
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Connection, ValidationError> =>
  Layer.scoped(Connection, connection.make(options))

/**
 * Options of {@link layerCluster}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClusterLayerOptions extends CommonOptions {
  /** Some nodes of the cluster. The others are discovered. */
  readonly nodes: ReadonlyArray<ClusterNode>
  /** Options of ioredis. `redisOptions` has the options of each node, such as TLS and the ACL user. Default: none. */
  readonly cluster?: ClusterOptions | undefined
}

/**
 * Connects to a Redis Cluster. All keys of a namespace are in one slot.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerCluster = (options: ClusterLayerOptions): Layer.Layer<Connection, ValidationError> =>
  Layer.scoped(Connection, connection.makeCluster(options))
