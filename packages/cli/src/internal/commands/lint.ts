/**
 * `lint`: finds flags that cannot work as intended. Fails if there are any, for CI.
 */
import * as Effect from "effect/Effect"
import * as Lint from "flipt-client-effect/Lint"
import { exit, exitCodes, type Failure, fromFlipt } from "../failure.js"
import { Output } from "../output.js"
import * as Source from "../source.js"
import * as Text from "../text.js"

/** Problems in the files themselves, before they are converted to flags. */
const problemsOf = (path: string) =>
  Effect.gen(function* () {
    const features = yield* Effect.promise(() => import("../features.js"))
    return yield* features.convert(path).pipe(
      Effect.map((converted) => ({ problems: converted.warnings, converted })),
      Effect.catchTag("FeaturesError", ({ problems }) => Effect.succeed({ problems, converted: undefined }))
    )
  })

/** The findings in each namespace: for a folder of files all namespaces, unless one is chosen. */
const findingsOf = (options: Source.Options) =>
  Effect.gen(function* () {
    if (options.features === undefined) {
      const content = yield* Source.read(options)
      return { problems: [], contents: [content] }
    }
    const { converted, problems } = yield* problemsOf(options.features)
    if (converted === undefined) {
      return { problems, contents: [] }
    }
    const features = yield* Effect.promise(() => import("../features.js"))
    const namespaces =
      options.namespace === undefined
        ? [...converted.documents.keys()]
        : [yield* features.choose(options.features, converted, options.namespace)]
    const contents = namespaces.map((namespace): Source.Content => {
      const bytes = converted.documents.get(namespace) as Uint8Array
      return { label: `namespace ${Text.plain(namespace)}`, namespace, bytes: [bytes], isSeed: false }
    })
    return { problems, contents }
  })

export const run = (options: Source.Options): Effect.Effect<void, Failure, Source.Environment> =>
  Effect.gen(function* () {
    const output = yield* Output
    const { contents, problems } = yield* findingsOf(options)
    const checked = yield* Effect.forEach(contents, (content) =>
      Effect.gen(function* () {
        const { snapshot } = yield* Source.compile(content)
        const findings = yield* Effect.mapError(Lint.check(snapshot), fromFlipt)
        return { content, findings }
      })
    )
    const count = problems.length + checked.reduce((sum, { findings }) => sum + findings.length, 0)
    if (output.isJson) {
      yield* output.printJson({
        problems,
        findings: checked.flatMap(({ content, findings }) =>
          findings.map((finding) => ({ namespace: content.namespace, ...finding }))
        )
      })
    } else {
      if (problems.length > 0) {
        const features = yield* Effect.promise(() => import("../features.js"))
        yield* output.print(features.formatProblems(problems))
      }
      for (const { content, findings } of checked) {
        if (findings.length > 0) {
          yield* output.print(
            `${problems.length > 0 || checked.length > 1 ? `\n${output.color("bold", content.label)}\n\n` : ""}${Text.lines(Lint.format(findings))}`
          )
        }
      }
      yield* output.message(
        count === 0
          ? "no findings"
          : `\n${Text.plural(problems.length, "problem")} in files, ${Text.plural(count - problems.length, "finding")} in flags`
      )
    }
    if (count > 0) {
      return yield* exit(exitCodes.found)
    }
  })
