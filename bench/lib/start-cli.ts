/**
 * A minimal `@effect/cli` command: it parses its arguments and exits.
 */
import process from "node:process"
import * as Command from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"

const run = Command.run(
  Command.make("empty", {}, () => Effect.void),
  { name: "empty", version: "1" }
)

run(process.argv).pipe(Effect.provide(NodeContext.layer), NodeRuntime.runMain)
