/**
 * A TCP proxy between clients and a server that can delay all data, like a network that is partitioned for a while.
 */
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { listen } from "../../../../test/support/Listener.js"

export interface HoldingProxy {
  readonly port: number
  readonly url: string
  /** Holds all data in both directions, including new connections. */
  readonly hold: () => void
  /** Holds what clients send once this many bytes have passed from now on. */
  readonly holdAfter: (bytes: number) => void
  readonly isHolding: () => boolean
  /** Delivers the held data. */
  readonly release: () => void
}

export const make = (port: number): Effect.Effect<HoldingProxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pairs = new Set<readonly [Net.Socket, Net.Socket]>()
    let isHolding = false
    let budget = Number.POSITIVE_INFINITY

    const hold = () => {
      isHolding = true
      for (const [client, server] of pairs) {
        client.pause()
        server.pause()
      }
    }
    const own = yield* listen(
      Net.createServer((client) => {
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
        client.on("data", (chunk) => {
          server.write(chunk)
          budget -= chunk.length
          if (budget <= 0) {
            budget = Number.POSITIVE_INFINITY
            hold()
          }
        })
        server.on("data", (chunk) => client.write(chunk))
        if (isHolding) {
          client.pause()
          server.pause()
        }
      })
    )
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const [, server] of pairs) server.destroy()
      })
    )
    return {
      port: own,
      url: `redis://127.0.0.1:${own}`,
      hold,
      holdAfter: (bytes) => {
        budget = bytes
      },
      isHolding: () => isHolding,
      release: () => {
        isHolding = false
        for (const [client, server] of pairs) {
          client.resume()
          server.resume()
        }
      }
    }
  })
