/**
 * The server of a scenario, whose program changes a flag, and the result that the program should report.
 */
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Fault from "../../test/support/Fault.js"
import type * as FliptServer from "../../test/support/FliptServer.js"
import * as Listener from "../../test/support/Listener.js"
import { expectEqual, Failed } from "./report.js"
import * as Server from "./server.js"

export type Mode = "polling" | "streaming"
export type Engine = "native" | "portable"

/** The input of a program, as JSON. */
export interface Scenario {
  readonly url: string
  /** A POST to `/true` or `/false` below this URL sets the flag. */
  readonly control: string
  readonly modes: ReadonlyArray<Mode>
  /** Default: the default engine. */
  readonly engines?: ReadonlyArray<Engine>
}

/** Serves requests from any origin that change the flag. */
const listen = (server: FliptServer.Server): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Listener.listen(
      Http.createServer((request, response) => {
        Effect.runCallback(server.setDocument(Server.document(request.url === "/true")), {
          onExit: () => response.writeHead(200, { "access-control-allow-origin": "*" }).end()
        })
      })
    ),
    (port) => `http://127.0.0.1:${port}`
  )

export const make = (
  options: FliptServer.Options,
  scenario: Pick<Scenario, "engines" | "modes">,
  faults: ReadonlyArray<Fault.Fault> = []
): Effect.Effect<Scenario, never, Scope.Scope> =>
  Effect.gen(function* () {
    const server = yield* Server.make(options)
    yield* server.fail(...faults)
    return { ...scenario, url: server.url, control: yield* listen(server) }
  })

/** Reads the result from what a program printed. */
export const resultOf = (output: string): Effect.Effect<unknown, Failed> => {
  const found = /RESULT (\[.*\])/.exec(output)?.[1]
  return found === undefined
    ? new Failed({ message: `it printed no result:\n${output}` })
    : Effect.succeed(JSON.parse(found) as unknown)
}

/** Succeeds with a summary if each mode, with each engine, saw the flag off and then on. */
export const check = (result: unknown, modes: ReadonlyArray<Mode>, engines: ReadonlyArray<Engine>) =>
  Effect.as(
    expectEqual(
      "the result",
      result,
      modes.flatMap((mode) => engines.map((engine) => `${mode} ${engine} false true`))
    ),
    `${modes.join(" and ")}, ${engines.join(" and ")}`
  )
