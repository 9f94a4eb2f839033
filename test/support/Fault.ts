/**
 * Faults between a client and a Flipt server. A fault can be caused by the network or a proxy as well as by the server,
 * so it replaces the whole response, whatever the request was.
 */
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import * as Stream from "node:stream"
import * as Zlib from "node:zlib"
import * as Answer from "./Answer.js"

type Headers = Readonly<Record<string, string | ReadonlyArray<string>>>

/** How a response announces the length of its body. */
type Framing = "length" | "chunked"

export type Fault =
  | { readonly _tag: "Pass" }
  | { readonly _tag: "Delay"; readonly millis: number }
  | {
      readonly _tag: "Status"
      readonly code: number
      readonly headers: Headers
      readonly body: string | Uint8Array | undefined
    }
  | { readonly _tag: "HangBeforeHeaders" }
  | { readonly _tag: "HangInBody"; readonly afterBytes: number; readonly framing: Framing }
  | { readonly _tag: "CutBody"; readonly afterBytes: number; readonly framing: Framing }
  | { readonly _tag: "Garbage"; readonly body: string | Uint8Array; readonly etag: string | undefined }
  | { readonly _tag: "Reset" }
  | { readonly _tag: "Drip"; readonly bytesPerTick: number; readonly tickMillis: number }
  | { readonly _tag: "Redirect"; readonly location: string; readonly code: number }
  | { readonly _tag: "NotModified"; readonly etag: string | undefined }
  | { readonly _tag: "InvalidGzip" }
  | { readonly _tag: "GzipBomb"; readonly decodedBytes: number }
  | {
      readonly _tag: "RawHeaders"
      readonly lines: ReadonlyArray<string>
      readonly statusLine: string
      readonly body: string | Uint8Array | undefined
    }
  | { readonly _tag: "Own"; readonly inflict: (exchange: Exchange) => void }

/** No fault, to let one request pass between two others in the queue. */
export const pass: Fault = { _tag: "Pass" }

/** The normal answer, late. */
export const delay = (millis: number): Fault => ({ _tag: "Delay", millis })

/** An error response. The default body is the one that Flipt sends with that status. */
export const status = (
  code: number,
  options: { readonly headers?: Headers; readonly body?: string | Uint8Array } = {}
): Fault => ({ _tag: "Status", code, headers: options.headers ?? {}, body: options.body })

/** Accepts the request and never responds. */
export const hangBeforeHeaders: Fault = { _tag: "HangBeforeHeaders" }

/** Sends the headers and this many bytes of the encoded body, and then nothing, although the headers announce more. */
export const hangInBody = (afterBytes: number, options: { readonly framing?: Framing } = {}): Fault => ({
  _tag: "HangInBody",
  afterBytes,
  framing: options.framing ?? "length"
})

/** Like `hangInBody`, but closes the connection. The ETag is the one of the complete document. */
export const cutBody = (afterBytes: number, options: { readonly framing?: Framing } = {}): Fault => ({
  _tag: "CutBody",
  afterBytes,
  framing: options.framing ?? "length"
})

/** A 200 with this body and a new ETag. */
export const garbage = (body: string | Uint8Array, options: { readonly etag?: string } = {}): Fault => ({
  _tag: "Garbage",
  body,
  etag: options.etag
})

/** Resets the connection (RST) once the request has arrived. */
export const reset: Fault = { _tag: "Reset" }

/** Sends the whole body in small pieces. */
export const drip = (bytesPerTick: number, tickMillis: number): Fault => ({ _tag: "Drip", bytesPerTick, tickMillis })

export const redirect = (location: string, code = 302): Fault => ({ _tag: "Redirect", location, code })

/** A 304 even to a request without `If-None-Match`. Its default ETag is the document's. */
export const notModified = (options: { readonly etag?: string } = {}): Fault => ({
  _tag: "NotModified",
  etag: options.etag
})

/** A body that starts like gzip but is not gzip, even if the request does not accept gzip. */
export const invalidGzip: Fault = { _tag: "InvalidGzip" }

/** A small gzip body that decodes to this many spaces, even if the request does not accept gzip. */
export const gzipBomb = (decodedBytes: number): Fault => ({ _tag: "GzipBomb", decodedBytes })

/**
 * Writes exactly this status line and these header lines, then the body, and closes the connection. The default body is
 * the normal response's, uncompressed.
 */
export const rawHeaders = (
  lines: ReadonlyArray<string>,
  options: { readonly statusLine?: string; readonly body?: string | Uint8Array } = {}
): Fault => ({ _tag: "RawHeaders", lines, statusLine: options.statusLine ?? "HTTP/1.1 200 OK", body: options.body })

/** A fault that a test implements itself. */
export const own = (inflict: (exchange: Exchange) => void): Fault => ({ _tag: "Own", inflict })

export interface Exchange {
  readonly request: Http.IncomingMessage
  readonly response: Http.ServerResponse
  /** The full response, uncompressed. It ignores `If-None-Match`, because a 304 has no body to damage. */
  readonly answer: Answer.Answer
  /** Sends the normal response. */
  readonly proceed: () => void
}

