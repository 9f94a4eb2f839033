/**
 * Waits for sockets to open.
 */
import type * as Net from "node:net"
import * as Effect from "effect/Effect"

/**
 * How long a socket may stay silent while it is being opened. This is a socket timeout that cleans up abandoned
 * attempts. The timeout of a request belongs to the Fetcher and uses the Clock.
 */
export const CONNECT_TIMEOUT_MILLIS = 120_000

export const silenceError = (): Error =>
  new Error(`no answer from the other side within ${CONNECT_TIMEOUT_MILLIS / 1000} s`)

/** Node reports the failure of several addresses as an AggregateError without a message. */
const withMessage = (error: Error & { readonly code?: unknown }): Error =>
  error.message === "" && error instanceof AggregateError
    ? Object.assign(new Error([...new Set(error.errors.map(({ message }: Error) => message))].join(", ")), {
        code: "code" in error ? error.code : undefined
      })
    : error

/** Waits until a socket is open. Interruption destroys it. */
export const awaitOpen = <S extends Net.Socket>(
  socket: S,
  event: "connect" | "secureConnect"
): Effect.Effect<S, Error> =>
  Effect.async<S, Error>((resume) => {
    const onSilence = () => socket.destroy(silenceError())
    socket.setTimeout(CONNECT_TIMEOUT_MILLIS, onSilence)
    socket.once(event, () => resume(Effect.succeed(socket.setTimeout(0, onSilence))))
    // The listener stays, because the socket can fail before a request listens. A TLS socket can report an alert without
    // closing.
    socket.on("error", (error) => {
      resume(Effect.fail(withMessage(error)))
      socket.destroy(error)
    })
    return Effect.sync(() => socket.destroy())
  })
