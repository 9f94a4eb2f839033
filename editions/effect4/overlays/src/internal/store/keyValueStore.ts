// Written after sha256:96604be00a35838d of the same path
/**
 * Stores snapshots in a KeyValueStore.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import type * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Result from "effect/Result"
import type { Service } from "../../SnapshotStore.js"
import { forEachSlice, sizeOf } from "../util/slices.js"
import { fromStorage } from "./fromStorage.js"

const concatenate = (pieces: ReadonlyArray<Uint8Array>): Effect.Effect<Uint8Array> =>
  Effect.suspend(() => {
    const whole = new Uint8Array(sizeOf(pieces))
    let end = 0
    return Effect.as(
      forEachSlice(pieces, (slice) => {
        whole.set(slice, end)
        end += slice.length
      }),
      whole
    )
  })

/** Some stores return bytes as text: as base64, or decoded as UTF-8. */
const decodeText = (text: string): Uint8Array =>
  Result.getOrElse(Base64.decode(text), () => new TextEncoder().encode(text))

const make = (store: KeyValueStore.KeyValueStore): Service =>
  fromStorage({
    describeLocation: (name) => `key ${name}`,
    read: (name) =>
      Effect.flatMap(store.getUint8Array(name), (bytes) =>
        bytes === undefined
          ? // `KeyValueStore.prefix` adds its prefix to `set` and `get`, but not to `getUint8Array`.
            Effect.map(store.get(name), (text) => Option.map(Option.fromNullishOr(text), decodeText))
          : Effect.succeedSome(bytes)
      ),
    write: (name, pieces) => Effect.flatMap(concatenate(pieces), (whole) => store.set(name, whole))
  })

/** The module is imported on first use, because few programs use it. */
export const makeFromContext: Effect.Effect<Service, never, KeyValueStore.KeyValueStore> = Effect.flatMap(
  Effect.promise(() => import("effect/persistence/KeyValueStore")),
  ({ KeyValueStore }) => Effect.map(KeyValueStore, make)
)
