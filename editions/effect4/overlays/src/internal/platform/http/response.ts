// Written after sha256:28821ac64f6ec51b of the same path
/**
 * A response over a body of Node.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as UrlParams from "effect/http/UrlParams"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Pipeable from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Socket from "effect/socket/Socket"
import type { Body } from "./body.js"
import type { Incoming } from "./exchange.js"

const toBytes = (chunks: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}

export class NodeResponse extends Pipeable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly status: number
  readonly headers: Headers.Headers
  readonly remoteAddress: Option.Option<string> = Option.none()
  readonly stream: Stream.Stream<Uint8Array, HttpClientError.HttpClientError>
  private bytes: Effect.Effect<Uint8Array<ArrayBuffer>, HttpClientError.HttpClientError> | undefined

  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    private readonly incoming: Incoming,
    body: Body
  ) {
    super()
    this.status = incoming.status
    this.headers = Headers.fromInput(incoming.headers)
    this.stream = Stream.fromPull(
      Effect.succeed(
        Effect.matchEffect(body.take, {
          onSuccess: (chunks) => (Arr.isReadonlyArrayNonEmpty(chunks) ? Effect.succeed(chunks) : Cause.done()),
          onFailure: (end): Effect.Effect<never, HttpClientError.HttpClientError | Cause.Done<void>> =>
            Option.isNone(end) ? Cause.done() : Effect.fail(this.decodeError(end.value))
        })
      )
    )
  }

  override toString(): string {
    return Inspectable.toStringUnknown(this.toJSON())
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }

  get url(): string {
    return Option.match(HttpClientRequest.toUrl(this.request), {
      onNone: () => "",
      onSome: (url) => {
        url.hash = ""
        return url.href
      }
    })
  }

  private decodeError(cause: unknown): HttpClientError.HttpClientError {
    return new HttpClientError.HttpClientError({
      reason: new HttpClientError.DecodeError({ request: this.request, response: this, cause })
    })
  }

  private decode<A>(f: (bytes: Uint8Array<ArrayBuffer>) => A | Promise<A>) {
    this.bytes ??= Effect.runSync(Effect.cached(Effect.map(Stream.runCollect(this.stream), toBytes)))
    return Effect.flatMap(this.bytes, (bytes) =>
      Effect.tryPromise({ try: async () => f(bytes), catch: (cause) => this.decodeError(cause) })
    )
  }

  get upgrade(): Effect.Effect<Socket.Socket, HttpClientError.HttpClientError> {
    return Effect.fail(
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.StatusCodeError({
          request: this.request,
          response: this,
          description: "this HttpClient does not hand over connections"
        })
      })
    )
  }

  get cookies(): Cookies.Cookies {
    const header = this.incoming.headers["set-cookie"] ?? []
    return Cookies.fromSetCookie(typeof header === "string" ? [header] : header)
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.HttpClientError> {
    return this.decode((bytes) => bytes.buffer)
  }

  get text(): Effect.Effect<string, HttpClientError.HttpClientError> {
    return this.decode((bytes) => new TextDecoder().decode(bytes))
  }

  get json(): Effect.Effect<Schema.Json, HttpClientError.HttpClientError> {
    return Effect.flatMap(this.text, (text) =>
      Effect.try({
        try: () => (text === "" ? null : (JSON.parse(text) as Schema.Json)),
        catch: (cause) => this.decodeError(cause)
      })
    )
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.HttpClientError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, HttpClientError.HttpClientError> {
    const contentType = this.headers["content-type"]
    return this.decode((bytes) =>
      new Response(bytes, contentType === undefined ? {} : { headers: { "content-type": contentType } }).formData()
    )
  }
}
