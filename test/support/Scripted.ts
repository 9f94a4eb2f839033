/**
 * A server with one namespace whose every answer a test may write itself, for streams that no Flipt server would send.
 * A snapshot is answered as v2 does, and a stream is held open without a head, where nothing else is said.
 */
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { listen } from "./Listener.js"
import { until } from "./wait.js"

export interface Exchange {
  readonly request: Http.IncomingMessage
  readonly response: Http.ServerResponse
}

export type Handler = (exchange: Exchange) => void

export interface Scripted {
  readonly url: string
  readonly snapshots: ReadonlyArray<Exchange>
  readonly streams: ReadonlyArray<Exchange>
  /** What was asked for, in this order. */
  readonly order: ReadonlyArray<"snapshot" | "stream">
  /** How snapshots and streams are answered from now on; `undefined` is as said above. */
  snapshot: Handler | undefined
  stream: Handler | undefined
  /** Puts a document in place, which nobody is told of. Gives its text, with the digest. */
  readonly put: (document: object) => string
  readonly etag: () => string
  readonly awaitSnapshots: (count: number) => Effect.Effect<void>
  /** The latest stream, as soon as there are this many. */
  readonly awaitStreams: (count: number) => Effect.Effect<Exchange>
}

export const isOpen = ({ response }: Exchange): boolean => !response.closed && !response.destroyed

/** An answer at once. */
export const answer =
  (status: number, body = "", headers: Http.OutgoingHttpHeaders = {}): Handler =>
  ({ response }) => {
    response.writeHead(status, headers).end(body)
  }

/** As much of a stream as this. */
export const write = ({ response }: Exchange, text: string | Uint8Array): void => {
  if (!response.headersSent) {
    response.writeHead(200, { "content-type": "application/json" })
  }
  response.write(text)
}

export const frame = (document: string): string => `{"result":${document}}\n`

export const make = (document: object): Effect.Effect<Scripted, never, Scope.Scope> =>
  Effect.gen(function* () {
    const snapshots: Array<Exchange> = []
    const streams: Array<Exchange> = []
    const order: Array<"snapshot" | "stream"> = []
    let text = ""
    let etag = ""
    const put = (next: object) => {
      etag = Crypto.createHash("sha1").update(JSON.stringify(next)).digest("hex")
      text = JSON.stringify({ digest: etag, ...next })
      return text
    }
    put(document)
    const current: Handler = ({ request, response }) => {
      const unchanged = request.headers["if-none-match"] === etag
      response.writeHead(unchanged ? 304 : 200, { etag, "content-type": "application/json" })
      response.end(unchanged ? undefined : text)
    }
    const server = Http.createServer((request, response) => {
      const exchange = { request, response }
      const isStream = /\/stream(\?|$)/.test(request.url ?? "")
      order.push(isStream ? "stream" : "snapshot")
      if (isStream) {
        streams.push(exchange)
        scripted.stream?.(exchange)
      } else {
        snapshots.push(exchange)
        ;(scripted.snapshot ?? current)(exchange)
      }
    })
    const scripted: Scripted = {
      url: `http://127.0.0.1:${yield* listen(server)}`,
      snapshots,
      streams,
      order,
      snapshot: undefined,
      stream: undefined,
      put,
      etag: () => etag,
      awaitSnapshots: (count) => until(() => snapshots.length >= count),
      awaitStreams: (count) =>
        Effect.map(
          until(() => streams.length >= count),
          () => streams.at(-1) as Exchange
        )
    }
    return scripted
  })
