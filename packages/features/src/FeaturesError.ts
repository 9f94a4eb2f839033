/**
 * Problems in flag files.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { printable } from "./internal/report.js"

/**
 * A problem in a file.
 *
 * An `error` prevents conversion: Flipt rejects the file, or its meaning is ambiguous. A `warning` does not: Flipt's
 * validation rejects or ignores something, but the evaluation is clear. With the option `strict`, warnings are errors.
 *
 * - `Syntax`: not YAML, or not UTF-8.
 * - `Type`: a value of the wrong type, such as a list instead of a string.
 * - `Missing`: a required field is absent.
 * - `Unknown`: the format has no such field.
 * - `Value`: a value that the field does not allow.
 * - `Duplicate`: a key that occurs twice.
 * - `Reference`: a segment or variant that is not defined where Flipt looks for it.
 * - `Version`: the field needs another `version` of the format.
 * - `Limit`: too large, nested too deeply, or too many aliases.
 *
 * @since 0.1.0
 * @category models
 */
export interface Problem {
  readonly severity: "error" | "warning"
  readonly reason: "Syntax" | "Type" | "Missing" | "Unknown" | "Value" | "Duplicate" | "Reference" | "Version" | "Limit"
  readonly file: string
  /** Counts from 1. */
  readonly line: number
  /** Counts from 1, in UTF-16 code units. */
  readonly column: number
  /** The place in the document, such as `flags[0].rules[1].segment`; empty for the whole document. */
  readonly path: string
  readonly message: string
}

const ProblemSchema: Schema.Schema<Problem> = Schema.Struct({
  severity: Schema.Literal("error", "warning"),
  reason: Schema.Literal("Syntax", "Type", "Missing", "Unknown", "Value", "Duplicate", "Reference", "Version", "Limit"),
  file: Schema.String,
  line: Schema.Number,
  column: Schema.Number,
  path: Schema.String,
  message: Schema.String
})

/**
 * The files cannot be converted. `problems` contains all errors and warnings, ordered by file and line. The message shows
 * the first errors.
 *
 * @example
 * ```ts
 * import * as Either from "effect/Either"
 * import { convert, formatProblem } from "@flipt-client-effect/features"
 *
 * const lines = Either.match(convert([{ path: "features.yml", text: "flags: 1" }]), {
 *   onLeft: (error) => error.problems.map(formatProblem),
 *   onRight: () => []
 * })
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export class FeaturesError extends Schema.TaggedError<FeaturesError>("@flipt-client-effect/features/FeaturesError")(
  "FeaturesError",
  { message: Schema.String, problems: Schema.Array(ProblemSchema) }
) {}

/**
 * Formats a problem as one line, like a compiler: `features.yml:12:5: error: …`.
 *
 * @since 0.1.0
 * @category formatting
 */
export const formatProblem = (problem: Problem): string =>
  `${printable(problem.file)}:${problem.line}:${problem.column}: ${problem.severity}: ${problem.message}`
