/**
 * `list`: the flags of a namespace.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type Failure, fromFlipt } from "../failure.js"
import { Output } from "../output.js"
import * as Results from "../results.js"
import * as Source from "../source.js"
import * as Text from "../text.js"

export const run = (options: Source.Options): Effect.Effect<void, Failure, Source.Environment> =>
  Effect.gen(function* () {
    const output = yield* Output
    const { label, snapshot } = yield* Source.load(options)
    const flags = yield* Either.mapLeft(snapshot.flags, fromFlipt)
    if (output.isJson) {
      return yield* output.printJson(flags)
    }
    if (flags.length === 0) {
      return yield* output.message(`there are no flags in ${label}`)
    }
    const hasDescription = flags.some(({ description }) => (description ?? "") !== "")
    const rows = flags.map((flag) => [
      flag.key,
      Results.typeOf(flag),
      flag.enabled ? "enabled" : "disabled",
      flag.defaultVariant?.key ?? (Results.isBoolean(flag) ? String(flag.enabled) : "-"),
      ...(hasDescription ? [flag.description ?? ""] : [])
    ])
    yield* output.print(
      Text.table(
        ["FLAG", "TYPE", "STATE", "DEFAULT", ...(hasDescription ? ["DESCRIPTION"] : [])],
        rows,
        output.width,
        (cell, column, row) =>
          row < 0
            ? output.color("bold", cell)
            : column === 2 && flags[row]?.enabled === false
              ? output.color("dim", cell)
              : cell
      )
    )
  })
