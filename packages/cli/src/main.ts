#!/usr/bin/env node
/**
 * The command `flipt-client`.
 *
 * @example
 * ```sh
 * flipt-client explain theme --entity user-42 --context plan=pro country=DE
 * ```
 *
 * @since 0.1.0
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import { names, root } from "./internal/app.js"
import { asksForHelp, expandContext, takeLogLevel } from "./internal/argv.js"
import { exitCodes, Failure, usage } from "./internal/failure.js"
import { hasColor, logger } from "./internal/output.js"
import * as Text from "./internal/text.js"
import { version } from "./internal/version.js"

const DEFAULT_WIDTH = 80

// Programs such as head close the pipe before they have read everything.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") {
    process.exit(0)
  }
  throw error
})

const argv = process.argv.slice(2)

const writeError = (message: string) => Effect.sync(() => process.stderr.write(`error: ${message}\n`))

/** Removes the colors from the output of `@effect/cli`. */
const withoutColors = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the start of a color
  text.replace(/\u001b\[[\d;]*m/g, "")

/**
 * The bash script of `@effect/cli` 0.77 sets a command's name and then looks for it with its hyphens replaced, so that it
 * would complete nothing after the name of a subcommand.
 */
const withReplacedHyphens = (script: string): string =>
  script.replace('cmd="flipt-client"', 'cmd="flipt__client"').replace(/^( +)flipt-client\)$/m, "$1flipt__client)")

/** The console for `@effect/cli` only. The commands write through `Output`. */
const cliConsole = Effect.map(
  Console.consoleWith(Effect.succeed),
  (console): Console.Console => ({
    ...console,
    log: (...args) =>
      Effect.sync(() =>
        process.stdout.write(`${withReplacedHyphens(args.map((arg) => withoutColors(String(arg))).join(" "))}\n`)
      ),
    error: (...args) => {
      const text = Text.lines(withoutColors(args.map(String).join(" ")).trim())
      const isKnown = argv[0] !== undefined && names.includes(argv[0])
      const command = isKnown ? `flipt-client ${argv[0]}` : "flipt-client"
      return writeError(`${text}\nsee ${command} --help`)
    }
  })
)

const logLevels: Readonly<Record<string, LogLevel.LogLevel>> = {
  all: LogLevel.All,
  trace: LogLevel.Trace,
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error,
  none: LogLevel.None
}

const printHelp = Effect.gen(function* () {
  const help = yield* Effect.promise(() => import("./internal/help.js"))
  const isBold = hasColor(process.stdout)
  const style = {
    width: Math.min(100, process.stdout.columns ?? DEFAULT_WIDTH),
    bold: (text: string) => (isBold ? `\u001b[1m${text}\u001b[22m` : text)
  }
  yield* Effect.sync(() => process.stdout.write(`${help.write(argv, style)}\n`))
})

const program = Effect.gen(function* () {
  if (asksForHelp(argv)) {
    return yield* printHelp
  }
  const secret = argv.find((argument) => /^--(?:(?:client-|jwt-)?token|jwt|key-passphrase)(?:=|$)/.test(argument))
  if (secret !== undefined) {
    return yield* usage(
      `${secret.replace(/=.*$/s, "")} is not an option, because other users can see the arguments of a command; set FLIPT_CLIENT_TOKEN, FLIPT_JWT_TOKEN or FLIPT_KEY_PASSPHRASE, or use --token-file or --jwt-file`
    )
  }
  const { level, rest } = takeLogLevel(argv)
  const minimum = logLevels[(level ?? "warning").toLowerCase()]
  if (minimum === undefined) {
    return yield* usage(
      `--log-level needs one of ${Object.keys(logLevels).join(", ")}, found ${Text.quote(level ?? "", 40)}`
    )
  }
  const run = Command.run(root, { name: "flipt-client", version })
  yield* run([...process.argv.slice(0, 2), ...expandContext(rest)]).pipe(
    Effect.withConsole(yield* cliConsole),
    Logger.withMinimumLogLevel(minimum)
  )
})

/** Prints the message for a failure, and returns the exit code. */
const exitCodeOf = (cause: Cause.Cause<unknown>): Effect.Effect<number> => {
  if (Cause.isInterruptedOnly(cause)) {
    return Effect.succeed(exitCodes.interrupted)
  }
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  if (failure instanceof Failure) {
    return failure.message === ""
      ? Effect.succeed(failure.exitCode)
      : Effect.as(writeError(failure.message), failure.exitCode)
  }
  // already printed
  if (ValidationError.isValidationError(failure)) {
    return Effect.succeed(exitCodes.usage)
  }
  return Effect.as(
    writeError(`a fault of flipt-client itself; please report it\n${Text.lines(Cause.pretty(cause))}`),
    exitCodes.defect
  )
}

const environment = Layer.mergeAll(
  NodeFileSystem.layer,
  NodePath.layer,
  NodeTerminal.layer,
  CliConfig.layer({ showBuiltIns: true }),
  Logger.replace(Logger.defaultLogger, logger)
)

program.pipe(
  Effect.provide(environment),
  Effect.catchAllCause((cause) =>
    Effect.flatMap(exitCodeOf(cause), (code) =>
      Effect.sync(() => {
        process.exitCode = code
      })
    )
  ),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    disablePrettyLogger: true,
    // Does not call `process.exit`, which would lose output that a slow reader has not read yet.
    teardown: (exit, onExit) => {
      if (Exit.isFailure(exit)) {
        onExit(exitCodes.interrupted)
      } else if (process.exitCode === exitCodes.interrupted) {
        onExit(exitCodes.interrupted)
      }
    }
  })
)
