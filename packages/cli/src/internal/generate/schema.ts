/**
 * Infers a Schema that decodes all attachments of a flag.
 */

/** The values found at one place in the attachments. */
interface Shape {
  string: boolean
  number: boolean
  boolean: boolean
  null: boolean
  array: Shape | undefined
  object: { count: number; fields: Map<string, { shape: Shape; count: number }> } | undefined
}

const empty = (): Shape => ({
  string: false,
  number: false,
  boolean: false,
  null: false,
  array: undefined,
  object: undefined
})

/** Values that are nested deeper or have more fields become `Schema.Unknown`. */
const MAX_DEPTH = 8
const MAX_FIELDS = 100

const add = (shape: Shape, value: unknown, depth: number): void => {
  switch (typeof value) {
    case "string":
      shape.string = true
      return
    case "number":
      shape.number = true
      return
    case "boolean":
      shape.boolean = true
      return
    default:
  }
  if (value === null) {
    shape.null = true
  } else if (Array.isArray(value)) {
    shape.array ??= empty()
    if (depth < MAX_DEPTH) {
      for (const element of value) {
        add(shape.array, element, depth + 1)
      }
    }
  } else {
    shape.object ??= { count: 0, fields: new Map() }
    shape.object.count++
    if (depth < MAX_DEPTH) {
      for (const [name, field] of Object.entries(value as object)) {
        const known = shape.object.fields.get(name) ?? { shape: empty(), count: 0 }
        shape.object.fields.set(name, known)
        known.count++
        add(known.shape, field, depth + 1)
      }
    }
  }
}

/** A property's name in an object literal. `__proto__` must be computed, because otherwise it sets the prototype. */
export const propertyName = (name: string): string =>
  name === "__proto__" ? `["__proto__"]` : /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)

const indent = (depth: number): string => "  ".repeat(depth)

const writeObject = ({ count, fields }: NonNullable<Shape["object"]>, depth: number): string => {
  if (depth >= MAX_DEPTH || fields.size > MAX_FIELDS) {
    return "Schema.Record({ key: Schema.String, value: Schema.Unknown })"
  }
  if (fields.size === 0) {
    return "Schema.Struct({})"
  }
  const lines = Array.from(fields, ([name, field]) => {
    const schema = write(field.shape, depth + 1)
    return `${indent(depth + 1)}${propertyName(name)}: ${field.count < count ? `Schema.optional(${schema})` : schema}`
  })
  return `Schema.Struct({\n${lines.join(",\n")}\n${indent(depth)}})`
}

const write = (shape: Shape, depth: number): string => {
  const members = [
    ...(shape.string ? ["Schema.String"] : []),
    ...(shape.number ? ["Schema.Number"] : []),
    ...(shape.boolean ? ["Schema.Boolean"] : []),
    ...(shape.null ? ["Schema.Null"] : []),
    ...(shape.array === undefined ? [] : [`Schema.Array(${write(shape.array, depth)})`]),
    ...(shape.object === undefined ? [] : [writeObject(shape.object, depth)])
  ]
  return members.length === 0
    ? "Schema.Unknown"
    : members.length === 1
      ? (members[0] as string)
      : `Schema.Union(${members.join(", ")})`
}

/** The source of a Schema that decodes each of the values. */
export const schemaOf = (values: ReadonlyArray<unknown>): string => {
  const shape = empty()
  for (const value of values) {
    add(shape, value, 0)
  }
  return write(shape, 0)
}

/** The source of a value. */
export const literalOf = (value: unknown): string => {
  if (Array.isArray(value)) {
    return `[${value.map(literalOf).join(", ")}]`
  }
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).map(([name, field]) => `${propertyName(name)}: ${literalOf(field)}`)
    return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`
  }
  // JSON can contain numbers that are too large for a double.
  return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY
    ? String(value)
    : JSON.stringify(value)
}
