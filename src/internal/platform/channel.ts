/**
 * Messages between the threads of a process.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface Channel {
  /** Sends a message to every other thread that has opened the channel. It is cloned; a SharedArrayBuffer is shared. */
  readonly post: (message: unknown) => Effect.Effect<void>
}

/** Opens the channel with this name until the Scope ends. `keepsAlive` says whether the thread then has something to do. */
export const openChannel = (
  name: string,
  keepsAlive: boolean,
  onMessage: (message: unknown) => void
): Effect.Effect<Channel, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { BroadcastChannel } = process.getBuiltinModule("node:worker_threads")
      const channel = new BroadcastChannel(name)
      channel.onmessage = (event) => onMessage((event as { readonly data: unknown }).data)
      if (!keepsAlive) {
        channel.unref()
      }
      return channel
    }),
    (channel) => Effect.sync(() => channel.close())
  ).pipe(Effect.map((channel) => ({ post: (message) => Effect.sync(() => channel.postMessage(message)) })))
