/**
 * CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320): the hash by which Flipt spreads entities over percentages.
 */

const table: Int32Array = /*#__PURE__*/ (() => {
  const entries = new Int32Array(256)
  for (let n = 0; n < 256; n++) {
    let c = n
    for (let k = 0; k < 8; k++) {
      c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
    }
    entries[n] = c
  }
  return entries
})()

const step = (register: number, byte: number): number => (table[(register ^ byte) & 0xff] as number) ^ (register >>> 8)

/** The register before the first byte. */
export const initial = -1

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
