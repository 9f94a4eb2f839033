/**
 * Assigns entities to buckets by the CRC-32 of the entity id and the flag key.
 */
import * as Crc32 from "./crc32.js"
import type { Subject } from "./subject.js"

/** The number of buckets for the distributions of a rule. */
export const VARIANT_BUCKETS = 1000

/** The number of buckets for the threshold of a rollout. */
export const PERCENT_BUCKETS = 100

/** The parts of a flag key's checksum that do not depend on the entity id, which comes before or after it. */
export interface KeyHash {
  readonly text: string
  /** The register after the text. */
  readonly register: number
  /** The register after the text if it starts at zero: combined with the register of a text before it. */
  readonly suffixRegister: number
  readonly combineOp: Crc32.CombineOp | undefined
}

export const hashKey = (text: string): KeyHash => ({
  text,
  register: Crc32.update(Crc32.initial, text),
  suffixRegister: Crc32.update(0, text),
  combineOp: Crc32.combineOp(Crc32.byteLength(text))
})

/** The hash of the last entity id: programs often evaluate several flags for one entity in a row. */
export interface EntityHash {
  entityId: string | undefined
  register: number
  combineOp: Crc32.CombineOp | undefined
}

export const makeEntityHash = (): EntityHash => ({ entityId: undefined, register: 0, combineOp: undefined })

const hashEntity = (entityHash: EntityHash, id: string): void => {
  const ascii = Crc32.updateAscii(Crc32.initial, id)
  entityHash.register = ascii ?? Crc32.update(Crc32.initial, id)
  entityHash.combineOp = Crc32.combineOp(ascii === undefined ? Crc32.byteLength(id) : id.length)
  entityHash.entityId = id
}

/** The bucket for the flag key followed by the entity id. */
export const bucketKeyFirst = ({ entityId, entityHash }: Subject, key: KeyHash, buckets: number): number => {
  if (entityHash.entityId !== entityId) {
    hashEntity(entityHash, entityId)
  }
  // removes the initial value from the key's register, since the id's register already contains it
  const register =
    entityHash.combineOp === undefined
      ? Crc32.update(key.register, entityId)
      : Crc32.combine(entityHash.combineOp, key.register ^ Crc32.initial, entityHash.register)
  return Crc32.finish(register) % buckets
}

/** The bucket for the entity id followed by the flag key. */
export const bucketEntityFirst = ({ entityId, entityHash }: Subject, key: KeyHash, buckets: number): number => {
  if (entityHash.entityId !== entityId) {
    hashEntity(entityHash, entityId)
  }
  const register =
    key.combineOp === undefined
      ? Crc32.update(entityHash.register, key.text)
      : Crc32.combine(key.combineOp, entityHash.register, key.suffixRegister)
  return Crc32.finish(register) % buckets
}
