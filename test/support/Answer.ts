/**
 * The responses of the stand-in server, without faults.
 */
import type * as Http from "node:http"
import * as Zlib from "node:zlib"

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** The numbers of gRPC, because Flipt's HTTP API is a gateway in front of a gRPC server. */
const grpcCodes: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  409: 10,
  412: 9,
  429: 8,
  499: 1,
  500: 13,
  501: 12,
  503: 14,
  504: 4
}

const unknownCode = 2

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const json = (body: Uint8Array, headers: Readonly<Record<string, string>> = {}, status = 200): Answer => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body
})

export const plain = (status: number, text: string): Answer => ({
  status,
  headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  body: bytes(text)
})

const errorBody = (status: number, message: string) => ({
  code: grpcCodes[status] ?? unknownCode,
  message,
  details: []
})

export const error = (status: number, message: string): Answer =>
  json(bytes(JSON.stringify(errorBody(status, message))), {}, status)

/** The response to a failed stream request: the error is sent as a frame. */
export const streamError = (status: number, message: string): Answer =>
  json(bytes(`${JSON.stringify({ error: errorBody(status, message) })}\n`), {}, status)

/** A frame of a stream. It is one line, so line breaks in the document become spaces. */
export const frame = (document: Uint8Array): Uint8Array =>
  Buffer.concat([bytes('{"result":'), document.map((byte) => (byte === 0x0a ? 0x20 : byte)), bytes("}\n")])

export const notModified = (headers: Readonly<Record<string, string>>): Answer => ({
  status: 304,
  headers,
  body: new Uint8Array(0)
})

/** `gzip;q=0` is a refusal. */
const takesGzip = (request: Http.IncomingMessage): boolean =>
  String(request.headers["accept-encoding"] ?? "")
    .split(",")
    .some((coding) => /^\s*gzip\s*(;\s*q=(0?\.0*[1-9]\d*|1(\.0*)?)\s*)?$/i.test(coding))

// Tests request large documents repeatedly, and compressing one takes far longer than sending it.
const compressed = new WeakMap<Uint8Array, Uint8Array>()

const gzipped = (body: Uint8Array): Uint8Array => {
  const known = compressed.get(body)
  if (known !== undefined) return known
  const made = Zlib.gzipSync(body)
  compressed.set(body, made)
  return made
}

/** The response in the content coding that the request accepts. */
export const encode = (answer: Answer, request: Http.IncomingMessage): Answer =>
  answer.body.byteLength > 0 && takesGzip(request)
    ? {
        ...answer,
        headers: { ...answer.headers, "content-encoding": "gzip", vary: "Accept-Encoding" },
        body: gzipped(answer.body)
      }
    : answer

/** Like Go's server, sends compressed bodies in chunks and other bodies with a length. */
export const send = (answer: Answer, response: Http.ServerResponse): void => {
  const sized = answer.status !== 304 && answer.status !== 204 && answer.headers["content-encoding"] === undefined
  response.writeHead(
    answer.status,
    sized ? { ...answer.headers, "content-length": String(answer.body.byteLength) } : answer.headers
  )
  response.end(answer.body)
}
