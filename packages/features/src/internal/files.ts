/**
 * Finds and reads the files.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { FeaturesError, Problem } from "../FeaturesError.js"
import type { Converted, File, Options } from "../index.js"
import { convert, DEFAULT_MAX_SIZE, makeError, settle, tooLarge } from "./convert.js"
import { type Field, fieldsOf, itemsOf, textOf } from "./fields.js"
import { compile, type Glob } from "./glob.js"
import { byCodePoint } from "./order.js"
import { quote } from "./report.js"
import { parse } from "./tree.js"

const INDEX = ".flipt.yml"

/** The files that Flipt 1 reads without an index, and those that Flipt 2 reads in addition. */
const DEFAULT_INCLUDE = ["**features.yml", "**features.yaml", "*/features.json"]

/** Skipped, because they contain no flags and may be large. */
const isSkipped = (name: string): boolean => name === ".git" || name === "node_modules" || name.startsWith("..")

/** The files and their current contents. */
export interface Sources {
  readonly files: ReadonlyArray<File>
  /** Problems in the index. */
  readonly warnings: ReadonlyArray<Problem>
  /** The folders to watch, with an identity that distinguishes a folder from its replacement. */
  readonly folders: ReadonlyArray<{ readonly path: string; readonly identity: string }>
}

interface Services {
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
}

const problemOf = (
  file: string,
  reason: Problem["reason"],
  line: number,
  column: number,
  message: string
): Problem => ({
  severity: "error",
  reason,
  file,
  line,
  column,
  path: "",
  message
})

/** Decodes UTF-8. Fails with the place of the first invalid byte. */
const decodeText = (file: string, bytes: Uint8Array): Either.Either<string, Problem> => {
  const strict = new TextDecoder("utf-8", { fatal: true })
  try {
    return Either.right(strict.decode(bytes))
  } catch {
    let line = 1
    let start = 0
    for (;;) {
      const end = bytes.indexOf(0x0a, start)
      const content = bytes.subarray(start, end < 0 ? undefined : end)
      try {
        strict.decode(content)
      } catch {
        const column = new TextDecoder().decode(content).indexOf("\ufffd") + 1
        return Either.left(problemOf(file, "Syntax", line, column, "the file is not UTF-8; save it as UTF-8"))
      }
      start = end + 1
      line++
    }
  }
}

const makeRead = ({ fs }: Services, maxSize: number) => {
  let left = maxSize
  /** Reads a file's text, if all files together are not too large. */
  return (file: string, label: string): Effect.Effect<File, FeaturesError | PlatformError> =>
    Effect.gen(function* () {
      const { size } = yield* fs.stat(file)
      // the size is checked before reading, and again below, because the file may have grown
      const bytes = size > left ? undefined : yield* fs.readFile(file)
      left -= bytes?.length ?? 0
      if (bytes === undefined || left < 0) {
        return yield* makeError([tooLarge(label, maxSize)])
      }
      const text = decodeText(label, bytes)
      return Either.isLeft(text) ? yield* makeError([text.left]) : { path: label, text: text.right }
    })
}

const indexFields = new Set(["version", "include", "exclude"])

interface Index {
  readonly matches: (path: string) => boolean
  readonly warnings: ReadonlyArray<Problem>
}

const makeMatches =
  (include: ReadonlyArray<Glob>, exclude: ReadonlyArray<Glob>) =>
  (path: string): boolean =>
    include.some((glob) => glob(path)) && !exclude.some((glob) => glob(path))

const defaultIndex: Index = {
  matches: makeMatches(
    DEFAULT_INCLUDE.map((glob) => Either.getOrThrow(compile(glob))),
    []
  ),
  warnings: []
}

const parseIndex = ({ path, text }: File, options: Options): Either.Either<Index, FeaturesError> => {
  const { documents, report } = parse(path, text)
  const [value] = documents
  const fields = value && fieldsOf(report, { value, path: "" }, "the index", indexFields)
  const globs = (name: string): ReadonlyArray<Glob> =>
    (fields === undefined ? [] : itemsOf(fields, name)).flatMap((field: Field) => {
      const pattern = textOf(report, field)
      const glob = pattern === undefined ? undefined : compile(pattern)
      if (glob !== undefined && Either.isLeft(glob)) {
        const message = `the glob ${quote(pattern ?? "")} is not valid: ${glob.left}`
        report.error(field.value.offset, "Value", field.path, message)
      }
      return glob === undefined || Either.isLeft(glob) ? [] : [glob.right]
    })
  const include = globs("include")
  const exclude = globs("exclude")
  if (fields !== undefined && fields.get("include") === undefined) {
    report.warn(fields.offset, "Missing", "", "the index has no list include, so Flipt reads no files; add one")
  }
  return settle(report.problems, options, (warnings) => ({ matches: makeMatches(include, exclude), warnings }))
}

