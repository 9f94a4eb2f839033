/**
 * Runs the scripts of `test/children` on the built package, each in its own process.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"

/** Decodes the last line that a script prints. Fails if the process does not exit by itself in time. */
export const run = (script: string, args: ReadonlyArray<string>, timeout: number): Effect.Effect<unknown, Error> =>
  Effect.async<unknown, Error>((resume) => {
    const child = execFile(
      process.execPath,
      ["--expose-gc", fileURLToPath(new URL(`../children/${script}`, import.meta.url)), ...args],
      { timeout },
      (error, stdout, stderr) =>
        resume(
          error === null
            ? Effect.sync(() => JSON.parse(stdout.trim().split("\n").at(-1) ?? ""))
            : Effect.fail(new Error(`${error.message}\n${stdout}\n${stderr}`))
        )
    )
    return Effect.sync(() => child.kill())
  })
