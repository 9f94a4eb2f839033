/**
 * Reads the snapshot document that a Flipt server sends. Required fields, optional and nullable fields, and unknown enum
 * names are handled like in the official engine.
 */

import { quoted } from "../util/outsideText.js"
import type * as Definition from "./definition.js"
import { constraintType, isAnd, isAny, isBoolean, lastOfEachKey } from "./definition.js"
import { boolean, float, list, optional, required, string, struct } from "./fields.js"
import { Malformed, Reader } from "./json.js"

export const readConstraint = struct<Definition.Constraint>({
  type: required("type", (reader) => constraintType(reader.string())),
  property: required("property", string),
  operator: required("operator", string),
  value: required("value", string)
})

const readSegment = struct<Definition.Segment>({
  key: required("key", string),
  any: required("matchType", (reader) => isAny(reader.string())),
  constraints: required("constraints", list(readConstraint))
})

/** Flipt writes a segment out in every rule that uses it, so identical texts are read once. */
const readSegments = (reader: Reader) => lastOfEachKey(list((it) => it.memoized(readSegment))(reader))

const readDistribution = struct<Definition.Distribution>({
  variantKey: required("variantKey", string),
  attachment: optional("variantAttachment", string, undefined),
  rollout: required("rollout", float)
})

const readRule = struct<Definition.Rule>({
  and: required("segmentOperator", (reader) => isAnd(reader.string())),
  segments: optional("segments", readSegments, []),
  distributions: required("distributions", list(readDistribution))
})

export const readThreshold = struct<{ readonly percentage: number; readonly value: boolean }>({
  percentage: required("percentage", float),
  value: required("value", boolean)
})

const readSegmentRollout = struct<Definition.Audience & { readonly value: boolean }>({
  and: optional("segmentOperator", (reader) => isAnd(reader.string()), false),
  segments: required("segments", readSegments),
  value: required("value", boolean)
})

const readRolloutFields = struct<{
  readonly threshold: ReturnType<typeof readThreshold> | undefined
  readonly segment: ReturnType<typeof readSegmentRollout> | undefined
}>({
  threshold: optional("threshold", readThreshold, undefined),
  segment: optional("segment", readSegmentRollout, undefined)
})

/** The kind of a rollout follows from the field that is present. Its `type` is ignored, as in the official engine. */
export const makeRollout = (fields: {
  readonly threshold: { readonly percentage: number; readonly value: boolean } | undefined
  readonly segment: (Definition.Audience & { readonly value: boolean }) | undefined
}): Definition.Rollout => {
  if (fields.threshold !== undefined) {
    return { _tag: "Threshold", percentage: fields.threshold.percentage, value: fields.threshold.value }
  }
  return fields.segment === undefined
    ? { _tag: "Unknown" }
    : {
        _tag: "Segment",
        audience: { and: fields.segment.and, segments: fields.segment.segments },
        value: fields.segment.value
      }
}

export const readDefaultVariant = struct<Definition.DefaultVariant>({
  id: required("id", string),
  key: required("key", string),
  attachment: optional("attachment", string, undefined)
})

/** The maximum length of a flag's key. A seed repeats the key in every rule and distribution. */
const MAX_KEY_LENGTH = 1024

/** Fails if a flag's key is too long. */
export const checkKey = (reader: Reader, key: string): string =>
  key.length <= MAX_KEY_LENGTH
    ? key
    : reader.fail(
        `a flag key has ${key.length} UTF-16 code units, but at most ${MAX_KEY_LENGTH} are supported`,
        "Limit"
      )

const readFlagFields = struct<Definition.Flag & { readonly name: string }>({
  key: required("key", (reader) => checkKey(reader, reader.string())),
  name: required("name", string),
  enabled: required("enabled", boolean),
  boolean: optional("type", (reader) => isBoolean(reader.string()), false),
  description: optional("description", string, undefined),
  rules: optional("rules", list(readRule), []),
  rollouts: optional(
    "rollouts",
    list((reader) => makeRollout(readRolloutFields(reader))),
    []
  ),
  defaultVariant: optional("defaultVariant", readDefaultVariant, undefined)
})

/** The key of a flag, for error messages. The flag's text may be malformed further on. */
const keyOfFlag = (text: string): string | undefined => {
  const reader = new Reader(text.replace(/^[\s,]+/, ""))
  let found: string | undefined
  try {
    for (let name = reader.firstKey(); name !== undefined; name = reader.nextKey()) {
      if (name === "key") {
        found = reader.string()
      } else {
        reader.skip()
      }
    }
  } catch {
    // the key may have been found before the malformed part
  }
  return found
}

const readFlag = (reader: Reader): Definition.Flag => {
  const offset = reader.offset
  try {
    return reader.keeping(() => readFlagFields(reader))
  } catch (error) {
    // a key that is itself the problem does not name the flag
    const key =
      error instanceof Malformed && !(error.path.length === 3 && error.path[2] === "key")
        ? keyOfFlag(reader.textFrom(offset))
        : undefined
    throw error instanceof Malformed && key !== undefined
      ? new Malformed(error.kind, error.path, `${error.problem} (flag ${quoted(key)})`)
      : error
  }
}

const readNamespaceKey = struct<{ readonly key: string }>({ key: required("key", string) })

/**
 * Reads a document flag by flag and returns its digest at the end. The caller may yield to the event loop between two
 * flags. If several flags have the same key, the last one wins. Throws `Malformed`.
 */
export function* readDocument(
  reader: Reader,
  namespace: string
): Generator<{ readonly flag: Definition.Flag; readonly offset: number }, string | undefined> {
  if (reader.isAtEnd()) {
    reader.fail("the document is empty")
  }
  const seen = new Set<string>()
  let key: string | undefined
  let digest: string | undefined
  for (let name = reader.firstKey(); name !== undefined; name = reader.nextKey()) {
    const known = name === "namespace" || name === "flags" || name === "digest"
    if (known && seen.has(name)) {
      reader.fail("occurs twice")
    }
    seen.add(name)
    if (name === "namespace") {
      key = readNamespaceKey(reader).key
    } else if (name === "digest") {
      digest = reader.isNull() ? undefined : reader.string()
    } else if (name === "flags") {
      for (let more = reader.firstElement(); more; more = reader.nextElement()) {
        yield { flag: readFlag(reader), offset: reader.offset }
      }
    } else {
      reader.skip()
    }
  }
  reader.end()
  for (const name of ["namespace", "flags"]) {
    if (!seen.has(name)) {
      reader.fail(`"${name}" is missing`)
    }
  }
  if (key !== namespace) {
    reader.fail(`it is for namespace ${quoted(String(key))}, but ${quoted(namespace)} was requested`)
  }
  return digest
}
