/**
 * The Fetcher that reads a file.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Platform from "#platform"
import type * as Fetcher from "../../Fetcher.js"
import { FetchError, ValidationError } from "../../FliptError.js"
import type { Target } from "../../Model.js"
import { errorMessage } from "../util/errorMessage.js"
import { decodeTarget } from "../util/target.js"
import { Document, Event, NotModified } from "./event.js"

/** A file is often written in several steps, each of which is told. */
const DEBOUNCE = Duration.millis(50)
/** How soon a folder that cannot be watched is tried again. */
const REWATCH_DELAY = Duration.seconds(30)

const failure = (path: string, cause: unknown): FetchError =>
  new FetchError({
    reason: "Source",
    retryable: false,
    message: `the file ${path} cannot be read: ${errorMessage(cause)}`,
    cause
  })

export const make = (path: string, options: Target | undefined): Effect.Effect<Fetcher.Service, ValidationError> =>
  Effect.gen(function* () {
    const target = yield* decodeTarget(options)
    if (typeof path !== "string" || path.trim() === "" || path.includes("\0")) {
      return yield* new ValidationError({
        reason: "Argument",
        path: "path",
        message: "the path of the file to read flags from must be a text, not empty"
      })
    }
    return {
      source: { kind: "file", ...target },
      fetch: (loaded) =>
        Effect.tryPromise({ try: () => Platform.readFile(path), catch: (cause) => failure(path, cause) }).pipe(
          Effect.map(({ bytes, hash }) =>
            Option.contains(loaded, hash) ? NotModified() : Document({ bytes: [bytes], version: Option.some(hash) })
          )
        ),
      // Where the folder cannot be watched the file is read all the same, and says what is wrong if it cannot be.
      events: () =>
        Platform.watchFile(path).pipe(
          Stream.debounce(DEBOUNCE),
          Stream.catchAll(() =>
            Stream.concat(Stream.void, Stream.drain(Stream.fromEffect(Effect.sleep(REWATCH_DELAY))))
          ),
          Stream.repeat(Schedule.forever),
          Stream.map(() => Event.Check())
        )
    }
  })
