/**
 * Finds flags that work on Flipt's server but cannot work on a client, and flags that are probably mistakes.
 *
 * Client engines evaluate some values differently from Flipt's server, without an error: a constraint such as `age >= 1.5`
 * never holds on any client. {@link check} finds such places in a Snapshot, and {@link layer} logs a warning about them
 * whenever a client loads a state.
 *
 * @since 0.1.0
 */
import type { Effect } from "effect/Effect"
import type { Layer } from "effect/Layer"
import type { EvaluationError } from "./FliptError.js"
import * as lint from "./internal/lint/check.js"
import { formatFindings } from "./internal/lint/format.js"
import { warnings } from "./internal/lint/warnings.js"
import type { Snapshot } from "./Snapshot.js"

/**
 * The kind of a finding.
 *
 * In a constraint:
 *
 * - `Number`: the value is not a 32-bit integer, or the list contains something else than 32-bit integers.
 * - `Date`: only clients or only the server, or neither, read the value as a date and time.
 * - `DateFraction`: clients drop the fraction of the second.
 * - `ListEscape`: the list has an escape in it, such as `\"` or `\u0026`, and counts as empty.
 * - `List`: the value is not a JSON list of strings.
 * - `EmptyList`: the list is empty.
 * - `EmptyValue`: the value is empty, which makes the constraint hold for everyone or for nobody.
 * - `Blanks`: the value or the property begins or ends with a blank.
 * - `UnknownType`, `UnknownOperator`: the type is unknown, or has no such operator.
 *
 * In a segment:
 *
 * - `Contradiction`: all constraints must hold, and two of them cannot hold together.
 * - `Tautology`: one constraint is enough, and of two constraints at least one always holds.
 *
 * In a rule or rollout:
 *
 * - `NeverMatches`: its segments cannot match.
 * - `Unreachable`: an earlier one already decides for every entity that it could match.
 * - `RepeatedRule`: Flipt v1 sent a rule with several segments once for each segment.
 * - `DistributionSum`: the shares do not sum to 100.
 * - `NoShare`: a distribution's share is too small to cover a point.
 * - `Percentage`: the percentage is out of range, or has a fraction.
 * - `Ignored`: evaluations ignore this part.
 *
 * In a variant:
 *
 * - `Attachment`: the attachment is not JSON.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind =
  | "Number"
  | "Date"
  | "DateFraction"
  | "ListEscape"
  | "List"
  | "EmptyList"
  | "EmptyValue"
  | "Blanks"
  | "UnknownType"
  | "UnknownOperator"
  | "Contradiction"
  | "Tautology"
  | "NeverMatches"
  | "Unreachable"
  | "RepeatedRule"
  | "DistributionSum"
  | "NoShare"
  | "Percentage"
  | "Ignored"
  | "Attachment"

/**
 * A part of a state that probably does not do what it is meant to do. In the texts, values from the state are cut and
 * escaped.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  readonly kind: Kind
  /** The flag's key. */
  readonly flag: string
  /** Where in the flag, such as `rule 1, segment "adults", constraint 2`; counted from 1. */
  readonly place: string
  /** What this library and every other client engine does. */
  readonly here: string
  /** What evaluation on Flipt's server does. */
  readonly server: string
  /** What to do about it. */
  readonly advice: string
}

/**
 * Checks all flags of a state, in the document's order. Fails only if the Snapshot is closed. Takes time in proportion to
 * the size of the state, and blocks the event loop meanwhile.
 *
 * @example
 * ```ts
 * import * as Console from "effect/Console"
 * import * as Effect from "effect/Effect"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as Lint from "flipt-client-effect/Lint"
 *
 * // for a CI job: fails if the namespace has findings
 * const program = Effect.scoped(
 *   Effect.gen(function* () {
 *     const client = yield* FliptClient.FliptClient
 *     const findings = yield* Lint.check(yield* client.snapshot)
 *     if (findings.length > 0) {
 *       yield* Console.error(Lint.format(findings))
 *       return yield* Effect.fail(new Error(`${findings.length} findings`))
 *     }
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category checking
 */
export const check: (snapshot: Snapshot) => Effect<ReadonlyArray<Finding>, EvaluationError> = lint.check

/**
 * Findings as text for a terminal of 80 columns. Findings that differ only in their place are printed once, with the
 * first of their places.
 *
 * @since 0.1.0
 * @category formatting
 */
export const format: (findings: ReadonlyArray<Finding>) => string = formatFindings

/**
 * Runs {@link check} whenever a client loads a state, and logs one warning if there are findings. The same warning is not
 * logged again with the next state. Provide it to the client's layer.
 *
 * The check runs before the state is served, and takes several times as long as loading it.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as Lint from "flipt-client-effect/Lint"
 *
 * const client = FliptClient.layer({ namespace: "shop" }).pipe(Layer.provide(Lint.layer))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer<never> = warnings
