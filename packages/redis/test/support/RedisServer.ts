/**
 * A real redis-server on a port of the loopback interface, without persistence.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import * as Folder from "../../../../test/support/Folder.js"
import { listen } from "../../../../test/support/Listener.js"
import { until } from "../../../../test/support/wait.js"

const program = process.env.REDIS_SERVER ?? "redis-server"

/** Why Redis is not available for tests, if so. */
export const missing: string | undefined =
  spawnSync(program, ["--version"]).status === 0
    ? undefined
    : `${program} is not installed; install the package redis-server, or set REDIS_SERVER to its path`

export interface RedisServer {
  readonly port: number
  readonly url: string
  /** The test's own connection. */
  readonly client: Redis
  /** Kills the process like `kill -9`. Its data is lost. */
  readonly kill: Effect.Effect<void>
  readonly start: Effect.Effect<void>
}

/** A free port. */
export const freePort = Effect.scoped(Effect.suspend(() => listen(Net.createServer())))

const accepts = (port: number) =>
  Effect.async<boolean>((resume) => {
    const socket = Net.connect(port, "127.0.0.1")
    const end = (open: boolean) => {
      socket.destroy()
      resume(Effect.succeed(open))
    }
    socket.once("connect", () => end(true)).once("error", () => end(false))
  })

export interface Options {
  readonly args?: ReadonlyArray<string>
  /** For the test's own connection. */
  readonly password?: string
}

export const make = ({ args = [], password }: Options = {}): Effect.Effect<RedisServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const port = yield* freePort
    const folder = yield* Folder.make
    let child: ChildProcess | undefined

    const kill = Effect.async<void>((resume) => {
      if (child === undefined) {
        resume(Effect.void)
        return
      }
      child.once("exit", () => resume(Effect.void))
      child.kill("SIGKILL")
      child = undefined
    })
    const start = Effect.suspend(() => {
      child = spawn(
        program,
        ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder, ...args],
        { stdio: "ignore" }
      )
      return until(accepts(port))
    })

    yield* Effect.acquireRelease(start, () => kill)
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const client = new Redis({
          port,
          host: "127.0.0.1",
          retryStrategy: () => 20,
          ...(password === undefined ? {} : { password })
        })
        client.on("error", () => {})
        return client
      }),
      (client) => Effect.sync(() => client.disconnect())
    )
    return { port, url: `redis://127.0.0.1:${port}`, client, kill, start }
  })
