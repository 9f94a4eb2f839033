/**
 * The hash that spreads entities over percentages, and the integers that constraints compare: each against the plain way
 * to write it down.
 */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { bucketEntityFirst, bucketKeyFirst, hashKey, makeEntityHash } from "../src/internal/engine/portable/bucket.js"
import { parseInteger } from "../src/internal/engine/portable/constraint.js"
import * as Crc32 from "../src/internal/engine/portable/crc32.js"
import { makeSubject } from "../src/internal/engine/portable/subject.js"

const encode = (text: string) => new TextEncoder().encode(text)

/** CRC-32 bit by bit, as the standard has it. */
const reference = (...texts: ReadonlyArray<string>): number => {
  let register = 0xffffffff
  for (const text of texts) {
    for (const byte of encode(text)) {
      register ^= byte
      for (let bit = 0; bit < 8; bit++) {
        register = register & 1 ? (register >>> 1) ^ 0xedb88320 : register >>> 1
      }
    }
  }
  return ~register >>> 0
}

/** One, two, three and four bytes; lone surrogates of both kinds; what begins and ends each length in UTF-8. */
const units = ["a", "\u0000", "\u007f", "\u0080", "é", "\u07ff", "\u0800", "€", "\uffff", "😀", "\ud800", "\udc00"]

const anyText = fc.oneof(
  fc.string({ unit: "grapheme-ascii", maxLength: 80 }),
  fc.string({ unit: "binary", maxLength: 40 }),
  // any units of UTF-16, well-formed or not
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((codes) => String.fromCharCode(...codes)),
  // just around the steps of four characters, and the length up to which checksums are combined
  fc
    .tuple(
      fc.constantFrom(0, 1, 2, 3, 4, 5, 7, 8, 9, 508, 509, 510, 511, 512, 513, 514),
      fc.constantFrom(...units),
      fc.constantFrom("", ...units)
    )
    .map(([length, unit, last]) => unit.repeat(Math.ceil(length / encode(unit).length)) + last)
)

const runs = { numRuns: 2_000 }
/** So many places that where a text falls is its checksum. */
const ALL = 2 ** 32

describe("crc32", () => {
  it("is the one of the standard", () => {
    expect(reference("123456789")).toBe(0xcbf43926)
    expect(Crc32.finish(Crc32.update(Crc32.initial, "123456789"))).toBe(0xcbf43926)
    expect(Crc32.finish(Crc32.update(Crc32.initial, ""))).toBe(0)
  })

  it("hashes the UTF-8 bytes of any text, and counts them", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(Crc32.finish(Crc32.update(Crc32.initial, text))).toBe(reference(text))
        expect(Crc32.byteLength(text)).toBe(encode(text).length)
      }),
      runs
    )
  })

  it("four characters a step give the same for ASCII, and nothing for any other text", () => {
    fc.assert(
      fc.property(anyText, fc.integer(), (text, register) => {
        const isAscii = encode(text).length === text.length
        expect(Crc32.updateAscii(register, text)).toBe(isAscii ? Crc32.update(register, text) : undefined)
      }),
      runs
    )
  })

  it("combines the checksums of an entity's id and a flag's key, either first, to that of both", () => {
    fc.assert(
      fc.property(anyText, anyText, (id, key) => {
        const subject = makeSubject(id, undefined, makeEntityHash())
        // each by itself: a surrogate at the end of one and at the beginning of the other make no pair
        expect(bucketEntityFirst(subject, hashKey(key), ALL)).toBe(reference(id, key))
        expect(bucketKeyFirst(subject, hashKey(key), ALL)).toBe(reference(key, id))
      }),
      runs
    )
  })

  it("of every length up to some more than what is combined", () => {
    const key = hashKey("flag")
    for (let length = 0; length < 520; length++) {
      const text = "x".repeat(length)
      const subject = makeSubject(text, undefined, makeEntityHash())
      expect(bucketEntityFirst(subject, hashKey(text), ALL)).toBe(reference(text, text))
      expect(bucketKeyFirst(subject, key, ALL)).toBe(reference("flag", text))
    }
  })

  it("of consecutive entities, also if one occurs again", () => {
    const ids = fc.array(fc.oneof(fc.constantFrom("", "a", "b", "é"), anyText), { maxLength: 8 })
    fc.assert(
      fc.property(ids, anyText, (list, key) => {
        const last = makeEntityHash()
        const hashed = hashKey(key)
        for (const id of list) {
          const subject = makeSubject(id, undefined, last)
          expect(bucketKeyFirst(subject, hashed, ALL)).toBe(reference(key, id))
          expect(bucketEntityFirst(subject, hashed, ALL)).toBe(reference(id, key))
        }
      })
    )
  })
})

describe("parseInteger", () => {
  /** What Rust's `str::parse::<i32>` takes. */
  const parsePlainly = (text: string): number => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN
    return value >= -2147483648 && value <= 2147483647 ? value : Number.NaN
  }

  it("reads the edges as the rule says", () => {
    const edges = [
      ["", "+", "-", "+-1", "--1", "1-", " 1", "1 ", "1\n", "1.0", "1e3", "0x1", "١", "1\u0000", "NaN", "Infinity"],
      ["2147483647", "+2147483647", "-2147483647", "-2147483648", "0", "-0", "+0", "007", "-007"],
      ["2147483648", "+2147483648", "-2147483649", "4294967296", "-4294967296", "9".repeat(400), `-${"9".repeat(400)}`],
      [`${"0".repeat(500)}7`, `-${"0".repeat(500)}2147483648`, `${"0".repeat(500)}2147483648`]
    ].flat()
    for (const text of edges) {
      expect(parseInteger(text), JSON.stringify(text)).toBe(parsePlainly(text))
    }
  })

  it("reads any text as the rule says", () => {
    const nearly = fc.string({ unit: fc.constantFrom(..."0123456789+-. e/:"), maxLength: 13 })
    const near = fc
      .tuple(fc.constantFrom("", "+", "-"), fc.constantFrom("", "0", "000"), fc.bigInt({ min: -4n, max: 4n }))
      .map(([sign, zeros, off]) => `${sign}${zeros}${2147483648n + off}`)
    fc.assert(
      fc.property(fc.oneof(nearly, near, fc.integer().map(String), fc.string()), (text) => {
        expect(parseInteger(text)).toBe(parsePlainly(text))
      }),
      { numRuns: 5_000 }
    )
  })
})
