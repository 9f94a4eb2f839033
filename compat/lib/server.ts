/**
 * The Flipt server for the programs of the checks.
 */
import * as Effect from "effect/Effect"
import { booleanFlag, makeDocument } from "../../test/support/documents.js"
import * as FliptServer from "../../test/support/FliptServer.js"

/** A document with the flag `on`. The native engine, if available, loads a large document. */
export const document = (enabled: boolean, large = false): object => ({
  ...makeDocument([
    booleanFlag("on", enabled),
    ...(large ? Array.from({ length: 16_000 }, (_, index) => booleanFlag(`flag-${index}`, true)) : [])
  ])
})

export const make = (options?: FliptServer.Options) =>
  Effect.tap(FliptServer.make(options), (server) => server.setDocument(document(true, true)))
