/**
 * Compares strings like Go: by their UTF-8 bytes, which is the order of code points.
 */

/** Surrogates stand for code points above all others, but sort below U+E000 to U+FFFF. */
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit)

export const byCodePoint = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i))
    if (difference !== 0) {
      return difference
    }
  }
  return a.length - b.length
}
