import type { EvaluationContext } from "../Model.js"
import * as Crc32 from "./crc32.js"
import { isLenient, readProperty } from "./request.js"

/** What is read of a context: a text, or a number that has not been made one. */
export type Value = string | number

/** A property that constraints read, with its number among all that a state's constraints read. */
export interface Property {
  readonly name: string
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
      property = { name, index: this.byName.size, lenient: isLenient(name) }
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

/**
 * Properties with higher numbers are read whenever they are asked for. Without a bound one Subject would grow with the
 * state, and a gap of this size turns a list into a slow dictionary.
 */
const MAX_KEPT = 1024

/**
 * Who is asked about, as far as evaluation has looked: each property is read once, and the entity's id hashed once.
 * One object serves one entity after the other, since making one would cost more than most evaluations.
 */
export class Subject {
  entityId = ""
  private context: EvaluationContext | undefined = undefined
  /** By the property's number. */
  private readonly values: Array<Value | undefined> = []
  /** The numbers of the properties whose values are kept, to forget them without going through all. */
  private readonly kept: Array<number> = []
  private count = 0
  private hashedId: string | undefined = undefined
  private idRegister = 0
  private idShift: Crc32.Shift | undefined = undefined

  /** Makes it stand for this entity. It must be a new one, or have forgotten the one before. */
  become(entityId: string, context: EvaluationContext | undefined): this {
    this.entityId = entityId
    this.context = context
    return this
  }

  /**
   * Forgets the entity, so that whoever keeps the Subject keeps nothing of a context alive. The id that was hashed
   * stays: those who ask for several flags of one entity do so in a row.
   */
  forget(): void {
    while (this.count > 0) {
      this.values[this.kept[--this.count] as number] = undefined
    }
    this.context = undefined
  }

  /** The value of a property, `""` when there is none. */
  read(property: Property): Value {
    const { index } = property
    const known = this.values[index]
    if (known !== undefined) {
      return known
    }
    const value = readProperty(this.context, property.name, property.lenient)
    if (index < MAX_KEPT) {
      this.values[index] = value
      this.kept[this.count++] = index
    }
    return value
  }

  private hashId(): void {
    if (this.hashedId !== this.entityId) {
      const { entityId } = this
      const ascii = Crc32.updateAscii(Crc32.initial, entityId)
      this.idRegister = ascii ?? Crc32.update(Crc32.initial, entityId)
      this.idShift = Crc32.shiftBy(ascii === undefined ? Crc32.byteLength(entityId) : entityId.length)
      this.hashedId = entityId
    }
  }

  /** Where the entity's id with a text behind it falls, of so many places. */
  placeBefore(text: Hashed, places: number): number {
    this.hashId()
    const register =
      text.shift === undefined
        ? Crc32.update(this.idRegister, text.text)
        : Crc32.shift(text.shift, this.idRegister) ^ text.sum
    return Crc32.finish(register) % places
  }

  /** Where the entity's id with a text before it falls, of so many places. */
  placeAfter(text: Hashed, places: number): number {
    this.hashId()
    const { idShift } = this
    // the id's own register began with all bits set, and would have begun with those of the text
    const register =
      idShift === undefined
        ? Crc32.update(text.register, this.entityId)
        : Crc32.shift(idShift, text.register ^ Crc32.initial) ^ this.idRegister
    return Crc32.finish(register) % places
  }
}
