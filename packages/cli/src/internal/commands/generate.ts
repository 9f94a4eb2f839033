/**
 * `generate`: a TypeScript module that declares the flags of a namespace.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { definitionsOf } from "../definitions.js"
import { exitCodes, Failure } from "../failure.js"
import { writeModule } from "../generate/module.js"
import { Output } from "../output.js"
import * as Source from "../source.js"
import * as Text from "../text.js"

export interface Options extends Source.Options {
  readonly output: string | undefined
}

export const run = (options: Options): Effect.Effect<void, Failure, Source.Environment> =>
  Effect.gen(function* () {
    const output = yield* Output
    const { label, snapshot } = yield* Source.load(options)
    const text = writeModule(yield* definitionsOf(snapshot), label)
    if (options.output === undefined) {
      return yield* output.print(text.trimEnd())
    }
    const path = options.output
    const fs = yield* FileSystem.FileSystem
    yield* Effect.mapError(
      fs.writeFileString(path, text),
      (error) =>
        new Failure({
          message: `${Text.plain(path)} cannot be written: ${Text.plain(error.message)}`,
          exitCode: exitCodes.source
        })
    )
    yield* output.message(`wrote the flags of ${label} to ${Text.plain(path)}`)
  })
