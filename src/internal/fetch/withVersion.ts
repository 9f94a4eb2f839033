/**
 * Versions for content that has none.
 */
import * as Option from "effect/Option"
import type * as Fetcher from "../../Fetcher.js"
import { Hasher } from "../util/hash64.js"
import { Document, NotModified } from "./event.js"

export const toBytes = (document: Uint8Array | string): Uint8Array =>
  typeof document === "string" ? new TextEncoder().encode(document) : document

/** Gives content without a version its hash as version. */
export const withVersion = (
  content: Fetcher.Update | Uint8Array | string,
  loaded: Option.Option<Fetcher.Version>
): Fetcher.Update => {
  const update =
    typeof content === "string" || content instanceof Uint8Array
      ? Document({ bytes: [toBytes(content)], version: Option.none() })
      : content
  if (update._tag === "NotModified" || Option.isSome(update.version)) {
    return update
  }
  const hasher = new Hasher()
  for (const chunk of update.bytes) {
    hasher.update(chunk)
  }
  return Option.contains(loaded, hasher.hex)
    ? NotModified()
    : Document({ bytes: update.bytes, version: Option.some(hasher.hex) })
}
