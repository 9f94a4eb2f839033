/**
 * Runs other programs.
 */
import { spawn } from "node:child_process"
import process from "node:process"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Failed } from "./report.js"

export interface Options {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Default: 5 minutes. */
  readonly timeout?: Duration.DurationInput
}

/** The environment without variables that npm or a test runner set for their child processes, and without our own. */
const inherited = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|FLIPT_|NODE_ENV$|NODE_OPTIONS$|INIT_CWD$)/i.test(name))
  )

const describe = (command: string, args: ReadonlyArray<string>) => [command, ...args].join(" ").slice(0, 200)

/** A running program and its child processes, which end with the Scope. */
export const start = (
  command: string,
  args: ReadonlyArray<string>,
  options: Options
): Effect.Effect<{ readonly output: () => string; readonly exit: Effect.Effect<number, Failed> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    let output = ""
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...inherited(), ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      // a process group, so that the program's children end with it
      detached: true
    })
    const collect = (chunk: Buffer) => {
      output += chunk.toString("utf8")
    }
    child.stdout.on("data", collect)
    child.stderr.on("data", collect)
    const killGroup = () => {
      try {
        process.kill(-(child.pid as number), "SIGKILL")
      } catch {
        // it has already exited
      }
    }
    const exited = new Promise<number | Error>((resolve) => {
      child.once("error", resolve)
      // a child that outlives the program would keep the pipes open
      child.once("exit", killGroup)
      child.once("close", (code) => resolve(code ?? 1))
    })
    yield* Effect.addFinalizer(() => Effect.sync(killGroup))
    return {
      output: () => output,
      exit: Effect.flatMap(
        Effect.promise(() => exited),
        (result) =>
          typeof result === "number"
            ? Effect.succeed(result)
            : new Failed({ message: `${describe(command, args)} does not start: ${result.message}` })
      )
    }
  })

/** Runs a program to its end and returns what it printed. Fails if its exit code is not 0. */
export const run = (command: string, args: ReadonlyArray<string>, options: Options): Effect.Effect<string, Failed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const child = yield* start(command, args, options)
      const timeout = options.timeout ?? "5 minutes"
      const code = yield* Effect.timeoutFail(child.exit, {
        duration: timeout,
        onTimeout: () =>
          new Failed({
            message: `${describe(command, args)} did not end within ${Duration.format(timeout)}:\n${child.output()}`
          })
      })
      return code === 0
        ? child.output()
        : yield* new Failed({ message: `${describe(command, args)} exited with code ${code}:\n${child.output()}` })
    })
  )
