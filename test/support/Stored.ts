/**
 * Documents in a server: their ETags and response bodies.
 */
import * as Crypto from "node:crypto"

/**
 * A snapshot document, as an object or as JSON text of one. v2 adds the digest, and the white space varies between
 * responses. In an object, the flags are also rewritten like by a real server; text keeps its form. Other text, and bytes, are
 * served unchanged.
 */
export type Document = object | string | Uint8Array

export interface Stored {
  readonly etag: string
  /** The body of the next response. `known` is the newest server version that the client supports. */
  readonly body: (known: string | undefined) => Uint8Array
}

const sha1 = (namespace: string, content: string | Uint8Array): string =>
  Crypto.createHash("sha1").update(namespace).update(content).digest("hex")

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** Changes the text, not the parsed value, because tests may depend on how a document is written. */
const insertFirst = (object: string, insertion: string): string =>
  object.replace("{", (brace) => `${brace}${insertion}`)

/** The client versions from which on v1 sends a feature. A client that sends no version counts as older. */
const entityIdVersion = [1, 38] as const
const defaultVariantVersion = [1, 47] as const

const knows = (known: string | undefined, [major, minor]: readonly [number, number]): boolean => {
  const version = /^v?(\d+)\.(\d+)\./.exec(known ?? "")
  if (version === null) return false
  return Number(version[1]) > major || (Number(version[1]) === major && Number(version[2]) >= minor)
}

/** Removes what v1 does not send to clients of this version. */
const forOlderClient = (text: string, known: string | undefined): string =>
  JSON.stringify(
    JSON.parse(text, (key, value: unknown) => {
      if (key === "defaultVariant") return undefined
      return key === "type" && value === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE" && !knows(known, entityIdVersion)
        ? "UNKNOWN_CONSTRAINT_COMPARISON_TYPE"
        : value
    })
  )

/** The releases that the stand-in can imitate: v1.61, v2.11, and v2.0 to v2.10. */
export type Version = "v1" | "v2" | "v2.10"

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Escapes JSON text like Go's encoder. */
const escapeAsGo = (json: string): string =>
  json.replaceAll(/[&<>\u2028\u2029]/g, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, "0")}`)

const listOperators: ReadonlyArray<unknown> = ["isoneof", "isnotoneof"]

/**
 * The form in which v2 sends a document: without names and descriptions, and with the time of the change in every flag.
 */
const asV2 = (document: object, version: Version, changes: number): object => {
  const changedAt = new Date(Date.UTC(2026, 0, 1) + changes * 1000).toISOString()
  const copy = JSON.parse(JSON.stringify(document), (key, value: unknown) => {
    if (!isRecord(value)) return value
    if (key === "defaultVariant" && typeof value.attachment === "string") {
      return { ...value, attachment: escapeAsGo(value.attachment) }
    }
    return version !== "v2.10" && listOperators.includes(value.operator) && typeof value.value === "string"
      ? { ...value, value: escapeAsGo(value.value) }
      : value
  }) as { readonly flags?: unknown }
  if (!Array.isArray(copy.flags)) return copy
  return {
    ...copy,
    flags: copy.flags.map((flag) =>
      isRecord(flag) ? { ...flag, name: "", description: "", createdAt: changedAt, updatedAt: changedAt } : flag
    )
  }
}

/** The form in which v1 sends a document: a rule with several segments once for each segment, with all distributions. */
const asV1 = (document: object): object =>
  JSON.parse(JSON.stringify(document), (key, value: unknown) =>
    key === "rules" && Array.isArray(value)
      ? value.flatMap((rule) =>
          isRecord(rule) && Array.isArray(rule.segments) && rule.segments.length > 1
            ? rule.segments.map((segment) => ({ ...rule, segments: [segment] }))
            : [rule]
        )
      : value
  )

export interface Options {
  readonly version: Version
  readonly namespace: string
  readonly etag: string | undefined
  /** The number of changes so far, which determines the flags' timestamps. */
  readonly changes: number
}

export const make = (document: Document, options: Options): Stored => {
  const { etag, namespace, version } = options
  if (document instanceof Uint8Array) return { etag: etag ?? sha1(namespace, document), body: () => document }
  const given = typeof document === "string" ? document : JSON.stringify(document)
  const parsed = parseObject(given)
  if (parsed === undefined) return { etag: etag ?? sha1(namespace, given), body: () => Buffer.from(given) }

  const own = version !== "v1" && typeof parsed.digest === "string" ? parsed.digest : undefined
  const current = etag ?? own ?? sha1(namespace, given)
  const separator = Object.keys(parsed).length > 0 ? "," : ""
  const sent =
    typeof document === "string"
      ? given
      : JSON.stringify(version === "v1" ? asV1(document) : asV2(document, version, options.changes))
  const text =
    version !== "v1" && parsed.digest === undefined
      ? insertFirst(sent, `"digest":${JSON.stringify(current)}${separator}`)
      : sent
  const variants: [Uint8Array | undefined, Uint8Array | undefined] = [undefined, undefined]
  let served = 0
  return {
    etag: current,
    body: (known) => {
      if (version === "v1" && !knows(known, defaultVariantVersion)) return Buffer.from(forOlderClient(text, known))
      const turn = served++ % 2 === 0 ? 0 : 1
      variants[turn] ??= Buffer.from(turn === 0 ? text : insertFirst(text, " "))
      return variants[turn]
    }
  }
}

/** One file of a namespace that consists of several. */
export interface File {
  readonly namespace: object
  readonly flags: ReadonlyArray<object>
}

/**
 * A namespace of several files. Its digest has 32 hex digits and covers all files. Before v2.11, the server uses the last
 * file's digest for the whole namespace.
 */
export const ofFiles = (files: readonly [File, ...ReadonlyArray<File>], options: Omit<Options, "etag">): Stored => {
  const { namespace, version } = options
  const digest =
    version === "v2.10"
      ? sha1(namespace, JSON.stringify(files.at(-1)))
      : Crypto.createHash("md5").update(namespace).update(JSON.stringify(files)).digest("hex")
  return make({ ...files[0], flags: files.flatMap(({ flags }) => flags) }, { ...options, etag: digest })
}
