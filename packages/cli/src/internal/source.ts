/**
 * The sources of a command's flags: a file, Flipt's `features.yml`, or a server.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import type * as Scope from "effect/Scope"
import * as Engine from "flipt-client-effect/Engine"
import type { Snapshot } from "flipt-client-effect/Snapshot"
import { exitCodes, Failure, fromFlipt, usage } from "./failure.js"
import { Output } from "./output.js"
import * as Text from "./text.js"

/** The options about the source of the flags. Those of a server override the variables `FLIPT_*` of the same name. */
export interface Options {
  readonly file: string | undefined
  readonly features: string | undefined
  readonly url: string | undefined
  readonly environment: string | undefined
  readonly namespace: string | undefined
  readonly reference: string | undefined
  readonly tokenFile: string | undefined
  readonly jwtFile: string | undefined
  readonly caCertFile: string | undefined
  readonly clientCertFile: string | undefined
  readonly clientKeyFile: string | undefined
  readonly insecureSkipVerify: boolean
  readonly proxy: string | undefined
  readonly requestTimeout: string | undefined
}

export type Environment = FileSystem.FileSystem | Path.Path | Scope.Scope | Output

/** The state of a namespace, as read. */
export interface Content {
  /** Its source, escaped. */
  readonly label: string
  readonly namespace: string
  readonly bytes: ReadonlyArray<Uint8Array>
  /** Whether the text is a seed, the form in which clients exchange states. */
  readonly isSeed: boolean
}

/** The first character of a file that is not white space distinguishes a document from a seed. */
const isDocument = (bytes: Uint8Array): boolean => {
  const first = bytes.find((byte) => byte > 0x20 && byte !== 0xef && byte !== 0xbb && byte !== 0xbf)
  return first === undefined || first === 0x7b
}

const decoder = new TextDecoder()

/** The namespace in a document or a seed. The engine reports all other problems. */
const namespaceOf = (text: string): string => {
  const parsed = Either.try((): unknown => JSON.parse(text))
  const namespace = Either.isRight(parsed)
    ? (parsed.right as { readonly namespace?: unknown } | null)?.namespace
    : undefined
  const key = (namespace as { readonly key?: unknown } | null | undefined)?.key
  return typeof key === "string" && key !== "" ? key : "default"
}

const readFile = (
  path: string,
  namespace: string | undefined
): Effect.Effect<Content, Failure, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const bytes = yield* Effect.mapError(
      fs.readFile(path),
      (error) =>
        new Failure({
          message: `${Text.plain(path)} cannot be read: ${Text.plain(error.message)}`,
          exitCode: exitCodes.source
        })
    )
    const label = `file ${Text.plain(path)}`
    if (isDocument(bytes)) {
      return { label, namespace: namespace ?? namespaceOf(decoder.decode(bytes)), bytes: [bytes], isSeed: false }
    }
    const seed = decoder.decode(bytes).trim()
    const text = Either.getOrElse(Encoding.decodeBase64String(seed), () => "")
    return { label, namespace: namespace ?? namespaceOf(text), bytes: [new TextEncoder().encode(seed)], isSeed: true }
  })

/** Checks that at most one source is named. */
const check = ({ features, file }: Options): Effect.Effect<void, Failure> =>
  file !== undefined && features !== undefined
    ? usage("--file and --features exclude each other; name one of them")
    : Effect.void

/** Reads or fetches the state. */
export const read = (options: Options): Effect.Effect<Content, Failure, Environment> =>
  Effect.gen(function* () {
    yield* check(options)
    const output = yield* Output
    if (options.file !== undefined) {
      return yield* readFile(options.file, options.namespace)
    }
    if (options.features !== undefined) {
      const features = yield* Effect.promise(() => import("./features.js"))
      return yield* features.read(options.features, options.namespace)
    }
    const server = yield* Effect.promise(() => import("./server.js"))
    return yield* output.waiting("Fetching the flags", server.read(options))
  })

export interface Loaded {
  readonly label: string
  readonly snapshot: Snapshot
}

/** Compiles the state. The Snapshot closes with the scope. */
export const compile = (content: Content): Effect.Effect<Loaded, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const engine = yield* Engine.Engine
    const { bytes, label, namespace } = content
    const snapshot = yield* content.isSeed
      ? engine.restore(namespace, decoder.decode(bytes[0]))
      : engine.compile(namespace, bytes)
    return { label, snapshot }
  }).pipe(
    Effect.provide(Engine.layer),
    Effect.mapError((error) => {
      const failure = fromFlipt(error)
      return new Failure({ message: `${content.label}: ${failure.message}`, exitCode: failure.exitCode })
    })
  )

export const load = (options: Options): Effect.Effect<Loaded, Failure, Environment> =>
  Effect.flatMap(read(options), compile)

/** The file, folder or server in the options, before anything is read. */
export const isServer = ({ features, file }: Options): boolean => file === undefined && features === undefined