const bytes = (body: string | Uint8Array): Uint8Array => (typeof body === "string" ? Buffer.from(body) : body)

/** Writes a part of the body, with headers that announce more than that part. */
const sendPart = (exchange: Exchange, afterBytes: number, framing: Framing): void => {
  const answer = Answer.encode(exchange.answer, exchange.request)
  const announced = Math.max(answer.body.byteLength, afterBytes + 1)
  exchange.response.writeHead(
    answer.status,
    framing === "length" ? { ...answer.headers, "content-length": String(announced) } : answer.headers
  )
  exchange.response.flushHeaders()
  if (afterBytes > 0) exchange.response.write(answer.body.subarray(0, afterBytes))
}

const dripBody = (exchange: Exchange, bytesPerTick: number, tickMillis: number): void => {
  const { response } = exchange
  const answer = Answer.encode(exchange.answer, exchange.request)
  response.writeHead(answer.status, { ...answer.headers, "content-length": String(answer.body.byteLength) })
  response.flushHeaders()
  let sent = 0
  const timer = setInterval(() => {
    response.write(answer.body.subarray(sent, sent + bytesPerTick))
    sent += bytesPerTick
    if (sent < answer.body.byteLength) return
    clearInterval(timer)
    response.end()
  }, tickMillis)
  response.once("close", () => clearInterval(timer))
}

/** The ten bytes of a gzip header. */
const gzipHeader = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3)

/** The number of bytes that each gzip member of a bomb decodes to. A gzip body can have any number of members. */
const memberBytes = 1024 * 1024

function* gzipMembers(decodedBytes: number): Generator<Uint8Array> {
  const spaces = (count: number) => Zlib.gzipSync(Buffer.alloc(count, " "))
  const whole = spaces(memberBytes)
  for (let n = Math.floor(decodedBytes / memberBytes); n > 0; n--) yield whole
  if (decodedBytes % memberBytes > 0) yield spaces(decodedBytes % memberBytes)
}

/** Applies a fault to one response. Everything that it starts ends with the connection. */
export const inflict = (fault: Fault, exchange: Exchange): void => {
  const { answer, response } = exchange
  const socket = exchange.request.socket
  switch (fault._tag) {
    case "Pass":
      exchange.proceed()
      return
    case "Delay": {
      const timer = setTimeout(exchange.proceed, fault.millis)
      response.once("close", () => clearTimeout(timer))
      return
    }
    case "Status": {
      const usual = Answer.error(fault.code, Http.STATUS_CODES[fault.code] ?? "")
      const bodiless = fault.code === 204 || fault.code === 304
      const body = fault.body === undefined ? usual.body : bytes(fault.body)
      const headers: Record<string, string | Array<string>> = { ...usual.headers }
      for (const [name, value] of Object.entries(fault.headers)) {
        headers[name.toLowerCase()] = typeof value === "string" ? value : [...value]
      }
      response.writeHead(fault.code, headers).end(bodiless ? undefined : body)
      return
    }
    case "HangBeforeHeaders":
      return
    case "HangInBody":
      sendPart(exchange, fault.afterBytes, fault.framing)
      return
    case "CutBody":
      sendPart(exchange, fault.afterBytes, fault.framing)
      // Not `destroy`, which would discard buffered bytes.
      socket.destroySoon()
      return
    case "Garbage": {
      const etag = fault.etag ?? Crypto.randomBytes(20).toString("hex")
      Answer.send(Answer.encode(Answer.json(bytes(fault.body), { etag }), exchange.request), response)
      return
    }
    case "Reset":
      socket.resetAndDestroy()
      return
    case "Drip":
      dripBody(exchange, fault.bytesPerTick, fault.tickMillis)
      return
    case "Redirect":
      response.writeHead(fault.code, { location: fault.location, "content-length": "0" }).end()
      return
    case "NotModified": {
      const etag = fault.etag ?? answer.headers.etag
      Answer.send(Answer.notModified(etag === undefined ? {} : { etag }), response)
      return
    }
    case "InvalidGzip":
      response.writeHead(answer.status, { ...answer.headers, "content-encoding": "gzip" })
      response.end(Buffer.concat([gzipHeader, Buffer.alloc(1024, 0xff)]))
      return
    case "GzipBomb":
      response.writeHead(answer.status, { ...answer.headers, "content-encoding": "gzip" })
      // A client may close the connection before it has read everything, which is not an error here.
      Stream.pipeline(Stream.Readable.from(gzipMembers(fault.decodedBytes)), response, () => {})
      return
    case "RawHeaders":
      socket.write(`${[fault.statusLine, ...fault.lines].join("\r\n")}\r\n\r\n`, "latin1")
      socket.end(fault.body === undefined ? answer.body : bytes(fault.body))
      return
    case "Own":
      fault.inflict(exchange)
      return
  }
}
