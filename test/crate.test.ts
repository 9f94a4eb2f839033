/**
 * The crate passes its own tests, its linter and its formatter. Cargo downloads missing dependencies.
 */
import { execFile, execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { native, reason } from "./support/engines.js"

const crate = fileURLToPath(new URL("../native", import.meta.url))

const cargo = (...args: ReadonlyArray<string>) =>
  Effect.async<{ readonly code: number; readonly output: string }>((resume) => {
    const child = execFile("cargo", args, { cwd: crate, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
      resume(Effect.succeed({ code: error === null ? 0 : 1, output: `${stdout}${stderr}` }))
    )
    return Effect.sync(() => child.kill())
  })

/** An optional component of the toolchain. */
const has = (command: string): boolean => {
  try {
    execFileSync("cargo", [command, "--version"], { cwd: crate, stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

describe.skipIf(!native)(`the crate${native ? "" : ` (skipped: ${reason})`}`, () => {
  it.skipIf(native && !has("fmt"))("is formatted", () =>
    Effect.runPromise(
      Effect.map(cargo("fmt", "--check"), ({ code, output }) => {
        expect(code, output).toBe(0)
      })
    )
  )

  it.skipIf(native && !has("clippy")).sequential(
    "passes clippy, pedantic lints included",
    () =>
      Effect.runPromise(
        Effect.map(
          // `--release`, because the build has already compiled the dependencies for it
          cargo("clippy", "--release", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"),
          ({ code, output }) => {
            expect(code, output).toBe(0)
          }
        )
      ),
    300_000
  )

  it.live(
    "passes its tests",
    () =>
      Effect.map(cargo("test", "--locked", "--quiet"), ({ code, output }) => {
        expect(code, output).toBe(0)
        expect(output).toMatch(/test result: ok\. [1-9]/)
      }),
    300_000
  )
})
