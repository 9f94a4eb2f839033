/**
 * Requests as the stand-in server logs them, and Flipt's routes.
 */
import type * as Http from "node:http"
import type * as NodeTls from "node:tls"

export interface Request {
  readonly method: string
  /** The request's target, as sent. */
  readonly target: string
  /** The target up to the `?`, as sent. */
  readonly path: string
  /** The query's fields, decoded. */
  readonly query: Readonly<Record<string, string>>
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** When the headers had arrived, in milliseconds of `performance.now()`. */
  readonly at: number
  /** Over TLS: the HTTP version, the requested server name, and the common name of the client's certificate. */
  readonly tls?: {
    readonly httpVersion: string
    readonly serverName: string | undefined
    readonly client: string | undefined
  }
}

const describeTls = (message: Http.IncomingMessage): Pick<Request, "tls"> => {
  const socket = message.socket as NodeTls.TLSSocket & { readonly servername?: string | false }
  const client: unknown = socket.getPeerCertificate()?.subject?.CN
  return {
    tls: {
      httpVersion: message.httpVersion,
      serverName: socket.servername || undefined,
      client: client === undefined ? undefined : String(client)
    }
  }
}

export const describe = (message: Http.IncomingMessage, isSecure: boolean): Request => {
  const target = message.url ?? ""
  const mark = target.indexOf("?")
  return {
    method: message.method ?? "",
    target,
    path: mark < 0 ? target : target.slice(0, mark),
    query: Object.fromEntries(new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1))),
    headers: Object.fromEntries(
      Object.entries(message.headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(", ") : `${value}`
      ])
    ),
    at: performance.now(),
    ...(isSecure ? describeTls(message) : {})
  }
}

export const isStream = (request: Request): boolean => request.path.endsWith("/stream")

export type Route =
  | { readonly _tag: "Snapshot"; readonly environment: string | undefined; readonly namespace: string }
  | { readonly _tag: "Stream"; readonly environment: string; readonly namespace: string }
  | { readonly _tag: "NoClientApi" }
  | { readonly _tag: "Malformed" }
  | { readonly _tag: "None" }

export const route = (path: string, prefix: string, isV1: boolean): Route => {
  const none: Route = { _tag: "None" }
  if (!path.startsWith(`${prefix}/`)) return none
  const relative = path.slice(prefix.length)
  try {
    const internal = /^\/internal\/v1\/evaluation\/snapshot\/namespace\/([^/]+)$/.exec(relative)
    if (internal !== null) {
      return { _tag: "Snapshot", environment: undefined, namespace: decodeURIComponent(internal[1]!) }
    }
    if (isV1) return relative.startsWith("/client/v2/") ? { _tag: "NoClientApi" } : none
    const client = /^\/client\/v2\/environments\/([^/]+)\/namespaces\/([^/]+)\/(snapshot|stream)$/.exec(relative)
    if (client === null) return none
    return {
      _tag: client[3] === "snapshot" ? "Snapshot" : "Stream",
      environment: decodeURIComponent(client[1]!),
      namespace: decodeURIComponent(client[2]!)
    }
  } catch {
    return { _tag: "Malformed" }
  }
}
