/**
 * Runs the built command as a separate process. Needs the build, which `npm test` makes first.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  readonly variables?: Readonly<Record<string, string>>
  readonly folder?: string
}

/** Without the tests' own environment, which may contain FLIPT_* variables. */
const environment = (variables: Options["variables"] = {}) => ({ PATH: process.env.PATH ?? "", ...variables })

const execute = (
  file: string,
  args: ReadonlyArray<string>,
  { folder, variables }: Options = {}
): Effect.Effect<Outcome> =>
  Effect.async<Outcome>((resume) => {
    const child = execFile(
      file,
      args,
      { env: environment(variables), cwd: folder, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }))
    )
    child.stdin?.end()
    return Effect.sync(() => child.kill())
  })

/** Runs the command to its end, with pipes for its output. */
export const run = (args: ReadonlyArray<string>, options?: Options): Effect.Effect<Outcome> =>
  execute(process.execPath, [main, ...args], options)

/** Why there is no pseudo-terminal, if so. */
export const noTerminal: string | undefined =
  process.platform === "linux" && existsSync("/usr/bin/script") && existsSync("/usr/bin/stty")
    ? undefined
    : "script and stty of util-linux and coreutils are not installed"

const quote = (argument: string): string => `'${argument.replaceAll("'", `'\\''`)}'`

const scriptArgs = (columns: number, args: ReadonlyArray<string>): ReadonlyArray<string> => [
  "-qec",
  `stty cols ${columns} rows 40; exec ${[process.execPath, main, ...args].map(quote).join(" ")}`,
  "/dev/null"
]

/** Runs the command in a terminal with `columns` columns. Its standard output and error are combined in `stdout`. */
export const runInTerminal = (
  columns: number,
  args: ReadonlyArray<string>,
  { folder, variables }: Options = {}
): Effect.Effect<Outcome> =>
  execute("/usr/bin/script", scriptArgs(columns, args), {
    ...(folder === undefined ? {} : { folder }),
    variables: { TERM: "xterm", ...variables }
  })

export interface Running {
  readonly child: ChildProcess
  /** The output so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly ended: Effect.Effect<{ readonly code: number | null }>
}

const follow = (child: ChildProcess): Running => {
  let stdout = ""
  let stderr = ""
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  const closed = new Promise<{ readonly code: number | null }>((resolve) => {
    child.once("close", (code) => resolve({ code }))
  })
  return { child, stdout: () => stdout, stderr: () => stderr, ended: Effect.promise(() => closed) }
}

const started = (file: string, args: ReadonlyArray<string>, variables: Options["variables"]) =>
  Effect.acquireRelease(
    Effect.sync(() => follow(spawn(file, args, { env: environment(variables), stdio: ["ignore", "pipe", "pipe"] }))),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Starts the command, and kills it with the Scope. */
export const start = (args: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Running, never, Scope.Scope> =>
  started(process.execPath, [main, ...args], options.variables)

export const startInTerminal = (
  columns: number,
  args: ReadonlyArray<string>
): Effect.Effect<Running, never, Scope.Scope> =>
  started("/usr/bin/script", scriptArgs(columns, args), { TERM: "xterm" })
