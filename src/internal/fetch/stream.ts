/**
 * One stream of a Flipt server: the request that opens it, and the events of its lines.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Fetcher from "../../Fetcher.js"
import type { FetchError } from "../../FliptError.js"
import {
  type Attempt,
  bodyTooLargeError,
  checkContent,
  requestError,
  serverMessage,
  statusError,
  transportError
} from "./errors.js"
import { Event } from "./event.js"
import { type Line, makeLineSplitter, parseFrame } from "./frames.js"
import { execute } from "./request.js"
import { type Server, streamUrl } from "./server.js"

export type Emit = (event: Fetcher.Event) => Effect.Effect<unknown>

export const connected = Event.Mode({ mode: "streaming", connected: true })
export const disconnected = Event.Mode({ mode: "streaming", connected: false })

const streamError = (attempt: Attempt, problem: string): FetchError =>
  requestError(attempt, problem, { reason: "Network", retryable: true })

/** The event of a line, if there is one, or the error that ends the stream. */
const decodeLine = (attempt: Attempt, line: Line): Either.Either<Option.Option<Fetcher.Event>, FetchError> => {
  const failed = (error: FetchError) => Either.right(Option.some(Event.Failed({ error })))
  if (line === "TooLarge") {
    return failed(bodyTooLargeError(attempt))
  }
  const frame = parseFrame(line)
  switch (frame._tag) {
    case "Document":
      return frame.size > attempt.settings.maxBodySize
        ? failed(bodyTooLargeError(attempt))
        : Either.right(Option.some(Event.Pushed({ bytes: frame.bytes, version: Option.none() })))
    case "Error":
      return Either.left(streamError(attempt, `the server ended the stream: ${serverMessage(attempt, frame.bytes)}`))
    case "Malformed":
      return failed(
        requestError(attempt, "a frame of the stream contains no document; the next request fetches the state", {
          reason: "Body",
          retryable: false
        })
      )
    case "Blank":
      return Either.right(Option.none())
  }
}

/**
 * Emits the events of lines. A malformed line is reported and skipped, and a request replaces the lost document. In a run
 * of malformed lines, only the first one triggers a request.
 */
const makeLineHandler = (attempt: Attempt, emit: Emit): ((line: Line) => Effect.Effect<void, FetchError>) => {
  let wasMalformed = false
  return (line) =>
    Effect.gen(function* () {
      const event = yield* decodeLine(attempt, line)
      if (Option.isNone(event)) {
        return
      }
      yield* emit(event.value)
      const isMalformed = event.value._tag === "Failed"
      if (isMalformed && !wasMalformed) {
        yield* emit(Event.Check())
      }
      wasMalformed = isMalformed
    })
}

/** Opens a stream and emits its events. Fails with the reason for which it ended. */
export const readStream = (
  server: Server,
  loaded: Option.Option<Fetcher.Version>,
  emit: Emit
): Effect.Effect<never, FetchError> =>
  Effect.gen(function* () {
    const { attempt, response } = yield* execute(server, {
      url: streamUrl(server.settings, loaded),
      loaded: Option.none(),
      timeout: Duration.infinity
    })
    if (response.status !== 200) {
      return yield* statusError(attempt, response)
    }
    yield* checkContent(attempt, response, "stream")
    yield* emit(connected)
    const split = makeLineSplitter(server.settings.maxBodySize)
    const handleLine = makeLineHandler(attempt, emit)
    yield* response.stream.pipe(
      Stream.mapError((error) => transportError(attempt, error, "the stream was interrupted")),
      Stream.runForEach((chunk) => Effect.forEach(split(chunk), handleLine, { discard: true }))
    )
    return yield* streamError(attempt, "the server ended the stream")
  }).pipe(Effect.scoped)
