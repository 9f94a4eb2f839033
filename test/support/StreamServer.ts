/**
 * A server that says on its streams what a test tells it to, byte for byte, and has one document to be asked for beside
 * that. A Flipt server that is well is in `FliptServer.ts`.
 */
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import type * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Answer from "./Answer.js"

/** A stream that a client has opened. */
export interface Open {
  /** The digest that the client said it has. */
  readonly digest: string | null
  /** Sends bytes; the head of the answer goes before the first of them. */
  readonly write: (bytes: string | Uint8Array) => void
  readonly push: (document: object) => void
  /** Ends the answer as a server does that has nothing more to say. */
  readonly end: () => void
  /** How many bytes of what was written have not left the process. */
  readonly unsent: () => number
}

export interface Server {
  readonly url: string
  readonly port: number
  /** What requests get from now on. Nothing is pushed. */
  readonly setDocument: (document: object) => void
  /** What becomes of every stream that is asked for from now on. Default: it stays open, and nothing is said. */
  readonly onStream: (handle: (stream: Open, response: Http.ServerResponse) => void) => void
  /** The status of every stream that is asked for from now on, with a proxy's page. */
  readonly refuse: (status: number) => void
  /** How many requests for the document have come in. */
  readonly gets: () => number
  /** The streams that were asked for, the oldest first. */
  readonly streams: ReadonlyArray<Open>
  readonly connections: () => number
  /** Cuts every connection, and refuses new ones. */
  readonly stop: Effect.Effect<void>
  /** Takes connections again, on the same port. */
  readonly start: Effect.Effect<void>
}

/** What a Flipt server would have as this document's digest. */
export const digestOf = (document: object): string =>
  Crypto.createHash("sha1").update(JSON.stringify(document)).digest("hex")

const bytesOf = (document: object): Uint8Array =>
  Buffer.from(JSON.stringify({ digest: digestOf(document), ...document }))

/** A frame of a stream. */
export const frame = (document: object): Uint8Array =>
  Buffer.concat([Buffer.from('{"result":'), bytesOf(document), Buffer.from("}\n")])

export const make = (first: object): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = new Set<Net.Socket>()
    const streams: Array<Open> = []
    let handle: (stream: Open, response: Http.ServerResponse) => void = () => {}
    let document = first
    let gets = 0
    let port = 0

    const server = Http.createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
      const url = new URL(request.url ?? "", "http://server")
      if (url.pathname.endsWith("/stream")) {
        const write = (bytes: string | Uint8Array) => {
          if (!response.headersSent) response.writeHead(200, { "content-type": "application/json" })
          response.write(bytes)
        }
        const stream: Open = {
          digest: url.searchParams.get("digest"),
          write,
          push: (next) => write(frame(next)),
          end: () => void response.end(),
          unsent: () => response.writableLength
        }
        streams.push(stream)
        handle(stream, response)
        return
      }
      gets++
      const etag = digestOf(document)
      Answer.send(
        request.headers["if-none-match"] === etag
          ? Answer.notModified({ etag })
          : Answer.json(bytesOf(document), { etag }),
        response
      )
    })
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("error", () => {}).once("close", () => sockets.delete(socket))
    })

    const start = Effect.async<void>((resume) => {
      const failed = (error: Error) => resume(Effect.die(error))
      server.once("error", failed).listen(port, "127.0.0.1", () => {
        server.off("error", failed)
        resume(Effect.void)
      })
    })
    const stop = Effect.async<void>((resume) => {
      if (!server.listening) return resume(Effect.void)
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
    yield* Effect.acquireRelease(start, () => stop)
    port = (server.address() as Net.AddressInfo).port

    return {
      url: `http://127.0.0.1:${port}`,
      port,
      setDocument: (next) => {
        document = next
      },
      onStream: (next) => {
        handle = next
      },
      refuse: (status) => {
        handle = (_, response) => {
          response.writeHead(status, { "content-type": "text/html" }).end("<html><h1>Blocked</h1></html>")
        }
      },
      gets: () => gets,
      streams,
      connections: () => sockets.size,
      stop,
      start
    }
  })
