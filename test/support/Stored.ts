/**
 * A document as a server keeps it: under its ETag, and ready to be sent.
 */
import * as Crypto from "node:crypto"

/**
 * An object or the text of one is a snapshot document: v2 puts its digest into it, and the white space of the answers
 * varies. Any other text, and bytes in any case, are served as they are.
 */
export type Document = object | string | Uint8Array

export interface Stored {
  readonly etag: string
  /** The next answer's body, for a client that names this server version as the newest it knows. */
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

/** In the text, not in the parsed value: a test may have its reasons for the way in which a document is written. */
const insertFirst = (object: string, insertion: string): string =>
  object.replace("{", (brace) => `${brace}${insertion}`)

/** The versions from which on v1 takes a client to know a feature. A client that does not say is older. */
const entityIdVersion = [1, 38] as const
const defaultVariantVersion = [1, 47] as const

const knows = (known: string | undefined, [major, minor]: readonly [number, number]): boolean => {
  const version = /^v?(\d+)\.(\d+)\./.exec(known ?? "")
  if (version === null) return false
  return Number(version[1]) > major || (Number(version[1]) === major && Number(version[2]) >= minor)
}

/** What v1 keeps from clients that would not understand it. */
const forOlderClient = (text: string, known: string | undefined): string =>
  JSON.stringify(
    JSON.parse(text, (key, value: unknown) => {
      if (key === "defaultVariant") return undefined
      return key === "type" && value === "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE" && !knows(known, entityIdVersion)
        ? "UNKNOWN_CONSTRAINT_COMPARISON_TYPE"
        : value
    })
  )

export const make = (
  document: Document,
  options: { readonly version: "v1" | "v2"; readonly namespace: string; readonly etag: string | undefined }
): Stored => {
  const { etag, namespace, version } = options
  if (document instanceof Uint8Array) return { etag: etag ?? sha1(namespace, document), body: () => document }
  const given = typeof document === "string" ? document : JSON.stringify(document)
  const parsed = parseObject(given)
  if (parsed === undefined) return { etag: etag ?? sha1(namespace, given), body: () => Buffer.from(given) }

  const own = version === "v2" && typeof parsed.digest === "string" ? parsed.digest : undefined
  const current = etag ?? own ?? sha1(namespace, given)
  const separator = Object.keys(parsed).length > 0 ? "," : ""
  const text =
    version === "v2" && parsed.digest === undefined
      ? insertFirst(given, `"digest":${JSON.stringify(current)}${separator}`)
      : given
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
