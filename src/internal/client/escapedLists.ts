/**
 * Warns about lists with escapes. The engine finds them while it reads the state, so a state without any costs nothing.
 */
import * as Effect from "effect/Effect"
import type { Snapshot } from "../../Snapshot.js"

import { type Defined, escapedLists } from "../snapshot/definitions.js"
import { quoted } from "../util/outsideText.js"

/** The number of flags that one warning names. */
const MAX_FLAGS = 10

const message = (namespace: string, flags: ReadonlyArray<string>): string => {
  const names = flags.slice(0, MAX_FLAGS).map((flag) => quoted(flag))
  const rest = flags.length - names.length
  return `Flipt: namespace ${quoted(namespace)}: a list in a constraint of the flags ${names.join(", ")}${rest > 0 ? ` and ${rest} more` : ""} contains an escape, so every client treats the list as empty; the server does not. Since v2.11 Flipt escapes &, <, >, " and \\ in lists. Compare such a value in a separate constraint, with == or !=`
}

/** Warns once, and again only when other flags are affected. */
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
