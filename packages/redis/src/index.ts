/**
 * Shares one flag state among all processes of a fleet through Redis: one process fetches it from Flipt, and all others
 * read it from Redis.
 *
 * @since 0.1.0
 */
export * as Connection from "./Connection.js"
export * as RedisFetcher from "./RedisFetcher.js"
export * as RedisSnapshotStore from "./RedisSnapshotStore.js"
export * as Relay from "./Relay.js"
