/**
 * Uses Flipt's declarative files (`features.yml`) as a source of flags: checks them, converts them to the snapshot
 * documents that a Flipt server serves, and provides the flags to a client without a server.
 *
 * The format is that of Flipt's schema (`core/validation/flipt.cue`), versions 1.0 to 1.6. The documents are those of
 * Flipt's snapshot endpoint.
 *
 * @example
 * ```ts
 * import * as NodeContext from "@effect/platform-node/NodeContext"
 * import * as Features from "@flipt-client-effect/features"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Engine from "flipt-client-effect/Engine"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 *
 * const client = FliptClient.layerWithoutDependencies().pipe(
 *   Layer.provide([Features.layer("features.yml"), Engine.layerPortable]),
 *   Layer.provide(NodeContext.layer)
 * )
 *
 * const program = Effect.gen(function* () {
 *   const { enabled } = yield* FliptClient.evaluateBoolean({ flagKey: "new-checkout", entityId: "user-42" })
 *   yield* Effect.log(`new-checkout: ${enabled}`)
 * }).pipe(Effect.provide(client))
 * ```
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Fetcher from "flipt-client-effect/Fetcher"
import type { ValidationError } from "flipt-client-effect/FliptError"
import type { Target } from "flipt-client-effect/Model"
import type { FeaturesError, Problem } from "./FeaturesError.js"
import * as conversion from "./internal/convert.js"
import * as files from "./internal/files.js"
import * as source from "./internal/source.js"

export { FeaturesError, formatProblem, type Problem } from "./FeaturesError.js"

/**
 * The text of a file, and the path that identifies it in problems.
 *
 * @since 0.1.0
 * @category models
 */
export interface File {
  readonly path: string
  readonly text: string
}

/**
 * The snapshot documents of a set of files.
 *
 * @since 0.1.0
 * @category models
 */
export interface Converted {
  /** The snapshot document (JSON, UTF-8) of each namespace, keyed by namespace, in the order of the files. */
  readonly documents: ReadonlyMap<string, Uint8Array>
  readonly warnings: ReadonlyArray<Problem>
}

/**
 * Options for checking files.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether warnings are errors. Default: false. */
  readonly strict?: boolean | undefined
  /** The maximum total size of all files in bytes. Default: 16 MiB. */
  readonly maxSize?: number | undefined
}

/**
 * Converts the texts of files to the snapshot documents of their namespaces. A file may contain several YAML documents
 * (or JSON), and files may share a namespace. Their order matters, as on a server.
 *
 * The documents lack what only a server knows: timestamps, digests, and ids of rules.
 *
 * @example
 * ```ts
 * import * as Features from "@flipt-client-effect/features"
 * import * as Either from "effect/Either"
 *
 * const text = `
 * namespace: shop
 * flags:
 *   - key: new-checkout
 *     name: New checkout
 *     type: BOOLEAN_FLAG_TYPE
 *     enabled: true
 * `
 *
 * const converted = Features.convert([{ path: "features.yml", text }])
 *
 * const report = Either.match(converted, {
 *   onLeft: (error) => error.problems.map(Features.formatProblem).join("\n"),
 *   onRight: ({ documents }) => new TextDecoder().decode(documents.get("shop"))
 * })
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const convert = (files: Iterable<File>, options?: Options): Either.Either<Converted, FeaturesError> =>
  conversion.convert(files, options ?? {})

/**
 * Reads and converts one file, or the files of a folder.
 *
 * In a folder, the index `.flipt.yml` selects files by the globs in its lists `include` and `exclude`; `exclude` takes
 * precedence. In these globs, as in Flipt, `*` also matches `/`. Without an index, it reads files whose names end in
 * `features.yml` or `features.yaml`, and `features.json` in subfolders. Files are in Flipt's order: by name, folder by
 * folder. Links to folders are not followed. Folders named `.git` or `node_modules`, or with a name that begins with
 * `..`, are skipped.
 *
 * @since 0.1.0
 * @category conversions
 */
export const read = (
  path: string,
  options?: Options
): Effect.Effect<Converted, FeaturesError | PlatformError, FileSystem.FileSystem | Path.Path> =>
  files.readConverted(path, options ?? {})

/**
 * Options for following files.
 *
 * @since 0.1.0
 * @category models
 */
export interface LayerOptions extends Options, Target {
  /**
   * How often to read the files in addition to watching them, because not every file system reports every change. Each
   * interval varies by up to 10 % either way. `Infinity` only watches the files. Default: 10 seconds.
   */
  readonly updateInterval?: Duration.DurationInput | undefined
}

/**
 * A Fetcher that reads one file or a folder like {@link read} and serves the document of its `namespace`. It follows the
 * files: the client sees files that are changed, replaced, added or deleted.
 *
 * If the files cannot be converted or do not contain the namespace, the fetch fails with a `FetchError` of reason
 * `Source` whose cause is the {@link FeaturesError}. The client then keeps its last state, and `status` has the error.
 * Warnings are logged once per content of the files.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  path: string,
  options?: LayerOptions
): Layer.Layer<Fetcher.Fetcher, ValidationError, FileSystem.FileSystem | Path.Path> =>
  Layer.scoped(Fetcher.Fetcher, source.make(path, options ?? {}))
