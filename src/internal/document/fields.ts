/**
 * Readers of whole values, composed of readers of their fields.
 */
import type { Reader } from "./json.js"

/** Describes how `struct` reads one field. */
export interface Field<A> {
  readonly name: string
  readonly read: (reader: Reader) => A
  /** The value for an absent or null field. Fields without it are required. */
  readonly absent?: { readonly value: A }
}

export const required = <A>(name: string, read: (reader: Reader) => A): Field<A> => ({ name, read })

export const optional = <A, B>(name: string, read: (reader: Reader) => A, value: B): Field<A | B> => ({
  name,
  read,
  absent: { value }
})

const UNREAD = Symbol()

/**
 * Reads an object with the given fields and skips unknown ones. A missing required field or a duplicate field is an error.
 * All results have their properties in the order of `fields`, so they share one hidden class in V8.
 */
export const struct = <A>(fields: { readonly [K in keyof A]-?: Field<A[K]> }): ((reader: Reader) => A) => {
  const entries = Object.entries<Field<unknown>>(fields)
  const indexes = new Map(entries.map(([, field], index) => [field.name, index]))
  return (reader) => {
    const values: Array<unknown> = entries.map(() => UNREAD)
    for (let name = reader.firstKey(); name !== undefined; name = reader.nextKey()) {
      const index = indexes.get(name)
      if (index === undefined) {
        reader.skip()
        continue
      }
      if (values[index] !== UNREAD) {
        reader.fail("occurs twice")
      }
      const [, field] = entries[index]!
      values[index] = field.absent !== undefined && reader.isNull() ? field.absent.value : field.read(reader)
    }
    const result: Record<string, unknown> = {}
    for (let index = 0; index < entries.length; index++) {
      const [property, field] = entries[index]!
      if (values[index] !== UNREAD) {
        result[property] = values[index]
      } else if (field.absent !== undefined) {
        result[property] = field.absent.value
      } else {
        reader.fail(`"${field.name}" is missing`)
      }
    }
    return result as A
  }
}

export const list =
  <A>(element: (reader: Reader) => A) =>
  (reader: Reader): Array<A> => {
    const values: Array<A> = []
    for (let more = reader.firstElement(); more; more = reader.nextElement()) {
      values.push(element(reader))
    }
    return values
  }

export const string = (reader: Reader): string => reader.string()

export const boolean = (reader: Reader): boolean => reader.boolean()

export const float = (reader: Reader): number => reader.float()
