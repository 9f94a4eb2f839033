/**
 * Custom servers, for responses that no Flipt server would send.
 */
import type * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Listens on the loopback interface until the Scope ends, then closes all connections. Returns the port. */
export const listen = (server: Net.Server): Effect.Effect<number, never, Scope.Scope> =>
  Effect.suspend(() => {
    const sockets = new Set<Net.Socket>()
    server.on("connection", (socket: Net.Socket) => {
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
    })
    const open = Effect.async<number>((resume) => {
      server.once("error", (error) => resume(Effect.die(error)))
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(
          address === null || typeof address === "string"
            ? Effect.dieMessage("the server has no port")
            : Effect.succeed(address.port)
        )
      })
    })
    const close = Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
    return Effect.acquireRelease(open, () => close)
  })
