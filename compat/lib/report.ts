/**
 * Runs checks and prints their results as a table.
 */

import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

/** A check failed. */
export class Failed extends Data.TaggedError("Failed")<{ readonly message: string }> {}

/** A check needs something that is not available on this machine. */
export class Skipped extends Data.TaggedError("Skipped")<{ readonly message: string }> {}

export interface Check {
  readonly name: string
  /** What is checked, with its version. Called after the check, which may install it. */
  readonly version: () => string
  /** Returns what was observed. */
  readonly run: Effect.Effect<string, Failed | Skipped, Scope.Scope>
}

interface Row {
  readonly name: string
  readonly version: string
  readonly result: "ok" | "fail" | "skipped"
  readonly seconds: string
  readonly observed: string
}

/** Fails unless both values have the same JSON. */
export const expectEqual = (what: string, found: unknown, wanted: unknown): Effect.Effect<void, Failed> =>
  JSON.stringify(found) === JSON.stringify(wanted)
    ? Effect.void
    : new Failed({ message: `${what} is ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}` })

const secondsSince = (start: number) => Effect.map(Clock.currentTimeMillis, (now) => ((now - start) / 1000).toFixed(1))

const versionOf = (check: Check): string => {
  try {
    return check.version()
  } catch {
    return "not installed"
  }
}

const firstLine = (text: string): string => text.trim().split("\n")[0] ?? ""

const run = (check: Check): Effect.Effect<Row> =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    const exit = yield* Effect.exit(Effect.scoped(check.run))
    const seconds = yield* secondsSince(start)
    const row = (result: Row["result"], observed: string): Row => ({
      name: check.name,
      version: versionOf(check),
      result,
      seconds,
      observed
    })
    if (Exit.isSuccess(exit)) {
      return row("ok", exit.value)
    }
    const failure = Cause.failureOption(exit.cause)
    if (failure._tag === "Some" && failure.value._tag === "Skipped") {
      return row("skipped", failure.value.message)
    }
    const message = failure._tag === "Some" ? failure.value.message : Cause.pretty(exit.cause)
    yield* Console.error(`${check.name} failed: ${message}\n`)
    return row("fail", firstLine(message).slice(0, 100))
  }).pipe(Effect.tap((row) => Console.error(`${row.result.padEnd(7)} ${row.name} (${row.seconds} s)`)))

const format = (rows: ReadonlyArray<Row>): string => {
  const header: Row = { name: "check", version: "version", result: "ok", seconds: "s", observed: "observed" }
  const cells = rows.map((row) => [row.name, row.version, row.result, row.seconds, row.observed])
  const table = [[header.name, header.version, "result", header.seconds, header.observed], ...cells]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  const line = (row: ReadonlyArray<string>) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [
    line(table[0]!),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...table.slice(1).map(line)
  ].join("\n")
}

/**
 * Runs the checks one after the other and prints a table. Fails if a check failed. If words are given, runs only the
 * checks whose name contains one of them.
 */
export const report = (checks: ReadonlyArray<Check>, words: ReadonlyArray<string>): Effect.Effect<void, Failed> =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    const chosen = checks.filter(
      ({ name }) => words.length === 0 || words.some((word) => name.toLowerCase().includes(word.toLowerCase()))
    )
    const rows = yield* Effect.forEach(chosen, run)
    const failures = rows.filter(({ result }) => result === "fail").length
    yield* Console.log(format(rows))
    yield* Console.log(
      `\n${rows.length} checks, ${failures} failed, ${rows.filter(({ result }) => result === "skipped").length} skipped, in ${yield* secondsSince(start)} s on ${process.platform}-${process.arch}, Node ${process.versions.node}`
    )
    if (failures > 0) {
      return yield* new Failed({ message: `${failures} checks failed` })
    }
  })

/** Runs a program to its end, and prints why it failed. */
export const main = (program: Effect.Effect<void, Failed, Scope.Scope>): void =>
  NodeRuntime.runMain(
    Effect.tapErrorCause(Effect.scoped(program), (cause) =>
      Console.error(
        Option.match(Cause.failureOption(cause), {
          onNone: () => Cause.pretty(cause),
          onSome: ({ message }) => message
        })
      )
    ),
    { disableErrorReporting: true }
  )
