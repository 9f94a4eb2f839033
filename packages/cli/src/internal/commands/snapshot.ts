/**
 * `snapshot`: writes the state of a namespace, for another client to start from or to compare later.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { exitCodes, Failure, fromFlipt, usage } from "../failure.js"
import { Output } from "../output.js"
import * as Source from "../source.js"
import * as Text from "../text.js"

export interface Options extends Source.Options {
  readonly seed: boolean
  readonly output: string | undefined
}

const join = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => Buffer.concat(chunks)

export const run = (options: Options): Effect.Effect<void, Failure, Source.Environment> =>
  Effect.gen(function* () {
    const output = yield* Output
    const content = yield* Source.read(options)
    // Compiles the state first, because a client could not load an invalid file.
    const { snapshot } = yield* Source.compile(content)
    if (content.isSeed && !options.seed) {
      return yield* usage(`${content.label} is a seed and cannot be written as a document; add --seed`)
    }
    const bytes = options.seed
      ? new TextEncoder().encode(yield* Effect.mapError(snapshot.seed, fromFlipt))
      : join(content.bytes)
    if (options.output === undefined) {
      const text = new TextDecoder().decode(bytes).trimEnd()
      // Unescaped for a file or a program, but escaped for a terminal, which would interpret control characters.
      return yield* output.isJson && options.seed
        ? output.printJson({ namespace: content.namespace, seed: text })
        : output.print(output.width === undefined ? text : Text.jsonText(text))
    }
    const fs = yield* FileSystem.FileSystem
    const path = options.output
    // Renamed into place, so that a program that follows the file never reads a part of it.
    const temporary = `${path}.${process.pid}.tmp`
    yield* fs.writeFile(temporary, bytes).pipe(
      Effect.zipRight(fs.rename(temporary, path)),
      Effect.tapError(() => Effect.ignore(fs.remove(temporary))),
      Effect.mapError(
        (error) =>
          new Failure({
            message: `${Text.plain(path)} cannot be written: ${Text.plain(error.message)}`,
            exitCode: exitCodes.source
          })
      )
    )
    yield* output.message(`wrote the ${options.seed ? "seed" : "document"} of ${content.label} to ${Text.plain(path)}`)
  })
