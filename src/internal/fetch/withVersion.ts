/**
 * Versions for content that has none.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Fetcher from "../../Fetcher.js"
import { Hasher } from "../util/hash64.js"
import { forEachSlice } from "../util/slices.js"
import { Document, NotModified } from "./event.js"

export const toBytes = (document: Uint8Array | string): Uint8Array =>
  typeof document === "string" ? new TextEncoder().encode(document) : document

/** Uses the hash of the content as its version if it has none. Yields to the event loop at regular intervals. */
export const withVersion = (
  content: Fetcher.Update | Uint8Array | string,
  loaded: Option.Option<Fetcher.Version>
): Effect.Effect<Fetcher.Update> =>
  Effect.suspend(() => {
    const update =
      typeof content === "string" || content instanceof Uint8Array
        ? Document({ bytes: [toBytes(content)], version: Option.none() })
        : content
    if (update._tag === "NotModified" || Option.isSome(update.version)) {
      return Effect.succeed(update)
    }
    const { bytes } = update
    const hasher = new Hasher()
    return Effect.map(
      forEachSlice(bytes, (slice) => hasher.update(slice)),
      () =>
        Option.contains(loaded, hasher.hex) ? NotModified() : Document({ bytes, version: Option.some(hasher.hex) })
    )
  })
