import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Frame, type Line, makeLineSplitter, parseFrame } from "../src/internal/fetch/frames.js"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

const lineOf = (...chunks: ReadonlyArray<Uint8Array>): Exclude<Line, "TooLarge"> => ({
  chunks,
  size: chunks.reduce((size, chunk) => size + chunk.length, 0)
})

/** A frame in a form that can be compared. */
const shown = (frame: Frame): readonly [string, string?] =>
  "bytes" in frame ? [frame._tag, Buffer.concat([...frame.bytes]).toString()] : [frame._tag]

const read = (text: string) => shown(parseFrame(lineOf(bytes(text))))

/** The lines in these chunks, as text. */
const linesOf = (chunks: ReadonlyArray<Uint8Array>, limit = Number.POSITIVE_INFINITY): ReadonlyArray<string> => {
  const split = makeLineSplitter(limit)
  return chunks
    .flatMap((chunk) => [...split(chunk)])
    .map((line) => (line === "TooLarge" ? line : Buffer.concat([...line.chunks]).toString("latin1")))
}

/** The bytes that a frame may add to its document, to which the splitter's limit applies. */
const margin = 64

/** Cuts bytes at these places, modulo their length. */
const cut = (whole: Uint8Array, places: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const ends = [...places.map((place) => place % (whole.length + 1)), whole.length].sort((a, b) => a - b)
  return ends.map((end, nth) => whole.subarray(nth === 0 ? 0 : ends[nth - 1], end))
}

const places = fc.array(fc.nat(), { maxLength: 30 })
const blanks = fc.string({ unit: fc.constantFrom(" ", "\t"), maxLength: 4 })

/** A document as a server could send it: on one line, with any bytes. */
const documents = fc.oneof(
  fc.json(),
  fc.string({ unit: "binary" }).map((text) => JSON.stringify({ text, flags: [] })),
  fc.constantFrom("{}", "[]", "0", '"}"', '{"result":{}}', '{"error":{}}', "null", "{ }")
)

/** A frame on the wire, and its expected parse. */
const wireFrames = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(documents, blanks, blanks, blanks, blanks, fc.constantFrom("\n", "\r\n"))
      .map(([document, a, b, c, d, end]) => ({
        wire: `${a}{${b}"result"${c}:${document}}${d}${end}`,
        frame: ["Document", document] as const
      }))
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("\n", "\r\n", "  \r\n", "\t\n").map((wire) => ({ wire, frame: ["Blank"] as const }))
  },
  {
    weight: 1,
    arbitrary: fc.json().map((json) => ({
      wire: `{"error":${json}}\n`,
      frame: ["Error", `{"error":${json}}`] as const
    }))
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("{}", "garbage", "[1]", '{"results":{}}', '{"result":[]', "<html>", '{"result":}', "\0")
      .map((text) => ({ wire: `${text}\n`, frame: ["Malformed"] as const }))
  }
)

describe("the splitter", () => {
  it("returns every line once, for any chunks", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.nat(200), { maxLength: 20 }),
        places,
        (raw, breaks, at) => {
          const whole = raw.slice()
          for (const place of breaks) {
            if (place < whole.length) {
              whole[place] = 0x0a
            }
          }
          const expected = Buffer.from(whole).toString("latin1").split("\n").slice(0, -1)
          expect(linesOf([whole])).toEqual(expected)
          expect(linesOf(cut(whole, at))).toEqual(expected)
          expect(linesOf(Array.from(whole, (byte) => Uint8Array.of(byte)))).toEqual(expected)
        }
      )
    )
  })

  it("returns a line only once its line break has arrived", () => {
    const splitter = makeLineSplitter(100)
    const split = (chunk: Uint8Array) => [...splitter(chunk)]
    expect(split(bytes("ab"))).toEqual([])
    expect(split(new Uint8Array(0))).toEqual([])
    expect(split(bytes("c\nd"))).toEqual([lineOf(bytes("ab"), bytes("c"))])
    expect(split(bytes("\n"))).toEqual([lineOf(bytes("d"))])
    expect(split(bytes("the rest of a stream that broke off"))).toEqual([])
  })

  it("copies nothing: a line consists of parts of the chunks", () => {
    const chunk = bytes("one\ntwo\nthr")
    const next = bytes("ee\n")
    const split = makeLineSplitter(100)
    const lines = [...split(chunk), ...split(next)]
    const buffers = lines.map((line) => (line === "TooLarge" ? [] : line.chunks.map((part) => part.buffer)))
    expect(buffers).toEqual([[chunk.buffer], [chunk.buffer], [chunk.buffer, next.buffer]])
    buffers.flat().forEach((buffer, nth) => {
      expect(buffer).toBe(nth < 3 ? chunk.buffer : next.buffer)
    })
  })

  it("accepts lines up to the limit plus the frame, and no longer ones", () => {
    const line = (size: number) => "x".repeat(size)
    for (const limit of [1, 5, 1000]) {
      const most = limit + margin
      const whole = [most - 1, most, most + 1, 1, most + 1000, 0, most].map((size) => `${line(size)}\n`).join("")
      for (const chunks of [[bytes(whole)], Array.from(bytes(whole), (byte) => Uint8Array.of(byte))]) {
        expect(linesOf(chunks, limit)).toEqual([
          line(most - 1),
          line(most),
          "TooLarge",
          line(1),
          "TooLarge",
          "",
          line(most)
        ])
      }
    }
  })

  it("accepts a document of exactly the limit in any readable frame", () => {
    const frame = `${" ".repeat(21)}{"result":12345}${" ".repeat(31)}`
    const [line] = makeLineSplitter(5)(bytes(`${frame}\n`))
    expect(shown(parseFrame(line as never))).toEqual(["Document", "12345"])
  })

  it("reports a line that is too large once, and recovers with the next line, for any chunks", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 80 }), { maxLength: 8 }),
        places,
        (lines, at) => {
          const whole = bytes(lines.map((line) => `${line}\n`).join(""))
          expect(linesOf(cut(whole, at), 6)).toEqual(
            lines.map((line) => (line.length > 6 + margin ? "TooLarge" : line))
          )
        }
      )
    )
  })

  it("returns nothing of a line that is too large", () => {
    const split = makeLineSplitter(10)
    let lines = 0
    for (let n = 0; n < 1000; n++) {
      lines += [...split(new Uint8Array(1024))].length
    }
    expect(lines).toBe(0)
    // the following line is complete
    expect([...split(bytes("\nnext\n"))]).toEqual(["TooLarge", lineOf(bytes("next"))])
  })
})

