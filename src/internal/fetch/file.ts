/**
 * The Fetcher that reads a file.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Platform from "#platform"
import type * as Fetcher from "../../Fetcher.js"
import { FetchError, ValidationError } from "../../FliptError.js"
import type { Target } from "../../Model.js"
import { errorMessage } from "../util/errorMessage.js"
import { printable } from "../util/outsideText.js"
import { decodeTarget } from "../util/target.js"
import { Event } from "./event.js"
import { withVersion } from "./withVersion.js"

/** How long a file must be quiet before it is read. Many programs write a file in several steps. */
const DEBOUNCE = Duration.millis(50)
/** The delay before watching a directory again that cannot be watched. */
const REWATCH_DELAY = Duration.seconds(30)

const failure = (path: string, cause: unknown): FetchError =>
  new FetchError({
    reason: "Source",
    retryable: false,
    message: `the file ${printable(path)} cannot be read: ${errorMessage(cause)}`,
    cause
  })

export const make = (path: string, options: Target | undefined): Effect.Effect<Fetcher.Service, ValidationError> =>
  Effect.gen(function* () {
    const target = yield* decodeTarget(options)
    if (typeof path !== "string" || path.trim() === "" || path.includes("\0")) {
      return yield* new ValidationError({
        reason: "Argument",
        path: "path",
        message: "the path of the file of flags must be a string, not empty"
      })
    }
    return {
      source: { kind: "file", ...target },
      fetch: (loaded) =>
        Effect.tryPromise({ try: () => Platform.readFile(path), catch: (cause) => failure(path, cause) }).pipe(
          Effect.flatMap((bytes) => withVersion(bytes, loaded))
        ),
      // If the directory cannot be watched, the file is still read, and that read reports the problem.
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
