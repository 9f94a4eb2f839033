/**
 * Compares the hash of entities and the parser of integers with straightforward implementations.
 */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { bucketEntityFirst, bucketKeyFirst, hashKey, makeEntityHash } from "../src/internal/engine/portable/bucket.js"
import { parseInteger } from "../src/internal/engine/portable/constraint.js"
import * as Crc32 from "../src/internal/engine/portable/crc32.js"
import { makeSubject } from "../src/internal/engine/portable/subject.js"

const encode = (text: string) => new TextEncoder().encode(text)

/** CRC-32, bit by bit as in the standard. */
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

/** Characters of one to four bytes, the first and last of each length in UTF-8, and lone surrogates of both kinds. */
const units = ["a", "\u0000", "\u007f", "\u0080", "é", "\u07ff", "\u0800", "€", "\uffff", "😀", "\ud800", "\udc00"]

const anyText = fc.oneof(
  fc.string({ unit: "grapheme-ascii", maxLength: 80 }),
  fc.string({ unit: "binary", maxLength: 40 }),
  // any UTF-16 code units, well-formed or not
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((codes) => String.fromCharCode(...codes)),
  // lengths around the steps of four characters, and around the limit up to which checksums are combined
  fc
    .tuple(
      fc.constantFrom(0, 1, 2, 3, 4, 5, 7, 8, 9, 508, 509, 510, 511, 512, 513, 514),
      fc.constantFrom(...units),
      fc.constantFrom("", ...units)
    )
    .map(([length, unit, last]) => unit.repeat(Math.ceil(length / encode(unit).length)) + last)
)

const runs = { numRuns: 2_000 }
/** With this number of buckets, a text's bucket is its checksum. */
const ALL = 2 ** 32

describe("crc32", () => {
  it("matches the standard", () => {
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

  it("updateAscii gives the same checksum for ASCII, and undefined for other texts", () => {
    fc.assert(
      fc.property(anyText, fc.integer(), (text, register) => {
        const isAscii = encode(text).length === text.length
        expect(Crc32.updateAscii(register, text)).toBe(isAscii ? Crc32.update(register, text) : undefined)
      }),
      runs
    )
  })

  it("combines the checksums of an entity's id and a flag's key, in either order", () => {
    fc.assert(
      fc.property(anyText, anyText, (id, key) => {
        const subject = makeSubject(id, undefined, makeEntityHash())
        // each is encoded separately: surrogates at the end of one and the start of the other do not form a pair
        expect(bucketEntityFirst(subject, hashKey(key), ALL)).toBe(reference(id, key))
        expect(bucketKeyFirst(subject, hashKey(key), ALL)).toBe(reference(key, id))
      }),
      runs
    )
  })

  it("is right for every length, also beyond the limit for combining", () => {
    const key = hashKey("flag")
    for (let length = 0; length < 520; length++) {
      const text = "x".repeat(length)
      const subject = makeSubject(text, undefined, makeEntityHash())
      expect(bucketEntityFirst(subject, hashKey(text), ALL)).toBe(reference(text, text))
      expect(bucketKeyFirst(subject, key, ALL)).toBe(reference("flag", text))
    }
  })

  it("is right for consecutive entities, also if one occurs again", () => {
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
  /** Like Rust's `str::parse::<i32>`. */
  const parsePlainly = (text: string): number => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN
    return value >= -2147483648 && value <= 2147483647 ? value : Number.NaN
  }

  it("agrees with Rust on edge cases", () => {
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

  it("agrees with Rust on any text", () => {
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
