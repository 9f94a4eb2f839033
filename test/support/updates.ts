/**
 * The results of fetches.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Fetcher from "../../src/Fetcher.js"

/** The document as text. */
export const textOf = (update: Fetcher.Update): string => {
  if (update._tag !== "Document") {
    throw new Error("expected a document, found NotModified")
  }
  return Buffer.concat([...update.bytes]).toString()
}

export const contentOf = (update: Fetcher.Update): unknown => JSON.parse(textOf(update))

export const versionOf = (update: Fetcher.Update): Option.Option<Fetcher.Version> =>
  update._tag === "Document" ? update.version : Option.none()

/**
 * The error of a failed fetch. Dies with a short message if it succeeds, because printing a document can take minutes.
 */
export const errorOf = <E, R>(fetch: Effect.Effect<Fetcher.Update, E, R>): Effect.Effect<E, never, R> =>
  Effect.matchEffect(fetch, {
    onFailure: Effect.succeed,
    onSuccess: (update) => Effect.dieMessage(`expected the fetch to fail, but it returned ${update._tag}`)
  })
