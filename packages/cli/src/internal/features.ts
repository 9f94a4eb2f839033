/**
 * Reads flags from Flipt's `features.yml`.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Features from "@flipt-client-effect/features"
import * as Effect from "effect/Effect"
import { exitCodes, Failure, usage } from "./failure.js"
import type { Content } from "./source.js"
import * as Text from "./text.js"

/** Converts the files. Each problem is printed on its own line, with file, line and column. */
export const convert = (
  path: string
): Effect.Effect<Features.Converted, Failure | Features.FeaturesError, FileSystem.FileSystem | Path.Path> =>
  Features.read(path).pipe(
    Effect.catchTags({
      SystemError: (error) => unreadable(path, error.message),
      BadArgument: (error) => unreadable(path, error.message)
    })
  )

const unreadable = (path: string, message: string) =>
  new Failure({
    message: `${Text.plain(path)} cannot be read: ${Text.plain(message)}`,
    exitCode: exitCodes.source
  })

export const formatProblems = (problems: ReadonlyArray<Features.Problem>): string =>
  problems.map((problem) => Text.plain(Features.formatProblem(problem), 1000)).join("\n")

/** The namespace to use: the chosen one, or else the only one, or else `default`. */
export const choose = (
  path: string,
  { documents }: Features.Converted,
  namespace: string | undefined
): Effect.Effect<string, Failure> => {
  const variable = process.env.FLIPT_NAMESPACE ?? ""
  const chosen =
    namespace ??
    (documents.has(variable) ? variable : documents.size === 1 ? ([...documents.keys()][0] as string) : "default")
  return documents.has(chosen)
    ? Effect.succeed(chosen)
    : usage(
        `${Text.plain(path)} has no namespace ${Text.quote(chosen, 100)}; ${
          documents.size === 0
            ? "it has no namespaces"
            : `choose one with --namespace: ${[...documents.keys()]
                .slice(0, 20)
                .map((key) => Text.plain(key, 100))
                .join(", ")}`
        }`
      )
}

export const read = (
  path: string,
  namespace: string | undefined
): Effect.Effect<Content, Failure, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const converted = yield* Effect.catchTag(convert(path), "FeaturesError", ({ problems }) => {
      const errors = problems.filter(({ severity }) => severity === "error")
      return new Failure({
        message: `${Text.plain(path)} is not valid: ${Text.plural(errors.length, "error")}\n${formatProblems(errors)}`,
        exitCode: exitCodes.document
      })
    })
    const key = yield* choose(path, converted, namespace)
    const count = converted.warnings.length
    if (count > 0) {
      yield* Effect.logWarning(
        `${path} has ${Text.plural(count, "warning")}; flipt-client lint --features ${path} prints ${count === 1 ? "it" : "them"}`
      )
    }
    return {
      label: `features ${Text.plain(path)}, namespace ${Text.plain(key)}`,
      namespace: key,
      bytes: [converted.documents.get(key) as Uint8Array],
      isSeed: false
    }
  })
