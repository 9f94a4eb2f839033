/**
 * An HttpClient over `node:http` and `node:http2`, whose connections close with the Scope.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConnectionOptions } from "../../../Tls.js"
import { noResponse } from "../../net/httpClient.js"
import { yieldForTurn } from "../../util/yieldToEventLoop.js"
import { makeConnector } from "./connector.js"
import { ACCEPTED_ENCODINGS, readBody } from "./decompression.js"
import type { Outgoing } from "./exchange.js"
import { makeHttp1 } from "./http1.js"
import { toRequestBody } from "./requestBody.js"
import { NodeResponse } from "./response.js"

/** Responses that have no body, whatever their headers say. */
const EMPTY_STATUSES: ReadonlySet<number> = new Set([204, 304])

const checkUrl = (url: URL): Effect.Effect<void, Error> =>
  url.protocol !== "http:" && url.protocol !== "https:"
    ? Effect.fail(new Error(`the URL has the scheme ${url.protocol}, but only http: and https: are supported`))
    : url.username !== "" || url.password !== ""
      ? Effect.fail(new Error("the URL has a user or a password; send a credential in a header instead"))
      : Effect.void

export const makeHttpClient = (
  connectionOptions: Effect.Effect<ConnectionOptions>
): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const connector = yield* makeConnector(connectionOptions)
    const { allowH2 } = yield* connectionOptions
    const send =
      allowH2 === true
        ? yield* Effect.flatMap(
            Effect.promise(() => import("./http2.js")),
            ({ makeHttp2 }) => makeHttp2(connector)
          )
        : yield* makeHttp1((target) => connector.connect(target, ["http/1.1"]), connector.markEarlyEnd)

    let isFirst = true
    return HttpClient.make((request, url, signal) =>
      Effect.gen(function* () {
        if (isFirst) {
          isFirst = false
          // During startup, the work before and after this point takes about ten milliseconds each.
          yield* yieldForTurn
        }
        yield* checkUrl(url)
        const { content, contentType } = yield* toRequestBody(request.body)
        const outgoing: Outgoing = {
          target: yield* connector.targetOf(url),
          method: request.method,
          url,
          headers: {
            "accept-encoding": ACCEPTED_ENCODINGS,
            ...(contentType === undefined ? {} : { "content-type": contentType }),
            ...request.headers
          },
          body: content,
          signal
        }
        const incoming = yield* send(outgoing)
        const isEmpty = request.method === "HEAD" || EMPTY_STATUSES.has(incoming.status)
        const contentEncoding = isEmpty ? "" : String(incoming.headers["content-encoding"] ?? "")
        return new NodeResponse(request, incoming, readBody(incoming.body, contentEncoding))
      }).pipe(Effect.mapError((cause) => noResponse(request, cause)))
    )
  })
