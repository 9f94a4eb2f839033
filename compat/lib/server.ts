/**
 * The server that the programs of the checks use.
 */
import * as Effect from "effect/Effect"
import { booleanFlag, makeDocument } from "../../test/support/documents.js"
import * as FliptServer from "../../test/support/FliptServer.js"

/** A document with the flag `on`; a large one is loaded by the native engine where there is one. */
export const document = (enabled: boolean, large = false): object => ({
  ...makeDocument([
    booleanFlag("on", enabled),
    ...(large ? Array.from({ length: 16_000 }, (_, index) => booleanFlag(`flag-${index}`, true)) : [])
  ])
})

export const make = (options?: FliptServer.Options) =>
  Effect.tap(FliptServer.make(options), (server) => server.setDocument(document(true, true)))
