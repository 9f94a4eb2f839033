/**
 * A member of a fleet as a separate process.
 */
import { spawn } from "node:child_process"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { until } from "../../../../test/support/wait.js"

export interface Report {
  readonly status: string
  readonly mode: string
  readonly on: boolean | string
}

export interface Child {
  /** Waits until the child's last report is accepted. */
  readonly awaitReport: (accepts: (report: Report) => boolean) => Effect.Effect<void, Error>
  readonly signal: (signal: NodeJS.Signals) => void
  readonly awaitExit: Effect.Effect<void>
}

const script = fileURLToPath(new URL("../children/member.mjs", import.meta.url))

export const make = (redisUrl: string, fliptUrl: string): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [script, redisUrl, fliptUrl], { stdio: ["ignore", "pipe", "pipe"] })
      let output = ""
      let errors = ""
      let last: Report | undefined
      let exited = false
      child.stdout.on("data", (chunk: Buffer) => {
        const lines = (output + chunk.toString()).split("\n")
        output = lines.pop() ?? ""
        for (const line of lines) {
          if (line.startsWith("{")) last = JSON.parse(line) as Report
        }
      })
      child.stderr.on("data", (chunk: Buffer) => {
        errors += chunk.toString()
      })
      child.once("exit", () => {
        exited = true
      })
      return { child, report: () => last, errors: () => errors, exited: () => exited }
    }),
    ({ child, exited }) =>
      Effect.zipRight(
        Effect.sync(() => child.kill("SIGKILL")),
        until(exited)
      )
  ).pipe(
    Effect.map(({ child, errors, exited, report }) => ({
      awaitReport: (accepts) =>
        Effect.flatMap(
          until(() => exited() || (report() !== undefined && accepts(report()!))),
          () => (exited() ? Effect.fail(new Error(`the child exited: ${errors()}`)) : Effect.void)
        ),
      signal: (signal) => void child.kill(signal),
      awaitExit: until(exited)
    }))
  )
