/**
 * Tunnels through a proxy.
 */
import type * as Net from "node:net"
import type * as NodeTls from "node:tls"
import * as Effect from "effect/Effect"
import { authorityOf, hostOf, portOf } from "../../net/proxy.js"
import { CONNECT_TIMEOUT_MILLIS, silenceError } from "./opening.js"

/** The value of `Proxy-Authorization`, if the URL of the proxy has a user or a password. */
export const proxyAuthorization = ({ password, username }: URL): string | undefined =>
  username === "" && password === ""
    ? undefined
    : `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}`

/** Attributes an error to the proxy. Keeps the code, which classifies the error. */
export const proxyError = (proxy: URL, error: Error & { readonly code?: unknown }): Error =>
  Object.assign(new Error(`the proxy ${authorityOf(proxy)}: ${error.message || error.name}`), { code: error.code })

const connectHints: { readonly [status: number]: string } = {
  403: "; check that it allows this host and port",
  407: "; add a user and a password to the URL of the proxy"
}

/**
 * Opens a tunnel to the server with CONNECT. The proxy sees only the name and port of the server. An https proxy is
 * verified like the server, but never receives the client certificate.
 */
export const openTunnel = (
  proxy: URL,
  target: URL,
  verification: Pick<NodeTls.ConnectionOptions, "ca" | "rejectUnauthorized">
): Effect.Effect<Net.Socket, Error> =>
  Effect.async<Net.Socket, Error>((resume) => {
    const authorization = proxyAuthorization(proxy)
    const authority = `${target.hostname}:${portOf(target)}`
    const isSecure = proxy.protocol === "https:"
    const { request: send } = isSecure ? process.getBuiltinModule("node:https") : process.getBuiltinModule("node:http")
    const request = send({
      host: hostOf(proxy),
      port: portOf(proxy),
      method: "CONNECT",
      path: authority,
      agent: false,
      timeout: CONNECT_TIMEOUT_MILLIS,
      headers: { host: authority, ...(authorization === undefined ? {} : { "proxy-authorization": authorization }) },
      ...(isSecure ? verification : {})
    })
    request.once("connect", ({ statusCode = 0 }, socket: Net.Socket, head: Buffer) => {
      // The socket can fail before a connection over it handles its errors.
      socket.on("error", () => {})
      if (statusCode >= 200 && statusCode < 300 && head.length === 0) {
        resume(Effect.succeed(socket.setTimeout(0)))
      } else {
        socket.destroy()
        const problem =
          head.length > 0 && statusCode < 300
            ? "it sent data before the server did"
            : `it answered status ${statusCode} to CONNECT ${authority}${connectHints[statusCode] ?? ""}`
        resume(Effect.fail(proxyError(proxy, new Error(problem))))
      }
    })
    request.once("response", (response) => {
      response.destroy()
      resume(
        Effect.fail(proxyError(proxy, new Error(`it answered status ${response.statusCode} to CONNECT ${authority}`)))
      )
    })
    request.once("timeout", () => request.destroy(silenceError()))
    request.on("error", (error) => resume(Effect.fail(proxyError(proxy, error))))
    request.end()
    return Effect.sync(() => request.destroy())
  })
