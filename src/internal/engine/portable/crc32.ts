/**
 * CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320), which Flipt uses to distribute entities over buckets.
 */

const POLYNOMIAL = 0xedb88320

/** Lookup tables for a byte followed by zero to three zero bytes. */
const table: Int32Array = /*#__PURE__*/ (() => {
  const entries = new Int32Array(4 * 256)
  for (let n = 0; n < 256; n++) {
    let c = n
    for (let bit = 1; bit <= 32; bit++) {
      c = c & 1 ? (c >>> 1) ^ POLYNOMIAL : c >>> 1
      if (bit % 8 === 0) {
        entries[((bit / 8 - 1) << 8) | n] = c
      }
    }
  }
  return entries
})()

const step = (register: number, byte: number): number => (table[(register ^ byte) & 0xff] as number) ^ (register >>> 8)

/** The initial register. */
export const initial = -1

/** Updates a register with an ASCII text, four characters at a time. Returns `undefined` if the text is not ASCII. */
export const updateAscii = (register: number, text: string): number | undefined => {
  const { length } = text
  let crc = register
  let units = 0
  let i = 0
  for (; i + 4 <= length; i += 4) {
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    units |= a | b | c | d
    crc ^= a | (b << 8) | (c << 16) | (d << 24)
    crc =
      (table[768 | (crc & 0xff)] as number) ^
      (table[512 | ((crc >>> 8) & 0xff)] as number) ^
      (table[256 | ((crc >>> 16) & 0xff)] as number) ^
      (table[crc >>> 24] as number)
  }
  for (; i < length; i++) {
    const unit = text.charCodeAt(i)
    units |= unit
    crc = step(crc, unit)
  }
  return units < 0x80 ? crc : undefined
}

/** Updates a register with the UTF-8 bytes of a text. A lone surrogate counts as U+FFFD, as in TextEncoder. */
export const update = (register: number, text: string): number => {
  let crc = register
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) {
      crc = step(crc, unit)
      continue
    }
    let point = unit
    if (unit >= 0xd800 && unit <= 0xdfff) {
      point = text.codePointAt(i) as number
      if (point > 0xffff) {
        i++
      } else {
        point = 0xfffd
      }
    }
    if (point < 0x800) {
      crc = step(crc, 0xc0 | (point >> 6))
    } else {
      if (point < 0x10000) {
        crc = step(crc, 0xe0 | (point >> 12))
      } else {
        crc = step(crc, 0xf0 | (point >> 18))
        crc = step(crc, 0x80 | ((point >> 12) & 0x3f))
      }
      crc = step(crc, 0x80 | ((point >> 6) & 0x3f))
    }
    crc = step(crc, 0x80 | (point & 0x3f))
  }
  return crc
}

/** The checksum of a register, as an unsigned 32-bit integer. */
export const finish = (register: number): number => ~register >>> 0

/** The length of a text in UTF-8 bytes. */
export const byteLength = (text: string): number => {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) {
      bytes += unit < 0x800 ? 1 : 2
      if (unit >= 0xd800 && unit <= 0xdbff && (text.codePointAt(i) as number) > 0xffff) {
        // a surrogate pair has two code units and four bytes
        i++
      }
    }
  }
  return bytes
}

/**
 * The linear map that a number of zero bytes applies to a register, as 4 * 256 entries. It computes the register of a
 * concatenation from the registers of its two parts, like `crc32_combine_op` of zlib.
 */
export type CombineOp = Int32Array

/** The register of `first` followed by `second`, where the op is for the length of `second`. */
export const combine = (op: CombineOp, first: number, second: number): number =>
  (op[first & 0xff] as number) ^
  (op[256 | ((first >>> 8) & 0xff)] as number) ^
  (op[512 | ((first >>> 16) & 0xff)] as number) ^
  (op[768 | (first >>> 24)] as number) ^
  second

const makeCombineOp = (bytes: number): CombineOp => {
  const op = new Int32Array(4 * 256)
  for (let bit = 0; bit < 32; bit++) {
    let register = 1 << bit
    for (let i = 0; i < bytes; i++) {
      register = step(register, 0)
    }
    // an entry is the sum of the images of its bits
    const first = (bit >>> 3) << 8
    const size = 1 << (bit & 7)
    for (let lower = 0; lower < size; lower++) {
      op[first | size | lower] = (op[first | lower] as number) ^ register
    }
  }
  return op
}

/** An op takes 4 KiB and lengths of ids can come from outside. This limits the cache to 2 MiB. */
const MAX_COMBINE_BYTES = 512

// A cache of a pure function, so sharing it within the module is safe.
const combineOps: Array<CombineOp | undefined> = []

/** The op for a length in bytes, made on first use. `undefined` if the length is above the limit. */
export const combineOp = (bytes: number): CombineOp | undefined => {
  if (bytes > MAX_COMBINE_BYTES) {
    return undefined
  }
  let op = combineOps[bytes]
  if (op === undefined) {
    op = makeCombineOp(bytes)
    combineOps[bytes] = op
  }
  return op
}
