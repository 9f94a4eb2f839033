/**
 * One request and its response, whatever the version of HTTP.
 */
import type { Readable } from "node:stream"
import type * as Effect from "effect/Effect"
import type { Target } from "./connector.js"

export interface Outgoing {
  readonly target: Target
  readonly method: string
  readonly url: URL
  /** Names are in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | Readable | undefined
  /**
   * Ends the exchange. Its connection stays open only if the response is complete or other exchanges share it.
   */
  readonly signal: AbortSignal
}

export interface Incoming {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** The body as it was sent. It fails if the response ends early. */
  readonly body: Readable
}

/** Sends a request and waits for the head of its response. Interruption ends the exchange. */
export type Send = (outgoing: Outgoing) => Effect.Effect<Incoming, Error>

/** How long an idle connection stays open. Servers and the devices in between drop idle connections unannounced. */
export const IDLE_MILLIS = 4000
