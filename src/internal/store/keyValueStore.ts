/**
 * Stores snapshots in a KeyValueStore.
 */
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
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
  Either.getOrElse(Encoding.decodeBase64(text), () => new TextEncoder().encode(text))

const make = (store: KeyValueStore.KeyValueStore): Service =>
  fromStorage({
    describeLocation: (name) => `key ${name}`,
    read: (name) =>
      Effect.flatMap(
        store.getUint8Array(name),
        Option.match({
          // `KeyValueStore.prefix` adds its prefix to `set` and `get`, but not to `getUint8Array`.
          onNone: () => Effect.map(store.get(name), Option.map(decodeText)),
          onSome: Effect.succeedSome
        })
      ),
    write: (name, pieces) => Effect.flatMap(concatenate(pieces), (whole) => store.set(name, whole))
  })

/** The module is imported on first use, because few programs use it. */
export const makeFromContext: Effect.Effect<Service, never, KeyValueStore.KeyValueStore> = Effect.flatMap(
  Effect.promise(() => import("@effect/platform/KeyValueStore")),
  ({ KeyValueStore }) => Effect.map(KeyValueStore, make)
)
