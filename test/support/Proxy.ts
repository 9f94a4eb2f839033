/**
 * A forward proxy on the loopback interface that logs its requests. It opens a tunnel for CONNECT and forwards plain
 * requests.
 */
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import type * as NodeTls from "node:tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Certificate } from "./certificates.js"
import { listen } from "./Listener.js"

export interface Options {
  /** The required credential, as `user:password`. Default: none. */
  readonly credential?: string
  /** Accepts connections over TLS. */
  readonly tls?: Certificate
}

export interface Proxy {
  readonly url: string
  readonly port: number
  /** The requests so far: `CONNECT host:port` or `GET http://...`. */
  readonly asked: ReadonlyArray<string>
  /** The value of `Proxy-Authorization` in each request. */
  readonly authorizations: ReadonlyArray<string | undefined>
  /** The common names of the client certificates that it received. */
  readonly certificates: ReadonlyArray<string>
  /** The number of open tunnels. */
  readonly tunnels: ReadonlySet<Net.Socket>
}

export const make = (options: Options = {}): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked: Array<string> = []
    const certificates: Array<string> = []
    const tunnels = new Set<Net.Socket>()
    const authorizations: Array<string | undefined> = []
    const lets = (headers: Http.IncomingHttpHeaders): boolean => {
      authorizations.push(headers["proxy-authorization"])
      return (
        options.credential === undefined ||
        headers["proxy-authorization"] === `Basic ${Buffer.from(options.credential).toString("base64")}`
      )
    }

    const pass = (request: Http.IncomingMessage, response: Http.ServerResponse) => {
      asked.push(`${request.method} ${request.url}`)
      if (!lets(request.headers)) {
        response.writeHead(407, { "proxy-authenticate": "Basic" }).end()
        return
      }
      const { "proxy-authorization": _, ...headers } = request.headers
      // every host name leads to this machine
      const { pathname, port, search } = new URL(request.url ?? "")
      Http.get({ host: "127.0.0.1", port, path: pathname + search, headers, agent: false }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        // a stream ends when its client stops reading
        response.once("close", () => answer.destroy())
      })
    }
    const server =
      options.tls === undefined
        ? Http.createServer(pass)
        : Https.createServer({ ...options.tls, requestCert: true, rejectUnauthorized: false }, pass)
    server.on("secureConnection", (socket: NodeTls.TLSSocket) => {
      const name = socket.getPeerCertificate().subject?.CN
      if (name !== undefined) {
        certificates.push(String(name))
      }
    })
    server.on("connect", (request: Http.IncomingMessage, socket: Net.Socket) => {
      asked.push(`CONNECT ${request.url}`)
      socket.on("error", () => {})
      if (!lets(request.headers)) {
        socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
        return
      }
      tunnels.add(socket)
      const onward = Net.connect(Number(request.url?.split(":").at(-1)), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
        socket.pipe(onward).pipe(socket)
      })
      onward.on("error", () => socket.destroy())
      socket.once("close", () => {
        tunnels.delete(socket)
        onward.destroy()
      })
    })
    const port = yield* listen(server)
    const credential = options.credential === undefined ? "" : `${options.credential}@`
    return {
      url: `${options.tls === undefined ? "http" : "https"}://${credential}127.0.0.1:${port}`,
      port,
      asked,
      authorizations,
      certificates,
      tunnels
    }
  })
