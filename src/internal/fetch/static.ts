/**
 * The Fetcher of a fixed document.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Fetcher from "../../Fetcher.js"
import type { ValidationError } from "../../FliptError.js"
import type { Target } from "../../Model.js"
import { decodeTarget } from "../util/target.js"
import { withVersion } from "./withVersion.js"

export const makeStatic = (
  document: Uint8Array | string | undefined,
  options: Target | undefined
): Effect.Effect<Fetcher.Service, ValidationError> =>
  Effect.map(decodeTarget(options), (target) => {
    const content = document ?? JSON.stringify({ namespace: { key: target.namespace }, flags: [] })
    return {
      source: { kind: "static", ...target },
      fetch: (loaded) => withVersion(content, loaded),
      events: () => Stream.never
    }
  })
