/**
 * A 64-bit hash in portable TypeScript: two 32-bit hashes side by side. Texts are hashed with their length and lists
 * with their size, so different structures never produce the same byte sequence. Numbers are hashed in single
 * precision.
 *
 * The hash detects changes. It does not resist someone who constructs a collision.
 */

// The first half uses FNV-1a's offset basis and prime, the second MurmurHash3's multiplier and another odd seed.
export const SEED_1 = 0x811c9dc5
export const PRIME_1 = 0x01000193
export const SEED_2 = 0x9747b28c
export const PRIME_2 = 0xcc9e2d51

/** Formats the two halves of a hash. */
export const toHex = (first: number, second: number): string => {
  const half = (value: number) => (value >>> 0).toString(16).padStart(8, "0")
  return half(first) + half(second)
}

export class Hasher {
  private first = SEED_1
  private second = SEED_2
  private readonly encoder = new TextEncoder()

  private byte(value: number): void {
    this.first = Math.imul(this.first ^ value, PRIME_1)
    const mixed = Math.imul(this.second ^ value, PRIME_2)
    this.second = (mixed << 13) | (mixed >>> 19)
  }

  uint(value: number): this {
    this.byte(value & 0xff)
    this.byte((value >>> 8) & 0xff)
    this.byte((value >>> 16) & 0xff)
    this.byte(value >>> 24)
    return this
  }

  float(value: number): this {
    const bits = new DataView(new ArrayBuffer(4))
    bits.setFloat32(0, value)
    return this.uint(bits.getUint32(0))
  }

  text(value: string): this {
    return this.bytes(this.encoder.encode(value))
  }

  /** Hashes the length, then the bytes. */
  bytes(value: Uint8Array): this {
    return this.uint(value.length).update(value)
  }

  /** Hashes bytes without their length: the result does not depend on how the input is divided into chunks. */
  update(value: Uint8Array): this {
    // Whole documents are hashed here. Local variables make the loop three times as fast as fields.
    let first = this.first
    let second = this.second
    for (let i = 0; i < value.length; i++) {
      const byte = value[i] as number
      first = Math.imul(first ^ byte, PRIME_1)
      const mixed = Math.imul(second ^ byte, PRIME_2)
      second = (mixed << 13) | (mixed >>> 19)
    }
    this.first = first
    this.second = second
    return this
  }

  boolean(value: boolean): this {
    return this.uint(value ? 1 : 0)
  }

  optional(value: string | undefined): this {
    return value === undefined ? this.boolean(false) : this.boolean(true).text(value)
  }

  list<A>(values: ReadonlyArray<A>, add: (value: A) => void): this {
    this.uint(values.length)
    values.forEach(add)
    return this
  }

  get hex(): string {
    return toHex(this.first, this.second)
  }
}
