/**
 * A 64-bit hash over everything of a flag that its evaluation can see. Every text goes in with its length, every list
 * with its size, so that no two definitions run into the same bytes; numbers go in as the bits of their single
 * precision. Other engines compute the same.
 */
import type * as Definition from "./definition.js"

// FNV-1a's offset basis and prime for the first half, MurmurHash3's multiplier and another odd seed for the second.
const SEED_1 = 0x811c9dc5
const PRIME_1 = 0x01000193
const SEED_2 = 0x9747b28c
const PRIME_2 = 0xcc9e2d51

const bits = new DataView(new ArrayBuffer(4))

const floatBits = (value: number): number => {
  bits.setFloat32(0, value)
  return bits.getUint32(0)
}

class Hasher {
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

  text(value: string): this {
    return this.bytes(this.encoder.encode(value))
  }

  bytes(value: Uint8Array): this {
    this.uint(value.length)
    for (const byte of value) {
      this.byte(byte)
    }
    return this
  }

  flag(value: boolean): this {
    return this.uint(value ? 1 : 0)
  }

  optional(value: string | undefined): this {
    return value === undefined ? this.flag(false) : this.flag(true).text(value)
  }

  list<A>(values: ReadonlyArray<A>, add: (value: A) => void): this {
    this.uint(values.length)
    values.forEach(add)
    return this
  }

  get hex(): string {
    const half = (value: number) => (value >>> 0).toString(16).padStart(8, "0")
    return half(this.first) + half(this.second)
  }
}

const addAudience = (hasher: Hasher, audience: Definition.Audience): void => {
  hasher.flag(audience.and).list(audience.segments, (segment) => {
    hasher
      .text(segment.key)
      .flag(segment.any)
      .list(segment.constraints, (constraint) => {
        hasher.text(constraint.type).text(constraint.property).text(constraint.operator).text(constraint.value)
      })
  })
}

const addRollout = (hasher: Hasher, rollout: Definition.Rollout): void => {
  switch (rollout._tag) {
    case "Threshold":
      hasher.uint(1).uint(floatBits(rollout.percentage)).flag(rollout.value)
      return
    case "Segment":
      hasher.uint(2).flag(rollout.value)
      addAudience(hasher, rollout.audience)
      return
    case "Unknown":
      hasher.uint(0)
  }
}

/** The fingerprint of a flag: 16 hex digits. */
export const fingerprint = (flag: Definition.Flag): string => {
  const hasher = new Hasher()
  hasher
    .text(flag.key)
    .flag(flag.boolean)
    .flag(flag.enabled)
    .optional(flag.defaultVariant?.key)
    .optional(flag.defaultVariant?.attachment)
    .list(flag.rules, (rule) => {
      addAudience(hasher, rule)
      hasher.list(rule.distributions, (distribution) => {
        hasher.text(distribution.variantKey).optional(distribution.attachment).uint(floatBits(distribution.rollout))
      })
    })
    .list(flag.rollouts, (rollout) => addRollout(hasher, rollout))
  return hasher.hex
}

/** The same hash over plain bytes, for content that comes without a version of its own. */
export const fingerprintBytes = (bytes: Uint8Array): string => new Hasher().bytes(bytes).hex
