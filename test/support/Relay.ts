/**
 * What stands between a client and a server on the level of TCP, and can fall silent as a network does whose cable was
 * pulled: nobody is told.
 */
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { listen } from "./Listener.js"

export interface Relay {
  readonly url: string
  /** Nothing goes either way on the connections that there are, and they stay open. New ones work. */
  readonly freeze: () => void
  /** The same, and new connections are frozen as well, until it ends. */
  readonly vanish: (gone: boolean) => void
  /** Connections of clients that are open now. */
  readonly connections: () => number
  /** How many connections have been made in all. */
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
      // what comes is taken and thrown away, as a router does on the way to nowhere
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
