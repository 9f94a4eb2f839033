/**
 * One stream of a Flipt server: the request that opens it, and the events of its lines.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Fetcher from "../../Fetcher.js"
import type { FetchError } from "../../FliptError.js"
import { yieldToEventLoop } from "../util/yieldToEventLoop.js"
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

export type Emit = (event: Fetcher.Event) => void

export const connected = Event.Mode({ mode: "streaming", connected: true })
export const disconnected = Event.Mode({ mode: "streaming", connected: false })

const streamError = (attempt: Attempt, problem: string): FetchError =>
  requestError(attempt, problem, { reason: "Network", retryable: true })

/** Lines to handle before yielding to the event loop: a chunk can contain tens of thousands. */
const LINES_PER_SLICE = 256

/**
 * Emits the event of a line, or returns the error that ends the stream. A bad line is reported and skipped. Of a run of
 * bad lines, only the first one is reported.
 */
const makeLineHandler = (attempt: Attempt, emit: Emit): ((line: Line) => FetchError | undefined) => {
  let isInBadRun = false
  const reject = (makeError: () => FetchError): void => {
    if (!isInBadRun) {
      isInBadRun = true
      emit(Event.Failed({ error: makeError() }))
    }
  }
  return (line) => {
    if (line === "TooLarge") {
      reject(() => bodyTooLargeError(attempt))
      return undefined
    }
    const frame = parseFrame(line)
    switch (frame._tag) {
      case "Document":
        if (frame.size > attempt.settings.maxBodySize) {
          reject(() => bodyTooLargeError(attempt))
        } else {
          isInBadRun = false
          emit(Event.Pushed({ bytes: frame.bytes, version: Option.none() }))
        }
        return undefined
      case "Error":
        return streamError(attempt, `the server ended the stream: ${serverMessage(attempt, frame.bytes)}`)
      case "Malformed":
        reject(() =>
          requestError(attempt, "a frame of the stream contains no document; the next request fetches the state", {
            reason: "Body",
            retryable: false
          })
        )
        return undefined
      case "Blank":
        return undefined
    }
  }
}

/** Handles the lines of one chunk in slices, and yields to the event loop after each slice. */
const handleLines = (
  lines: Iterable<Line>,
  handleLine: (line: Line) => FetchError | undefined
): Effect.Effect<void, FetchError> =>
  Effect.gen(function* () {
    let handled = 0
    for (const line of lines) {
      const error = handleLine(line)
      if (error !== undefined) {
        return yield* error
      }
      if (++handled % LINES_PER_SLICE === 0) {
        yield* yieldToEventLoop
      }
    }
    // The next chunk may be here already.
    yield* yieldToEventLoop
  })

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
    emit(connected)
    const split = makeLineSplitter(server.settings.maxBodySize)
    const handleLine = makeLineHandler(attempt, emit)
    yield* response.stream.pipe(
      Stream.mapError((error) => transportError(attempt, error, "the stream was interrupted")),
      Stream.runForEach((chunk) => handleLines(split(chunk), handleLine))
    )
    return yield* streamError(attempt, "the server ended the stream")
  }).pipe(Effect.scoped)