/** The files below a folder, by their relative paths, in the order of Go's `filepath.Walk`. */
const walk = ({ fs, path }: Services, root: string): Effect.Effect<ReadonlyArray<string>, PlatformError> => {
  const visit = (folder: string, prefix: string): Effect.Effect<ReadonlyArray<string>, PlatformError> =>
    Effect.gen(function* () {
      const names = (yield* fs.readDirectory(folder)).filter((name) => !isSkipped(name)).sort(byCodePoint)
      const found = yield* Effect.forEach(names, (name) => {
        const file = path.join(folder, name)
        return fs.stat(file).pipe(
          Effect.flatMap(({ type }) =>
            type === "File"
              ? Effect.succeed([`${prefix}${name}`])
              : type === "Directory"
                ? Effect.flatMap(Effect.option(fs.readLink(file)), (link) =>
                    Option.isSome(link) ? Effect.succeed([]) : visit(file, `${prefix}${name}/`)
                  )
                : Effect.succeed([])
          ),
          // it was removed meanwhile, or is a dangling link
          Effect.catchIf(
            (error) => error._tag === "SystemError" && error.reason === "NotFound",
            () => Effect.succeed([])
          )
        )
      })
      return found.flat()
    })
  return visit(root, "")
}

/** The root, and the folders between it and the files. */
const foldersAbove = ({ path }: Services, root: string, files: ReadonlyArray<string>): ReadonlyArray<string> => {
  const folders = new Set([root])
  for (const file of files) {
    const parts = file.split("/").slice(0, -1)
    parts.forEach((_, index) => {
      folders.add(path.join(root, ...parts.slice(0, index + 1)))
    })
  }
  return [...folders]
}

const identify = ({ fs }: Services, folders: ReadonlyArray<string>): Effect.Effect<Sources["folders"], never> =>
  Effect.forEach(folders, (folder) =>
    fs.stat(folder).pipe(
      Effect.map(({ dev, ino }) => [{ path: folder, identity: `${dev}.${Option.getOrElse(ino, () => "")}` }]),
      Effect.orElseSucceed(() => [])
    )
  ).pipe(Effect.map((found) => found.flat()))

const services: Effect.Effect<Services, never, FileSystem.FileSystem | Path.Path> = Effect.all({
  fs: FileSystem.FileSystem,
  path: Path.Path
})

/** The folder to watch for a path that cannot be read. */
export const folderOf = (root: string): Effect.Effect<Sources["folders"], never, FileSystem.FileSystem | Path.Path> =>
  Effect.flatMap(services, (services) =>
    Effect.flatMap(Effect.option(services.fs.stat(root)), (info) =>
      identify(services, [Option.exists(info, ({ type }) => type === "Directory") ? root : services.path.dirname(root)])
    )
  )

export const readSources = (
  root: string,
  options: Options
): Effect.Effect<Sources, FeaturesError | PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const context = yield* services
    const { fs, path } = context
    const read = makeRead(context, options.maxSize ?? DEFAULT_MAX_SIZE)
    const { type } = yield* fs.stat(root)
    if (type !== "Directory") {
      return { files: [yield* read(root, root)], warnings: [], folders: yield* folderOf(root) }
    }
    const indexFile = path.join(root, INDEX)
    const index = (yield* fs.exists(indexFile))
      ? yield* parseIndex(yield* read(indexFile, indexFile), options)
      : defaultIndex
    const matching = (yield* walk(context, root)).filter(index.matches)
    const files = yield* Effect.forEach(matching, (file) => {
      const full = path.join(root, file)
      return read(full, full)
    })
    return { files, warnings: index.warnings, folders: yield* identify(context, foldersAbove(context, root, matching)) }
  })

export const convertSources = (sources: Sources, options: Options): Either.Either<Converted, FeaturesError> =>
  Either.map(convert(sources.files, options), (converted) => ({
    ...converted,
    warnings: [...sources.warnings, ...converted.warnings]
  }))

export const readConverted = (
  path: string,
  options: Options
): Effect.Effect<Converted, FeaturesError | PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.flatMap(readSources(path, options), (sources) => convertSources(sources, options))
