/**
 * Stores snapshots as files in a directory.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Platform from "#platform"
import { ValidationError } from "../../FliptError.js"
import type { Service } from "../../SnapshotStore.js"
import { errorMessage } from "../util/errorMessage.js"
import { printable } from "../util/outsideText.js"
import { entryName, namePattern } from "./entry.js"
import { fromStorage } from "./fromStorage.js"

/** The age at which a temporary file is abandoned. No write takes this long. */
const ABANDONED_AGE = Duration.days(1)

/** The name of an entry that does not exist, so that the remains of a probe are removed like other temporary files. */
const PROBE = /*#__PURE__*/ entryName({ environment: "", namespace: "" })

/** Interruption aborts the promise and waits until it has cleaned up. */
const abortable = <A>(run: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.async((resume) => {
    const controller = new AbortController()
    const done = run(controller.signal).then(
      (value) => resume(Effect.succeed(value)),
      (error: unknown) => resume(Effect.fail(error))
    )
    return Effect.promise(() => {
      controller.abort()
      return done
    })
  })

const directoryError = (message: string, cause?: unknown): ValidationError =>
  new ValidationError({ reason: "Argument", path: "directory", message, cause })

export const make = (directory: string): Effect.Effect<Service, ValidationError> =>
  Effect.gen(function* () {
    if (typeof directory !== "string" || directory.trim() === "" || directory.includes("\0")) {
      return yield* directoryError("the directory for snapshots must be a string, not empty")
    }
    if (!Platform.supportsFiles) {
      return yield* directoryError("this platform has no directories; use layerKeyValueStore")
    }
    const opened = yield* Effect.tryPromise({
      try: () => Platform.openDirectory(directory, PROBE),
      catch: (cause) =>
        directoryError(
          `the directory ${printable(directory)} cannot be opened: ${errorMessage(cause)}; set one that exists or can be created`,
          cause
        )
    })
    if (opened.unwritable !== undefined) {
      yield* Effect.logWarning(
        `Flipt: the directory ${printable(opened.path)} cannot be written: ${errorMessage(opened.unwritable)}; snapshots are ` +
          "read from it but not saved; check this process's permissions and the free space"
      )
    }
    const now = yield* Clock.currentTimeMillis
    yield* Effect.promise(() =>
      Platform.removeTemporaryFiles(opened.path, namePattern, now - Duration.toMillis(ABANDONED_AGE))
    )
    return fromStorage({
      describeLocation: (name) => `file ${name} in ${printable(opened.path)}`,
      read: (name) =>
        Effect.map(
          abortable((signal) => Platform.readFileIn(opened.path, name, signal)),
          Option.fromNullable
        ),
      write: (name, pieces) => abortable((signal) => Platform.replaceFileIn(opened.path, name, pieces, signal))
    })
  })