describe("a frame", () => {
  it("returns its document, for any chunks", () => {
    fc.assert(
      fc.property(fc.array(wireFrames, { maxLength: 6 }), places, (frames, at) => {
        const whole = bytes(frames.map((frame) => frame.wire).join(""))
        for (const chunks of [cut(whole, at), Array.from(whole, (byte) => Uint8Array.of(byte))]) {
          const split = makeLineSplitter(Number.POSITIVE_INFINITY)
          const got = chunks.flatMap((chunk) => [...split(chunk)]).map((line) => shown(parseFrame(line as never)))
          expect(got.map(([tag, text]) => [tag, tag === "Document" ? text?.trim() : text])).toEqual(
            frames.map(({ frame: [tag, text] }) => [tag, tag === "Document" ? text?.trim() : text])
          )
        }
      })
    )
  })

  it("returns its document byte for byte, without parsing it", () => {
    for (const document of [
      '{"a":"\u00e9\u65e5\ud83c\uddef"}',
      '{"a": [1,2, {"b":"}"}]}',
      "not JSON at all",
      "{",
      "\0\0",
      '{"digest":"x"}  '
    ]) {
      expect(read(`{"result":${document}}`)).toEqual(["Document", document])
    }
    const raw = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const frame = parseFrame(lineOf(bytes('{"result":'), raw, bytes("}")))
    expect(frame).toEqual({ _tag: "Document", bytes: [raw], size: 256 })
  })

  it("copies nothing: the document consists of parts of the line", () => {
    const chunks = [bytes('{"resu'), bytes('lt":{"flags"'), bytes(":[]"), bytes("}"), bytes("} "), bytes("\r")]
    const frame = parseFrame(lineOf(...chunks))
    if (frame._tag !== "Document") {
      throw new Error(frame._tag)
    }
    expect(Buffer.concat([...frame.bytes]).toString()).toBe('{"flags":[]}')
    expect(frame.bytes.map((part) => chunks.findIndex((chunk) => chunk.buffer === part.buffer))).toEqual([1, 2, 3])
    expect(frame.bytes.every((part) => part.length > 0)).toBe(true)
  })

  it("may have white space around its parts", () => {
    for (const text of [
      ' {"result":{}}',
      '\t{\t"result"\t:{}}\t',
      '{ "result" :{}}\r',
      '{"result":{}} \r',
      '\r{"result":{}}'
    ]) {
      expect(read(text), JSON.stringify(text)).toEqual(["Document", "{}"])
    }
  })

  it("that is empty or blank is not a frame", () => {
    for (const text of ["", "\r", " ", "\t \r", " ".repeat(32)]) {
      expect(read(text), JSON.stringify(text)).toEqual(["Blank"])
    }
  })

  it("is an error as a whole if it contains one", () => {
    for (const text of ['{"error":{"code":5,"message":"gone"}}', ' { "error" : null }\r', '{"error":']) {
      expect(read(text)).toEqual(["Error", text])
    }
  })

  it("is malformed if it is neither", () => {
    for (const text of [
      "{}",
      "{",
      "}",
      "\0",
      "null",
      "garbage",
      "<!doctype html>",
      "data: {}",
      '"result":{}}',
      '{"result"}',
      '{"result":}',
      '{"result":',
      '{"result":{"flags":[',
      '{"result" {}}',
      '{"Result":{}}',
      '{"results":{}}',
      '{"a":1,"result":{}}',
      '["result":{}}',
      '{"result":{}}x',
      '{"result":{}}]',
      `${" ".repeat(40)}{"result":{}}`,
      `{"result":{}}${" ".repeat(40)}`,
      " ".repeat(33)
    ]) {
      expect(read(text), JSON.stringify(text)).toEqual(["Malformed"])
    }
    for (const text of ["\xa0", "\xef\xbb\xbf", "\xff\xfe", '\xef\xbb\xbf{"result":{}}', '{"result":{}}\xa0']) {
      expect(shown(parseFrame(lineOf(latin1(text)))), JSON.stringify(text)).toEqual(["Malformed"])
    }
  })

  it("is recognized by the bytes at its ends only", () => {
    const filling = "x".repeat(1 << 20)
    expect(read(`${filling}{"result":{}}`)).toEqual(["Malformed"])
    expect(read(`{"result":${filling}`)).toEqual(["Malformed"])
    expect(read(`{"result":"${filling}"}`)).toEqual(["Document", `"${filling}"`])
  })
})
