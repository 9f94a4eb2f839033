/**
 * The CORS headers that Flipt sends if its setting `cors.enabled` is on.
 */
import type * as Http from "node:http"

export interface Options {
  /** Default: every origin. */
  readonly origins?: ReadonlyArray<string>
  /** Replaces the default list of request headers, as the setting `cors.allowed_headers` does. */
  readonly headers?: ReadonlyArray<string>
}

const methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]

const common = ["Accept", "Authorization", "Content-Type", "X-CSRF-Token", "X-Flipt-Accept-Server-Version"]

/** The defaults of each server. */
const defaults = {
  v1: {
    allowed: [...common, "X-Fern-Language", "X-Fern-SDK-Name", "X-Fern-SDK-Version", "X-Flipt-Namespace"],
    exposed: "Link"
  },
  v2: { allowed: [...common, "X-Flipt-Environment", "X-Flipt-Namespace", "If-None-Match"], exposed: "Link, Etag" }
} as const

/**
 * Sets the headers that a page of another origin needs, and answers preflight requests. A preflight that requests too
 * much also gets status 200, but without headers that allow anything.
 */
export const handle = (
  options: Options,
  version: "v1" | "v2",
  request: Http.IncomingMessage,
  response: Http.ServerResponse
): "answered" | "continue" => {
  const { origin } = request.headers
  const method = request.headers["access-control-request-method"]
  const isPreflight = request.method === "OPTIONS" && method !== undefined
  const isAllowed = origin !== undefined && (options.origins === undefined || options.origins.includes(origin))
  const allowOrigin = () => {
    response.setHeader("access-control-allow-origin", options.origins === undefined ? "*" : String(origin))
    response.setHeader("access-control-allow-credentials", "true")
  }
  if (!isPreflight) {
    response.setHeader("vary", "Origin")
    if (isAllowed) {
      allowOrigin()
      response.setHeader("access-control-expose-headers", defaults[version].exposed)
    }
    return "continue"
  }
  const wanted = String(request.headers["access-control-request-headers"] ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "")
  const allowed = new Set(
    [...(options.headers ?? defaults[version].allowed), "Origin"].map((name) => name.toLowerCase())
  )
  response.setHeader("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
  if (isAllowed && methods.includes(method.toUpperCase()) && wanted.every((name) => allowed.has(name))) {
    allowOrigin()
    response.setHeader("access-control-allow-methods", method.toUpperCase())
    if (wanted.length > 0) response.setHeader("access-control-allow-headers", wanted.join(", "))
    response.setHeader("access-control-max-age", "300")
  }
  response.writeHead(200, { "content-length": "0" }).end()
  return "answered"
}
