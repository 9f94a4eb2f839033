/**
 * Persists the last flag state, so that a client can start while its server is unreachable.
 *
 * Clients with the error strategy `fallback` read the store when they start; all clients write to it after each change.
 * An entry holds the document as the server sent it, its version, the time it was stored, and a checksum over all of
 * these. An entry that is truncated, corrupt, written in a newer format or belongs to another namespace is ignored with
 * a warning.
 *
 * Entries are keyed by environment and namespace only. Use a separate store for each server and each reference.
 *
 * @since 0.1.0
 */
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type { Version } from "./Fetcher.js"
import type { ValidationError } from "./FliptError.js"
import * as fileSystem from "./internal/store/fileSystem.js"
import * as keyValueStore from "./internal/store/keyValueStore.js"
import { SnapshotStore } from "./internal/store/tags.js"

/**
 * Identifies an entry. A `Fetcher.Source` is a valid target.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  readonly environment: string
  readonly namespace: string
}

/**
 * A stored flag state.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  /** The bytes of the document, in consecutive chunks. Documents can be large, so the chunks are never joined. */
  readonly bytes: ReadonlyArray<Uint8Array>
  /** The server's version of the document. */
  readonly version: Option.Option<Version>
  /** The time at which the state was stored. */
  readonly storedAt: DateTime.Utc
}

/**
 * Loads and saves entries.
 *
 * Neither operation can fail: an implementation logs its errors. It must return an entry exactly as it was saved, or
 * none. The client sends the version to the server, and the server omits a document that it believes the client has.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Option from "effect/Option"
 * import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
 *
 * // In memory: a new client in the same process starts with the last state of the previous one.
 * const entries = new Map<string, SnapshotStore.Entry>()
 * const keyOf = ({ environment, namespace }: SnapshotStore.Target) => JSON.stringify([environment, namespace])
 *
 * const store = Layer.succeed(SnapshotStore.SnapshotStore, {
 *   load: (target) => Effect.sync(() => Option.fromNullable(entries.get(keyOf(target)))),
 *   save: (target, entry) => Effect.sync(() => void entries.set(keyOf(target), entry))
 * })
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Returns the last entry saved for a target, or none if there is no intact entry. */
  readonly load: (target: Target) => Effect.Effect<Option.Option<Entry>>
  /** Saves an entry, replacing the previous one. */
  readonly save: (target: Target, entry: Entry) => Effect.Effect<void>
}

export {
  /**
   * The store that a client uses. The default stores nothing. It is read when the client is built, so provide it to the
   * client's layer.
   *
   * @example
   * ```ts
   * import * as Layer from "effect/Layer"
   * import * as FliptClient from "flipt-client-effect/FliptClient"
   * import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
   *
   * const client = FliptClient.layer({ namespace: "shop", errorStrategy: "fallback" }).pipe(
   *   Layer.provide(SnapshotStore.layerFileSystem("/var/lib/shop/flags"))
   * )
   * ```
   *
   * @since 0.1.0
   * @category references
   */
  SnapshotStore
}

/**
 * Stores entries as files in a directory, one file per environment and namespace. Several processes can share a
 * directory.
 *
 * Each file is written under a temporary name, flushed to disk and renamed into place, so a crash or another process
 * never exposes a partial file. Temporary files that crashed processes left behind are deleted when the layer is built,
 * once they are a day old. Only the owner can read the files.
 *
 * The directory is created if it does not exist. The layer fails with a `ValidationError` if the path is not a directory
 * or cannot be created, and always in a browser. A read-only directory logs a warning and is used for reading.
 *
 * @example
 * ```ts
 * import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
 *
 * const store = SnapshotStore.layerFileSystem("/var/lib/shop/flags")
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFileSystem = (directory: string): Layer.Layer<SnapshotStore, ValidationError> =>
  Layer.effect(
    SnapshotStore,
    Effect.withSpan(fileSystem.make(directory), "SnapshotStore.layerFileSystem", { captureStackTrace: false })
  )

/**
 * Stores entries in a `KeyValueStore`, such as a browser's `localStorage`. Each entry is one value, so the chunks of the
 * document are joined.
 *
 * @example
 * ```ts
 * import * as KeyValueStore from "@effect/platform/KeyValueStore"
 * import * as Layer from "effect/Layer"
 * import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
 *
 * const store = SnapshotStore.layerKeyValueStore.pipe(
 *   Layer.provide(KeyValueStore.layerStorage(() => globalThis.localStorage))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerKeyValueStore: Layer.Layer<SnapshotStore, never, KeyValueStore.KeyValueStore> = Layer.effect(
  SnapshotStore,
  keyValueStore.makeFromContext
)
