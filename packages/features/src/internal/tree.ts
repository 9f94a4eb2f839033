/**
 * Parses YAML to a tree of values with their places in the text. Resolves aliases and merge keys (`<<`) to shared
 * nodes, so the tree's size is linear in the text. Walking it is linear too, because the number of repeated nodes is
 * limited.
 */
import * as Yaml from "yaml"
import { makeReporter, type Position, printable, quote, type Reporter } from "./report.js"

export interface Scalar {
  readonly _tag: "Scalar"
  readonly value: string | number | bigint | boolean | null
  /** Whether the value has no quotes, so that its type depends on its content. */
  readonly isPlain: boolean
  readonly offset: number
  /** Characters and nodes, counted once for each alias. */
  readonly size: number
}

export interface List {
  readonly _tag: "List"
  readonly items: ReadonlyArray<Value>
  readonly offset: number
  readonly size: number
}

export interface Entry {
  readonly offset: number
  readonly value: Value
}

export interface Mapping {
  readonly _tag: "Mapping"
  readonly entries: ReadonlyMap<string, Entry>
  readonly offset: number
  readonly size: number
}

export type Value = Scalar | List | Mapping

const MAX_DEPTH = 100
const TOO_DEEP = `values are nested deeper than ${MAX_DEPTH} levels; flatten them`
/** The maximum number of characters and nodes that aliases and merge keys may repeat in one document. */
const MAX_REPEATED = 1_000_000

const nothing = (offset: number): Scalar => ({ _tag: "Scalar", value: null, isPlain: true, offset, size: 1 })

const sizeOf = (values: ReadonlyArray<Value>): number => values.reduce((size, value) => size + value.size, 1)

const isMerge = (key: unknown): boolean =>
  Yaml.isScalar(key) && key.source === "<<" && (key.type === undefined || key.type === Yaml.Scalar.PLAIN)

/** Builds the tree of one document. Reports invalid values, and replaces them with null. */
const build = (root: Yaml.ParsedNode | null, report: Reporter): Value => {
  /** `undefined` for a node that is not complete: an alias to it from inside would never end. */
  const anchors = new Map<string, Value | undefined>()
  /** The size without aliases. */
  let written = 0
  let merged = 0
  let isTooDeep = false

  const fail = (offset: number, reason: "Limit" | "Syntax", message: string): Scalar => {
    report.error(offset, reason, "", message)
    return nothing(offset)
  }

  const buildAlias = (alias: Yaml.Alias, offset: number): Value => {
    const target = anchors.get(alias.source)
    return (
      target ??
      fail(
        offset,
        "Syntax",
        anchors.has(alias.source)
          ? `the alias *${printable(alias.source)} refers to a value that contains it; remove the alias`
          : `the alias *${printable(alias.source)} has no anchor before it; define &${printable(alias.source)} first`
      )
    )
  }

  const buildScalar = (scalar: Yaml.Scalar, offset: number): Scalar => {
    const { value } = scalar
    const known =
      value === null ||
      typeof value === "string" ||
      typeof value === "number" ||
      typeof value === "bigint" ||
      typeof value === "boolean"
    const content = known ? value : (scalar.source ?? "")
    return {
      _tag: "Scalar",
      value: content,
      isPlain: scalar.type === undefined || scalar.type === Yaml.Scalar.PLAIN,
      offset,
      size: 1 + (typeof content === "string" ? content.length : 0)
    }
  }

  const buildMapping = (map: Yaml.YAMLMap, offset: number, depth: number): Mapping => {
    const entries = new Map<string, Entry>()
    const merges: Array<Value> = []
    for (const { key, value } of map.items as ReadonlyArray<Yaml.Pair<unknown, unknown>>) {
      const isMergeKey = isMerge(key)
      const name = visit(key, offset, depth + 1)
      const built = visit(value, name.offset, depth + 1)
      if (isMergeKey) {
        merges.push(...(built._tag === "List" ? built.items : [built]))
      } else if (name._tag !== "Scalar" || typeof name.value !== "string") {
        report.error(name.offset, "Type", "", "a key must be a string; put it in quotes")
      } else if (entries.has(name.value)) {
        report.error(name.offset, "Duplicate", "", `the key ${quote(name.value)} occurs twice; remove one of them`)
      } else {
        entries.set(name.value, { offset: name.offset, value: built })
      }
    }
    for (const source of merges) {
      if (source._tag !== "Mapping") {
        report.error(source.offset, "Type", "", "a merge key (<<) needs a mapping or a list of mappings")
        continue
      }
      merged += source.entries.size
      if (merged <= MAX_REPEATED) {
        for (const [name, entry] of source.entries) {
          if (!entries.has(name)) {
            entries.set(name, entry)
          }
        }
      }
    }
    let size = 1
    for (const [name, { value }] of entries) {
      size += 1 + name.length + value.size
    }
    return { _tag: "Mapping", entries, offset, size }
  }

  const visit = (node: unknown, fallback: number, depth: number): Value => {
    const offset = Yaml.isNode(node) ? (node.range?.[0] ?? fallback) : fallback
    if (Yaml.isAlias(node)) {
      return buildAlias(node, offset)
    }
    if (depth > MAX_DEPTH && Yaml.isCollection(node)) {
      if (!isTooDeep) {
        isTooDeep = true
        return fail(offset, "Limit", TOO_DEEP)
      }
      return nothing(offset)
    }
    const anchor = Yaml.isScalar(node) || Yaml.isCollection(node) ? node.anchor : undefined
    if (anchor !== undefined) {
      anchors.set(anchor, undefined)
    }
    let value: Value
    if (Yaml.isMap(node)) {
      value = buildMapping(node, offset, depth)
    } else if (Yaml.isSeq(node)) {
      const items = node.items.map((item) => visit(item, offset, depth + 1))
      value = { _tag: "List", items, offset, size: sizeOf(items) }
    } else {
      value = Yaml.isScalar(node) ? buildScalar(node, offset) : nothing(offset)
    }
    written += value._tag === "Scalar" ? value.size : 1
    if (anchor !== undefined) {
      anchors.set(anchor, value)
    }
    return value
  }

  const value = visit(root, 0, 0)
  return merged > MAX_REPEATED || value.size - written > MAX_REPEATED
    ? fail(
        value.offset,
        "Limit",
        `aliases repeat more than ${MAX_REPEATED} characters in this document; use fewer aliases`
      )
    : value
}

