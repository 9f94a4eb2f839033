import type { EvaluationContext } from "../../../Model.js"
import { isLenient, readProperty } from "../../snapshot/request.js"
import * as Crc32 from "./crc32.js"

/** What is read of a context: a text, or a number that has not been made one. */
export type Value = string | number

/**
 * The same text as V8 keeps property names: one object for all that are equal, which a comparison sees at once. Literals
 * are kept so too.
 */
export const intern = (text: string): string => Object.keys({ [text]: true })[0] as string

/** A property that constraints read; there is one object for each name in a state. */
export interface Property {
  readonly name: string
  /** Its number among all that a state's constraints read. */
  readonly index: number
  /** Whether the name has U+FFFD in it, which a lone surrogate in a request's property name stands for. */
  readonly lenient: boolean
}

/** The properties that the constraints of one state read, numbered as its flags are compiled. */
export class Properties {
  private readonly byName = new Map<string, Property>()

  of(name: string): Property {
    let property = this.byName.get(name)
    if (property === undefined) {
      property = { name: intern(name), index: this.byName.size, lenient: isLenient(name) }
      this.byName.set(name, property)
    }
    return property
  }
}

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

const hashId = (ids: Ids, id: string): void => {
  const ascii = Crc32.updateAscii(Crc32.initial, id)
  ids.register = ascii ?? Crc32.update(Crc32.initial, id)
  ids.shift = Crc32.shiftBy(ascii === undefined ? Crc32.byteLength(id) : id.length)
  ids.id = id
}

/**
 * Properties with higher numbers are read whenever they are asked for. Without a bound what is kept of one entity would
 * grow with the state, and a gap of this size turns a list into a slow dictionary.
 */
const MAX_KEPT = 1024

/**
 * Who is asked about. For one evaluation a plain object that remembers the property that was read last, since making
 * more than that would cost more than most evaluations.
 */
export interface Subject {
  readonly entityId: string
  readonly context: EvaluationContext | undefined
  readonly ids: Ids
  property: Property | undefined
  value: Value
  /** All that was read, by the property's number: of an entity that is asked about again and again. */
  readonly values: Array<Value | undefined> | undefined
}

export const makeSubject = (entityId: string, context: EvaluationContext | undefined, ids: Ids): Subject => ({
  entityId,
  context,
  ids,
  property: undefined,
  value: "",
  values: undefined
})

/** A Subject that reads each property once, however often it is asked about. */
export const makeBoundSubject = (entityId: string, context: EvaluationContext | undefined): Subject => ({
  entityId,
  context,
  ids: makeIds(),
  property: undefined,
  value: "",
  values: []
})

/** The value of a property, `""` when there is none. */
export const read = (subject: Subject, property: Property): Value => {
  if (subject.property === property) {
    return subject.value
  }
  const value =
    subject.values === undefined
      ? readProperty(subject.context, property.name, property.lenient)
      : recall(subject, property, subject.values)
  subject.property = property
  subject.value = value
  return value
}

const recall = ({ context }: Subject, property: Property, values: Array<Value | undefined>): Value => {
  const { index } = property
  const known = values[index]
  if (known !== undefined) {
    return known
  }
  const value = readProperty(context, property.name, property.lenient)
  if (index < MAX_KEPT) {
    values[index] = value
  }
  return value
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
