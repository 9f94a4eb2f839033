/**
 * Flipt's declarative files (`features.yml`) as a source of flags: check them, convert them to the snapshot documents
 * that a Flipt server serves, or follow them with a client, without a server.
 *
 * The format is that of Flipt's own schema (`core/validation/flipt.cue`) and the documents are those of its snapshot
 * endpoint, for versions 1.0 to 1.6 of the format.
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
 * A file's text, and the path that problems name it by.
 *
 * @since 0.1.0
 * @category models
 */
export interface File {
  readonly path: string
  readonly text: string
}

/**
 * The snapshot documents of some files.
 *
 * @since 0.1.0
 * @category models
 */
export interface Converted {
  /** The snapshot document (JSON, UTF-8) of each namespace by its key, in the order of the files. */
  readonly documents: ReadonlyMap<string, Uint8Array>
  readonly warnings: ReadonlyArray<Problem>
}

/**
 * How files are checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether warnings are errors. Default: false. */
  readonly strict?: boolean | undefined
  /** The most bytes that all files together may have. Default: 16 MiB. */
  readonly maxSize?: number | undefined
}

/**
 * Converts the texts of files to the snapshot documents of their namespaces. A file may hold several YAML documents
 * (or JSON), and files may share a namespace; their order counts, as for a server.
 *
 * Documents leave out what a server makes up: timestamps and digests, and ids of rules.
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
 * In a folder, the index `.flipt.yml` says which files to read, by the globs of its lists `include` and `exclude`, of
 * which `exclude` wins. In these globs, as in Flipt, `*` also matches `/`. Without an index, files whose names end in
 * `features.yml` or `features.yaml`, and `features.json` in a folder below, are read. Files come in Flipt's order: by
 * name, folder by folder. Links to folders are not followed, and folders named `.git`, `node_modules` or `..` and more
 * are left out.
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
 * How files are followed.
 *
 * @since 0.1.0
 * @category models
 */
export interface LayerOptions extends Options, Target {
  /**
   * How often the files are read again, beside watching them: not every file system tells of every change. Each
   * interval varies by up to a tenth either way. `Infinity` relies on watching alone. Default: 10 seconds.
   */
  readonly updateInterval?: Duration.DurationInput | undefined
}

/**
 * A Fetcher that reads one file or a folder as {@link read} does, serves the document of its `namespace`, and follows
 * the files: changed, replaced, added and deleted ones reach the client.
 *
 * Files that do not convert, and files without the namespace, fail the fetch with a `FetchError` of reason `Source`,
 * whose cause is the {@link FeaturesError}; the client keeps its last state, and `status` has the error. Warnings are
 * logged once for each content of the files.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  path: string,
  options?: LayerOptions
): Layer.Layer<Fetcher.Fetcher, ValidationError, FileSystem.FileSystem | Path.Path> =>
  Layer.scoped(Fetcher.Fetcher, source.make(path, options ?? {}))
