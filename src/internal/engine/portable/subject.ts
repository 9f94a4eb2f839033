import type { EvaluationContext } from "../../../Model.js"
import { isLenient, readProperty } from "../../snapshot/context.js"
import { intern } from "../../snapshot/intern.js"
import { type Ids, makeIds } from "./bucket.js"

/** What is read of a context: a text, or a number that has not been made one. */
export type Value = string | number

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
