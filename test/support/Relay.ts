/**
 * A TCP relay between a client and a server. It can go silent without closing connections, like a network whose cable was
 * pulled.
 */
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { listen } from "./Listener.js"

export interface Relay {
  readonly url: string
  /** Stops all traffic on the existing connections, but leaves them open. New connections work. */
  readonly freeze: () => void
  /** With `true`, also freezes new connections until `vanish(false)`. */
  readonly vanish: (gone: boolean) => void
  /** The number of open client connections. */
  readonly connections: () => number
  /** The number of connections so far. */
  readonly made: () => number
}

export const make = (port: number): Effect.Effect<Relay, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pairs = new Set<readonly [Net.Socket, Net.Socket]>()
    let gone = false
    let made = 0
    const freezePair = ([client, server]: readonly [Net.Socket, Net.Socket]) => {
      client.unpipe(server)
      server.unpipe(client)
      // discards what arrives, like a router without a route
      client.resume()
      server.pause()
    }
    const relay = Net.createServer((client) => {
      made++
      const server = Net.connect(port, "127.0.0.1")
      const pair = [client, server] as const
      pairs.add(pair)
      const end = () => {
        pairs.delete(pair)
        client.destroy()
        server.destroy()
      }
      client.on("error", end).on("close", end)
      server.on("error", end).on("close", end)
      client.pipe(server)
      server.pipe(client)
      if (gone) freezePair(pair)
    })
    const own = yield* listen(relay)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const [, server] of pairs) server.destroy()
      })
    )
    const freeze = () => {
      for (const pair of pairs) freezePair(pair)
    }
    return {
      url: `http://127.0.0.1:${own}`,
      freeze,
      vanish: (now) => {
        gone = now
        if (now) freeze()
      },
      connections: () => pairs.size,
      made: () => made
    }
  })
