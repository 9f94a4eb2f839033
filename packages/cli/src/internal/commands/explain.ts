/**
 * `explain`: why a flag has its value for an entity.
 */
import * as Effect from "effect/Effect"
import * as Explain from "flipt-client-effect/Explain"
import type { EvaluateError } from "flipt-client-effect/FliptError"
import { type Failure, fromFlipt } from "../failure.js"
import { Output, type Service } from "../output.js"
import { contextOf, type EntityOptions, flagOf } from "../request.js"
import * as Results from "../results.js"
import * as Source from "../source.js"
import * as Text from "../text.js"

export interface Options extends Source.Options, EntityOptions {
  readonly flag: string
}

/** Colors the deciding step in the lines of `Explain.format`. */
const colored = (text: string, { color }: Service): string =>
  text
    .split("\n")
    .map((line) =>
      /^Result {5}/.test(line)
        ? color("bold", line)
        : /^ {2}(?:Rule|Rollout) \d+: MATCH/.test(line)
          ? color("green", line)
          : /^ {2}(?:Rule|Rollout) \d+: not reached/.test(line)
            ? color("dim", line)
            : line.replace(
                /^( {6})(holds|fails)(?= {2})/,
                (_, indent: string, verdict: string) => indent + color(verdict === "holds" ? "green" : "red", verdict)
              )
    )
    .join("\n")

export const run = (options: Options): Effect.Effect<void, Failure, Source.Environment> =>
  Effect.gen(function* () {
    const output = yield* Output
    const context = yield* contextOf(options.context)
    const { label, snapshot } = yield* Source.load(options)
    const info = yield* flagOf(snapshot, options.flag, label)
    const request = { flagKey: info.key, entityId: options.entity, context }
    const explaining: Effect.Effect<Explain.Explanation, EvaluateError> = Results.isBoolean(info)
      ? Explain.boolean(snapshot, request)
      : Explain.variant(snapshot, request)
    const explanation = yield* Effect.mapError(explaining, fromFlipt)
    yield* output.isJson
      ? output.printJson(explanation)
      : output.print(colored(Text.lines(Explain.format(explanation)), output))
  })
