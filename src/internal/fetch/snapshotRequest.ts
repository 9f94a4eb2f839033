/**
 * The request for the snapshot of a namespace.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Fetcher from "../../Fetcher.js"
import type { FetchError } from "../../FliptError.js"
import { withoutUnhandledLogs } from "../util/fiber.js"
import { readBody } from "./body.js"
import { checkContent, statusError } from "./errors.js"
import { Document, NotModified } from "./event.js"
import { execute } from "./request.js"
import { type Server, snapshotUrl } from "./server.js"

/**
 * One request for the snapshot, conditional on the loaded version, without retries. Flipt v1 answers a request for a
 * reference with the ETag of the default reference, so such a request is unconditional, and its answer has no version.
 */
export const fetchSnapshot = (
  server: Server,
  loaded: Option.Option<Fetcher.Version>
): Effect.Effect<Fetcher.Update, FetchError> =>
  Effect.gen(function* () {
    const { settings } = server
    const hasReference = settings.reference !== undefined
    const { attempt, response } = yield* execute(server, {
      url: snapshotUrl(settings),
      loaded: hasReference ? Option.none() : loaded,
      timeout: settings.requestTimeout
    })
    if (response.status === 200) {
      yield* checkContent(attempt, response, "snapshot")
      const bytes = yield* readBody(attempt, response)
      const etag = hasReference ? undefined : response.headers.etag
      return Document({ bytes, version: etag === undefined || etag === "" ? Option.none() : Option.some(etag) })
    }
    // Not every version can be sent as a header, and a 304 to an unconditional request is an error.
    const isConditional = attempt.headers["if-none-match"] !== undefined
    return response.status === 304 && isConditional ? NotModified() : yield* statusError(attempt, response)
  }).pipe(Effect.scoped, withoutUnhandledLogs)
