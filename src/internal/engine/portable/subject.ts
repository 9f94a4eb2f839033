/**
 * The subject of an evaluation: an entity and its context, with the property values read so far.
 */
import type { EvaluationContext } from "../../../Model.js"
import { hasReplacementCharacter, readProperty } from "../../snapshot/context.js"
import { intern } from "../../snapshot/intern.js"
import { type EntityHash, makeEntityHash } from "./bucket.js"

/** A value of a context. Numbers are not converted to texts unless a constraint needs that. */
export type Value = string | number

/** A property that constraints read. Each state has one object per property name. */
export interface Property {
  readonly name: string
  /** The index among all properties of the state. */
  readonly index: number
  /** Whether the name contains U+FFFD, and so also matches names with lone surrogates. */
  readonly lenient: boolean
}

/** The properties that the constraints of one state read, numbered in the order of compilation. */
export class Properties {
  private readonly byName = new Map<string, Property>()

  of(name: string): Property {
    let property = this.byName.get(name)
    if (property === undefined) {
      property = { name: intern(name), index: this.byName.size, lenient: hasReplacementCharacter(name) }
      this.byName.set(name, property)
    }
    return property
  }
}

/**
 * Properties with higher indexes are not cached. Without a limit the cache of one entity would grow with the state, and V8
 * turns an array with a larger gap into a slow dictionary.
 */
const MAX_CACHED_PROPERTIES = 1024

/**
 * The entity of an evaluation. It remembers only the last property that was read: allocating a larger cache would cost
 * more than most evaluations.
 */
export interface Subject {
  readonly entityId: string
  readonly context: EvaluationContext | undefined
  readonly entityHash: EntityHash
  lastProperty: Property | undefined
  lastValue: Value
  /** All values read so far, by property index. Only for bound entities, which are evaluated repeatedly. */
  readonly cachedValues: Array<Value | undefined> | undefined
}

export const makeSubject = (
  entityId: string,
  context: EvaluationContext | undefined,
  entityHash: EntityHash
): Subject => ({
  entityId,
  context,
  entityHash,
  lastProperty: undefined,
  lastValue: "",
  cachedValues: undefined
})

/** A Subject for repeated evaluations: it reads each property once. */
export const makeBoundSubject = (entityId: string, context: EvaluationContext | undefined): Subject => ({
  entityId,
  context,
  entityHash: makeEntityHash(),
  lastProperty: undefined,
  lastValue: "",
  cachedValues: []
})

/** The value of a property, `""` if it is absent. */
export const read = (subject: Subject, property: Property): Value => {
  if (subject.lastProperty === property) {
    return subject.lastValue
  }
  const value =
    subject.cachedValues === undefined
      ? readProperty(subject.context, property.name, property.lenient)
      : readCached(subject, property, subject.cachedValues)
  subject.lastProperty = property
  subject.lastValue = value
  return value
}

const readCached = ({ context }: Subject, property: Property, values: Array<Value | undefined>): Value => {
  const { index } = property
  const known = values[index]
  if (known !== undefined) {
    return known
  }
  const value = readProperty(context, property.name, property.lenient)
  if (index < MAX_CACHED_PROPERTIES) {
    values[index] = value
  }
  return value
}
