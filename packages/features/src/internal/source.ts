/**
 * The Fetcher that follows files.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Fetcher from "flipt-client-effect/Fetcher"
import { FetchError, ValidationError } from "flipt-client-effect/FliptError"
import { type FeaturesError, formatProblem } from "../FeaturesError.js"
import type { Converted, LayerOptions } from "../index.js"
import { convertSources, folderOf, readSources, type Sources } from "./files.js"
import { printable, quote } from "./report.js"

/** Waits this long after an event, because a file is often written in several steps. */
const SETTLE = Duration.millis(50)
const UPDATE_INTERVAL = Duration.seconds(10)
/** The maximum number of warnings to log per content of the files. */
const MAX_LOGGED = 20

const failure = (message: string, cause?: unknown): FetchError =>
  new FetchError({ reason: "Source", retryable: false, message, ...(cause === undefined ? {} : { cause }) })

const unreadable = (path: string, error: FeaturesError | PlatformError): FetchError =>
  failure(
    error._tag === "FeaturesError" ? error.message : `${printable(path)} cannot be read: ${printable(error.message)}`,
    error
  )

const noNamespace = (path: string, namespace: string, { documents }: Converted): FetchError => {
  const found = [...documents.keys()].slice(0, 10).map(quote).join(", ")
  return failure(
    `the files in ${printable(path)} have no namespace ${quote(namespace)}; ${
      found === "" ? "they have no namespaces" : `they have the namespaces ${found}`
    }`
  )
}

const isSame = (a: Sources, b: Sources): boolean =>
  a.files.length === b.files.length &&
  a.warnings.length === b.warnings.length &&
  a.files.every((file, index) => file.path === b.files[index]?.path && file.text === b.files[index]?.text)

const logWarnings = ({ warnings }: Converted): Effect.Effect<void> => {
  const rest = warnings.length - MAX_LOGGED
  return Effect.forEach(warnings.slice(0, MAX_LOGGED), (warning) => Effect.logWarning(formatProblem(warning)), {
    discard: true
  }).pipe(Effect.zipRight(rest > 0 ? Effect.logWarning(`and ${rest} more warnings about the flag files`) : Effect.void))
}

const isSameFolders = (a: Sources["folders"], b: Sources["folders"]): boolean =>
  a.length === b.length &&
  a.every(({ identity, path }, index) => path === b[index]?.path && identity === b[index]?.identity)

const checkOptions = (path: string, options: LayerOptions): Effect.Effect<void, ValidationError> => {
  const { maxSize, strict } = options
  if (typeof path !== "string" || path.trim() === "" || path.includes("\0")) {
    const message = "the path of the flag files must be a string that is not empty"
    return new ValidationError({ reason: "Argument", path: "path", message })
  }
  if (strict !== undefined && typeof strict !== "boolean") {
    return new ValidationError({ reason: "Option", path: "strict", message: "the option strict must be a boolean" })
  }
  if (maxSize !== undefined && !(typeof maxSize === "number" && maxSize > 0)) {
    const message = "the option maxSize must be a number of bytes greater than zero"
    return new ValidationError({ reason: "Option", path: "maxSize", message })
  }
  return Effect.void
}

export const make = (
  path: string,
  options: LayerOptions
): Effect.Effect<Fetcher.Service, ValidationError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    yield* checkOptions(path, options)
    const { maxSize, strict, updateInterval = UPDATE_INTERVAL, ...target } = options
    const fs = yield* FileSystem.FileSystem
    const folders = yield* SubscriptionRef.make<Sources["folders"]>([])
    let last: { readonly sources: Sources; readonly converted: Either.Either<Converted, FeaturesError> } | undefined

    /** Converts the files unless they are unchanged. */
    const convert = (sources: Sources): Effect.Effect<Converted, FeaturesError> =>
      Effect.gen(function* () {
        if (last === undefined || !isSame(last.sources, sources)) {
          const converted = convertSources(sources, { maxSize, strict })
          last = { sources, converted }
          yield* Either.isRight(converted) ? logWarnings(converted.right) : Effect.void
        }
        return yield* last.converted
      })

    const fetch = (namespace: string) =>
      readSources(path, { maxSize, strict }).pipe(
        Effect.tap((sources) => SubscriptionRef.set(folders, sources.folders)),
        Effect.tapError(() => Effect.flatMap(folderOf(path), (found) => SubscriptionRef.set(folders, found))),
        Effect.flatMap(convert),
        Effect.mapError((error) => unreadable(path, error)),
        Effect.flatMap((converted) =>
          Effect.fromNullable(converted.documents.get(namespace)).pipe(
            Effect.mapError(() => noNamespace(path, namespace, converted))
          )
        )
      )

    const namespace = target.namespace ?? "default"
    const polling = yield* Layer.build(
      Fetcher.layerEffect({ ...target, updateInterval, fetch: () => fetch(namespace) })
    ).pipe(Effect.map(Context.get(Fetcher.Fetcher)))

    /** A folder that cannot be watched is still read at each interval. */
    const watch = (folder: string): Stream.Stream<void> =>
      fs.watch(folder).pipe(
        Stream.map(() => undefined),
        Stream.catchAllCause(() => Stream.empty)
      )

    const watched: Stream.Stream<Fetcher.Event> = folders.changes.pipe(
      Stream.changesWith(isSameFolders),
      Stream.flatMap(
        (current) =>
          Stream.mergeAll([Stream.void, ...current.map(({ path }) => watch(path))], {
            concurrency: "unbounded"
          }),
        { switch: true }
      ),
      Stream.debounce(SETTLE),
      Stream.map(() => Fetcher.Event.Check())
    )

    return {
      source: { ...polling.source, kind: "file" },
      fetch: polling.fetch,
      events: (listener) => Stream.merge(polling.events(listener), watched)
    }
  })
