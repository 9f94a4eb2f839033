/**
 * Where an entity falls: the hash of its id and the flag's key, as a bucket of variants or a percentage of booleans.
 */
import * as Crc32 from "./crc32.js"
import type { Subject } from "./subject.js"

/** How many buckets the distributions of a rule share. */
export const BUCKETS = 1000

/** How many buckets the threshold of a rollout counts. */
export const PERCENT = 100

/** A text that is hashed with others before or behind it. */
export interface Hashed {
  readonly text: string
  /** The register behind the text. */
  readonly register: number
  /** The register behind the text when it begins with zero: what is added to that of a text before it, once shifted. */
  readonly sum: number
  readonly shift: Crc32.Shift | undefined
}

export const hash = (text: string): Hashed => ({
  text,
  register: Crc32.update(Crc32.initial, text),
  sum: Crc32.update(0, text),
  shift: Crc32.shiftBy(Crc32.byteLength(text))
})

/** The hash of the entity's id that was asked for last: those who ask for several flags of one entity do so in a row. */
export interface Ids {
  id: string | undefined
  register: number
  shift: Crc32.Shift | undefined
}

export const makeIds = (): Ids => ({ id: undefined, register: 0, shift: undefined })

export const hashId = (ids: Ids, id: string): void => {
  const ascii = Crc32.updateAscii(Crc32.initial, id)
  ids.register = ascii ?? Crc32.update(Crc32.initial, id)
  ids.shift = Crc32.shiftBy(ascii === undefined ? Crc32.byteLength(id) : id.length)
  ids.id = id
}

/** Where the entity's id with a text before it falls, of so many places. */
export const placeAfter = ({ entityId, ids }: Subject, text: Hashed, places: number): number => {
  if (ids.id !== entityId) {
    hashId(ids, entityId)
  }
  // the id's own register began with all bits set, and would have begun with those of the text
  const register =
    ids.shift === undefined
      ? Crc32.update(text.register, entityId)
      : Crc32.shift(ids.shift, text.register ^ Crc32.initial) ^ ids.register
  return Crc32.finish(register) % places
}

/** Where the entity's id with a text behind it falls, of so many places. */
export const placeBefore = ({ entityId, ids }: Subject, text: Hashed, places: number): number => {
  if (ids.id !== entityId) {
    hashId(ids, entityId)
  }
  const register =
    text.shift === undefined ? Crc32.update(ids.register, text.text) : Crc32.shift(text.shift, ids.register) ^ text.sum
  return Crc32.finish(register) % places
}
