/**
 * What a fetch gave.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Fetcher from "../../src/Fetcher.js"

/** The document as text. */
export const textOf = (update: Fetcher.Update): string => {
  if (update._tag !== "Document") {
    throw new Error("nothing has changed, where a document was to come")
  }
  return Buffer.concat([...update.bytes]).toString()
}

export const contentOf = (update: Fetcher.Update): unknown => JSON.parse(textOf(update))

export const versionOf = (update: Fetcher.Update): Option.Option<Fetcher.Version> =>
  update._tag === "Document" ? update.version : Option.none()

/** The error that a fetch fails with. A success is a defect in few words: a whole document takes the runner minutes. */
export const errorOf = <E, R>(fetch: Effect.Effect<Fetcher.Update, E, R>): Effect.Effect<E, never, R> =>
  Effect.matchEffect(fetch, {
    onFailure: Effect.succeed,
    onSuccess: (update) => Effect.dieMessage(`the fetch gave a ${update._tag} and was to fail`)
  })
