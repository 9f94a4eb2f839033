/**
 * Decompresses bodies with `node:zlib`.
 */
import type { Readable, Transform } from "node:stream"
import type * as Zlib from "node:zlib"
import { Body, onDone } from "./body.js"

/** What requests accept unless they say otherwise. */
export const ACCEPTED_ENCODINGS = "gzip, deflate, br"

/** Every coding multiplies what a small body can decompress to, and no server applies more than one or two. */
const MAX_CODINGS = 3

/** Larger than Node's default of 16 KiB, because each piece takes a turn of the thread pool. */
const options: Zlib.ZlibOptions = { chunkSize: 64 * 1024 }

/** Servers send `deflate` with the header of zlib, as RFC 9110 demands, or without it. The first byte tells. */
const hasZlibHeader = (first: Uint8Array): boolean => ((first[0] ?? 0) & 0x0f) === 8

/** Loaded with the first compressed body. */
const zlib = () => process.getBuiltinModule("node:zlib")

const decoders: { readonly [coding: string]: ((first: Uint8Array) => Transform) | undefined } = {
  gzip: () => zlib().createGunzip(options),
  "x-gzip": () => zlib().createGunzip(options),
  deflate: (first) => (hasZlibHeader(first) ? zlib().createInflate(options) : zlib().createInflateRaw(options)),
  br: () => zlib().createBrotliDecompress({ chunkSize: 64 * 1024 })
}

/** The codings of a `Content-Encoding` header, in the order in which to undo them. */
const codingsOf = (header: string): ReadonlyArray<string> =>
  header
    .toLowerCase()
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity")
    .reverse()

/**
 * Reads a body, decompressed. An empty body stays empty. Data that is invalid or incomplete, or a coding that is not
 * supported, is an error of the body.
 */
export const readBody = (source: Readable, contentEncoding: string): Body => {
  const body = new Body()
  const codings = codingsOf(contentEncoding)
  const decode = (input: Readable, [coding, ...others]: ReadonlyArray<string>): void => {
    const makeDecoder = coding === undefined ? undefined : decoders[coding]
    if (makeDecoder === undefined) {
      body.attach(input)
      return
    }
    let decoder: Transform | undefined
    input.on("data", (chunk: Uint8Array) => {
      if (decoder === undefined) {
        decoder = makeDecoder(chunk)
        decoder.on("drain", () => input.resume())
        decode(decoder, others)
      }
      if (!decoder.write(chunk)) {
        input.pause()
      }
    })
    onDone(
      input,
      () => (decoder === undefined ? body.finish("ended") : decoder.end()),
      (error) => (decoder === undefined ? body.finish({ error }) : decoder.destroy(error))
    )
  }

  const unknown = codings.find((coding) => decoders[coding] === undefined)
  if (unknown !== undefined || codings.length > MAX_CODINGS) {
    const error = new Error(`the body has the unsupported content encoding ${JSON.stringify(contentEncoding)}`)
    body.finish({ error: Object.assign(error, { code: "ERR_CONTENT_ENCODING" }) })
    source.resume()
  } else {
    decode(source, codings)
  }
  return body
}
