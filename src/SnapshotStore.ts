/**
 * Where the last state is kept over restarts, so that a client can start while its server cannot be reached.
 *
 * What is stored is the document itself, as the server sent it, with its version, its time and a checksum over all of
 * it. An entry that is torn, damaged, of another namespace or of a newer format is ignored with a warning: a store can
 * make a start better, never worse.
 *
 * A store knows environments and namespaces, and neither servers nor references: give each of these one of its own.
 *
 * @since 0.1.0
 */
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type { Version } from "./Fetcher.js"
import type { ValidationError } from "./FliptError.js"
import * as fileSystem from "./internal/store/fileSystem.js"
import { none } from "./internal/store/fromStorage.js"
import * as keyValueStore from "./internal/store/keyValueStore.js"

/**
 * Whose state: a `Fetcher.Source` is one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  readonly environment: string
  readonly namespace: string
}

/**
 * A state as it was when it was stored.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  /** The document's own bytes, one chunk after the other. They are never joined, since documents can be large. */
  readonly bytes: ReadonlyArray<Uint8Array>
  /** The server's version of the document. */
  readonly version: Option.Option<Version>
  /** When it was stored. */
  readonly storedAt: DateTime.Utc
}

/**
 * Neither can fail. An implementation of your own logs what goes wrong, and must give back the bytes and the version
 * that it was given or none: the version is sent to the server, which then leaves the document out.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Option from "effect/Option"
 * import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
 *
 * // in memory, so that clients that are made anew in one process start where the last one ended
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
  /** The entry that was last saved for a target; none where there is no entry, or none that is whole. */
  readonly load: (target: Target) => Effect.Effect<Option.Option<Entry>>
  /** Puts an entry in the place of the one before. */
  readonly save: (target: Target, entry: Entry) => Effect.Effect<void>
}

/**
 * The store of a client: by default one that keeps nothing. Read when the client is built: provide it to the client's
 * layer.
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
export class SnapshotStore extends Context.Reference<SnapshotStore>()("flipt-client-effect/SnapshotStore", {
  defaultValue: (): Service => none
}) {}

/**
 * Entries in files of a directory, one for each environment and namespace. Processes may share a directory.
 *
 * A file is written whole under a temporary name, flushed to the disk and renamed, so that another process, or a crash
 * in the middle, never sees half of one. What crashed processes left behind is removed when the layer is built, a day
 * later at the earliest. Files can be read by their owner alone.
 *
 * The directory is made where there is none. Fails when it cannot be, or is not a directory, and in a browser. A
 * directory that can only be read is told by a warning, and read.
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
  Layer.effect(SnapshotStore, fileSystem.make(directory))

/**
 * Entries in a KeyValueStore: in a browser's `localStorage`, in memory, or wherever yours keeps them. An entry is one
 * value, so the document is joined for it.
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
  Effect.map(KeyValueStore.KeyValueStore, keyValueStore.make)
)
