/**
 * Parses the frames of a stream. A frame is a JSON object on one line that contains a snapshot document or an error.
 * The document is extracted without parsing it, in the chunks in which it arrived.
 */

/** The bytes between two line feeds, or `"TooLarge"` if there were more than the limit. */
export type Line = { readonly chunks: ReadonlyArray<Uint8Array>; readonly size: number } | "TooLarge"

/** The largest part of a line before or after its document. No server sends more. */
const MAX_ENVELOPE = 32

/**
 * Splits chunks into lines, one at a time, and keeps an incomplete line for the next chunk. A line too long for a document
 * of the maximum size is discarded as it arrives.
 */
export const makeLineSplitter = (maxDocumentSize: number): ((chunk: Uint8Array) => Generator<Line, void>) => {
  const maxSize = maxDocumentSize + 2 * MAX_ENVELOPE
  let chunks: Array<Uint8Array> = []
  let size = 0
  let tooLarge = false

  const add = (part: Uint8Array): void => {
    if (part.length === 0 || tooLarge) {
      return
    }
    size += part.length
    if (size > maxSize) {
      tooLarge = true
      chunks = []
    } else {
      chunks.push(part)
    }
  }

  const end = (): Line => {
    const line: Line = tooLarge ? "TooLarge" : { chunks, size }
    chunks = []
    size = 0
    tooLarge = false
    return line
  }

  return function* (chunk) {
    let from = 0
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
      add(chunk.subarray(from, at))
      yield end()
      from = at + 1
    }
    add(chunk.subarray(from))
  }
}

const LINE_FEED = 0x0a

export type Frame =
  | { readonly _tag: "Document"; readonly bytes: ReadonlyArray<Uint8Array>; readonly size: number }
  | { readonly _tag: "Error"; readonly bytes: ReadonlyArray<Uint8Array> }
  | { readonly _tag: "Malformed" }
  | { readonly _tag: "Blank" }

const blankPattern = /^[\t\r ]*$/
const resultPattern = /^[\t\r ]*\{[\t\r ]*"result"[\t\r ]*:/
const errorPattern = /^[\t\r ]*\{[\t\r ]*"error"[\t\r ]*:/
const endPattern = /\}[\t\r ]*$/

/** A range of the bytes of a line, as views of its chunks. */
const slice = (chunks: ReadonlyArray<Uint8Array>, from: number, to: number): ReadonlyArray<Uint8Array> => {
  const parts: Array<Uint8Array> = []
  let begin = 0
  for (const chunk of chunks) {
    const part = chunk.subarray(Math.max(0, from - begin), Math.max(0, Math.min(chunk.length, to - begin)))
    if (part.length > 0) {
      parts.push(part)
    }
    begin += chunk.length
  }
  return parts
}

/** Decodes each byte as one character. The patterns match ASCII only. */
const textOf = (chunks: ReadonlyArray<Uint8Array>): string =>
  chunks.map((chunk) => String.fromCharCode(...chunk)).join("")

export const parseFrame = ({ chunks, size }: Exclude<Line, "TooLarge">): Frame => {
  const head = textOf(slice(chunks, 0, MAX_ENVELOPE))
  if (size <= MAX_ENVELOPE && blankPattern.test(head)) {
    return { _tag: "Blank" }
  }
  if (errorPattern.test(head)) {
    return { _tag: "Error", bytes: chunks }
  }
  const begin = resultPattern.exec(head)?.[0].length
  const end = endPattern.exec(textOf(slice(chunks, Math.max(0, size - MAX_ENVELOPE), size)))?.[0].length
  return begin === undefined || end === undefined || begin + end >= size
    ? { _tag: "Malformed" }
    : { _tag: "Document", bytes: slice(chunks, begin, size - end), size: size - begin - end }
}
