/**
 * A warning about lists with escapes. The engine has noticed them while it read the state, so this costs nothing where
 * there are none.
 */
import * as Effect from "effect/Effect"
import type { Snapshot } from "../../Snapshot.js"

import { type Defined, escapedLists } from "../snapshot/definitions.js"
import { quoted } from "../util/outsideText.js"

/** In one warning. */
const MAX_FLAGS = 10

const message = (namespace: string, flags: ReadonlyArray<string>): string => {
  const names = flags.slice(0, MAX_FLAGS).map((flag) => quoted(flag))
  const rest = flags.length - names.length
  return `Flipt: namespace ${quoted(namespace)}: a list in a constraint of the flags ${names.join(", ")}${rest > 0 ? ` and ${rest} more` : ""} contains an escape, so every client engine takes the list for empty; the server does not. Flipt escapes &, <, >, " and \\ in lists from v2.11 on. Compare such a value by a constraint of its own, with == or !=`
}

/** Warns once, and again only if the flags are others. */
export const makeEscapedListWarning = (): ((snapshot: Snapshot) => Effect.Effect<void>) => {
  let last = ""
  return (snapshot: Snapshot & Defined) =>
    Effect.suspend(() => {
      const flags = snapshot[escapedLists] ?? []
      const text = flags.length === 0 ? "" : message(snapshot.namespace, flags)
      const isNew = text !== last
      last = text
      return isNew && text !== "" ? Effect.logWarning(text) : Effect.void
    })
}
