/**
 * `evaluate`: the value of one flag, or of all flags, for an entity.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { EvaluateError } from "flipt-client-effect/FliptError"
import { type Failure, fromFlipt, usage } from "../failure.js"
import { Output } from "../output.js"
import { contextOf, type EntityOptions, flagOf } from "../request.js"
import * as Results from "../results.js"
import * as Source from "../source.js"
import * as Text from "../text.js"

export interface Options extends Source.Options, EntityOptions {
  readonly flag: string | undefined
  readonly all: boolean
}

const label = (text: string): string => Text.pad(text, 12)

export const run = (options: Options): Effect.Effect<void, Failure, Source.Environment> =>
  Effect.gen(function* () {
    const { all, entity, flag } = options
    if (all === (flag !== undefined)) {
      return yield* usage(all ? "--all evaluates every flag; omit the flag" : "name a flag, or use --all")
    }
    const output = yield* Output
    const context = yield* contextOf(options.context)
    const { label: source, snapshot } = yield* Source.load(options)
    const evaluate = (key: string, isBoolean: boolean) => {
      const request = { flagKey: key, entityId: entity, context }
      const result: Either.Either<Results.Result, EvaluateError> = isBoolean
        ? snapshot.boolean(request)
        : snapshot.variant(request)
      return Either.mapLeft(result, fromFlipt)
    }
    if (flag !== undefined) {
      const info = yield* flagOf(snapshot, flag, source)
      const result = yield* evaluate(flag, Results.isBoolean(info))
      if (output.isJson) {
        return yield* output.printJson(Results.toJson(result))
      }
      const attachment = Results.attachmentOf(result)
      return yield* output.print(
        [
          `${label("Flag")}${Text.plain(flag)}`,
          `${label("Result")}${output.color("bold", Results.valueOf(result))}`,
          `${label("Reason")}${Results.reasonOf(result)}`,
          ...(attachment === undefined
            ? []
            : [`${label("Attachment")}${Text.plain(attachment, Number.POSITIVE_INFINITY)}`])
        ].join("\n")
      )
    }
    const flags = yield* Either.mapLeft(snapshot.flags, fromFlipt)
    const results = yield* Effect.forEach(flags, (info) =>
      Effect.map(evaluate(info.key, Results.isBoolean(info)), (result) => ({ info, result }))
    )
    if (output.isJson) {
      return yield* output.printJson(results.map(({ result }) => Results.toJson(result)))
    }
    if (results.length === 0) {
      return yield* output.message(`there are no flags in ${source}`)
    }
    yield* output.print(
      Text.table(
        ["FLAG", "TYPE", "RESULT", "REASON"],
        results.map(({ info, result }) => [
          info.key,
          Results.typeOf(info),
          Results.valueOf(result),
          Results.reasonOf(result)
        ]),
        output.width,
        (cell, column, row) => (row < 0 || column === 2 ? output.color("bold", cell) : cell)
      )
    )
  })