/** Converts offsets to places. The line counter of `yaml` omits line breaks inside invalid text. */
const makeLocate = (text: string): ((offset: number) => Position) => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
    starts.push(at + 1)
  }
  return (offset) => {
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if ((starts[middle] as number) <= offset) {
        low = middle
      } else {
        high = middle
      }
    }
    return { line: low + 1, column: offset - (starts[low] as number) + 1 }
  }
}

/** The documents in a text: none if it has errors, which are added to `report`. */
export const parse = (
  file: string,
  text: string
): { readonly documents: ReadonlyArray<Value>; readonly report: Reporter } => {
  const report = makeReporter(file, makeLocate(text))
  const parsed = Yaml.parseAllDocuments<Yaml.ParsedNode>(text, {
    intAsBigInt: true,
    logLevel: "silent",
    prettyErrors: false,
    // its check compares each key with all others; `build` uses a Map
    uniqueKeys: false
  })
  if (!Array.isArray(parsed)) {
    return { documents: [], report }
  }
  for (const { errors, warnings } of parsed) {
    // the parser ran out of stack, so its other errors are meaningless
    const exhausted = errors.find(({ code }) => code === "RESOURCE_EXHAUSTION")
    if (exhausted !== undefined) {
      report.error(exhausted.pos[0], "Limit", "", TOO_DEEP)
      break
    }
    for (const { message, pos } of errors) {
      report.error(pos[0], "Syntax", "", `the YAML is not valid: ${quote(message)}`)
    }
    for (const { message, pos } of warnings) {
      report.warn(pos[0], "Syntax", "", `the YAML is unusual: ${quote(message)}`)
    }
  }
  const hasErrors = () => report.problems.some(({ severity }) => severity === "error")
  if (hasErrors()) {
    return { documents: [], report }
  }
  const documents = parsed.map(({ contents }) => build(contents, report))
  return { documents: hasErrors() ? [] : documents, report }
}
