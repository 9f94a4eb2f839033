/**
 * CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320): the hash by which Flipt spreads entities over percentages.
 */

const POLYNOMIAL = 0xedb88320

/** By byte and by how many zero bytes come behind it, up to three. */
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

/** The register before the first byte. */
export const initial = -1

/** Feeds a text of ASCII into a register, four characters a step; `undefined` for any other. */
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

/**
 * Feeds the UTF-8 bytes of a text into a register. A lone surrogate counts as U+FFFD, as it would after encoding.
 */
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

/** The checksum that a register stands for, as an unsigned 32-bit integer. */
export const finish = (register: number): number => ~register >>> 0

/** How many bytes a text has in UTF-8. */
export const byteLength = (text: string): number => {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) {
      bytes += unit < 0x800 ? 1 : 2
      if (unit >= 0xd800 && unit <= 0xdbff && (text.codePointAt(i) as number) > 0xffff) {
        // two units of UTF-16, four bytes
        i++
      }
    }
  }
  return bytes
}

/**
 * What feeding so many zero bytes does to a register: a linear map, so that 4 * 256 entries say it all. With it the
 * register of two texts, one after the other, comes from those of the texts.
 */
export type Shift = Int32Array

/** Applies a shift to a register. */
export const shift = (by: Shift, register: number): number =>
  (by[register & 0xff] as number) ^
  (by[256 | ((register >>> 8) & 0xff)] as number) ^
  (by[512 | ((register >>> 16) & 0xff)] as number) ^
  (by[768 | (register >>> 24)] as number)

const makeShift = (bytes: number): Shift => {
  const by = new Int32Array(4 * 256)
  for (let bit = 0; bit < 32; bit++) {
    let register = 1 << bit
    for (let i = 0; i < bytes; i++) {
      register = step(register, 0)
    }
    // an entry is the sum of what its bits are mapped to
    const first = (bit >>> 3) << 8
    const size = 1 << (bit & 7)
    for (let lower = 0; lower < size; lower++) {
      by[first | size | lower] = (by[first | lower] as number) ^ register
    }
  }
  return by
}

/** A Shift has 4 KiB, and the lengths of ids can come from outside: this bounds what is kept to 2 MiB. */
const MAX_SHIFT = 512

// No state, though it is written to: what a length gives never changes, and whoever asks gets the same.
const shifts: Array<Shift | undefined> = []

/** The shift by so many bytes, made when it is first asked for; `undefined` for too many. */
export const shiftBy = (bytes: number): Shift | undefined => {
  if (bytes > MAX_SHIFT) {
    return undefined
  }
  let by = shifts[bytes]
  if (by === undefined) {
    by = makeShift(bytes)
    shifts[bytes] = by
  }
  return by
}
