/**
 * A stored state as bytes: a line of JSON that says what it is, and the document as it came.
 *
 * ```
 * {"format":"flipt-client-effect/snapshot","formatVersion":1,"environment":"default","namespace":"shop",
 *  "version":"\"an-etag\"","storedAt":"2026-03-01T12:00:00.000Z","length":1234,"checksum":"0123456789abcdef"}⏎
 * …1234 bytes…
 * ```
 *
 * (The line is one line.) The checksum is over the rest of the line and the document, and the line must be the very
 * text that would be written: so no bit of it can turn unnoticed, above all none of the version, which is sent to the
 * server to ask whether the document is still the latest. Newer formats begin with the same two fields.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Entry, Target } from "../../SnapshotStore.js"
import { forEachSlice } from "../util/forEachSlice.js"
import { Hasher } from "../util/hash64.js"

const FORMAT = "flipt-client-effect/snapshot"
const FORMAT_VERSION = 1
const LINE_FEED = 0x0a

const Size = Schema.NonNegativeInt

/** What the header of every format is. */
const AnyHeader = Schema.parseJson(Schema.Struct({ formatVersion: Size }))

const Header = Schema.parseJson(
  Schema.Struct({
    format: Schema.Literal(FORMAT),
    formatVersion: Schema.Literal(FORMAT_VERSION),
    environment: Schema.String,
    namespace: Schema.String,
    version: Schema.OptionFromNullOr(Schema.String),
    storedAt: Schema.DateTimeUtc,
    length: Size,
    checksum: Schema.String
  })
)

type Header = typeof Header.Type

/** The line, its end included. */
const print = (header: Omit<Header, "format" | "formatVersion" | "checksum">, checksum: string | undefined): string =>
  `${JSON.stringify({
    format: FORMAT,
    formatVersion: FORMAT_VERSION,
    environment: header.environment,
    namespace: header.namespace,
    version: Option.getOrNull(header.version),
    storedAt: DateTime.formatIso(header.storedAt),
    length: header.length,
    checksum
  })}\n`

const sum = (
  header: Omit<Header, "format" | "formatVersion" | "checksum">,
  document: ReadonlyArray<Uint8Array>
): Effect.Effect<string> =>
  Effect.suspend(() => {
    const hasher = new Hasher().text(print(header, undefined))
    return Effect.map(
      forEachSlice(document, (slice) => hasher.add(slice)),
      () => hasher.hex
    )
  })

/** The pieces of an entry, to be written one after the other. The document's are those that it came in. */
export const encode = ({ environment, namespace }: Target, entry: Entry): Effect.Effect<ReadonlyArray<Uint8Array>> =>
  Effect.gen(function* () {
    const header = {
      environment,
      namespace,
      version: entry.version,
      storedAt: entry.storedAt,
      length: entry.bytes.reduce((length, chunk) => length + chunk.length, 0)
    }
    const checksum = yield* sum(header, entry.bytes)
    return [new TextEncoder().encode(print(header, checksum)), ...entry.bytes]
  })

const beginning = /*#__PURE__*/ new TextEncoder().encode(`{"format":${JSON.stringify(FORMAT)},`)

const decodeText = Option.liftThrowable((bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes))

/** The header's line as text, its end included. A large file of something else is not looked at any further. */
const firstLine = (bytes: Uint8Array): Option.Option<string> =>
  beginning.every((byte, index) => bytes[index] === byte)
    ? decodeText(bytes.subarray(0, bytes.indexOf(LINE_FEED) + 1))
    : Option.none()

/** The entry that the bytes are, or what is wrong with them. The document is a view of the bytes. */
export const decode = (target: Target, bytes: Uint8Array): Effect.Effect<Entry, string> =>
  Effect.gen(function* () {
    const line = Option.getOrElse(firstLine(bytes), () => "")
    const any = Schema.decodeOption(AnyHeader)(line)
    if (Option.isNone(any)) {
      return yield* Effect.fail("it is empty, torn, or not of this library")
    }
    if (any.value.formatVersion > FORMAT_VERSION) {
      return yield* Effect.fail(
        `a newer release of this library wrote it, in format ${any.value.formatVersion}, and this one reads ` +
          `format ${FORMAT_VERSION}`
      )
    }
    const decoded = Schema.decodeEither(Header, { onExcessProperty: "error" })(line)
    if (Either.isLeft(decoded) || print(decoded.right, decoded.right.checksum) !== line) {
      return yield* Effect.fail("its header is damaged")
    }
    const header = decoded.right
    const document = bytes.subarray(bytes.indexOf(LINE_FEED) + 1)
    if (document.length !== header.length) {
      return yield* Effect.fail(`it is torn: the document has ${document.length} bytes of ${header.length}`)
    }
    if ((yield* sum(header, [document])) !== header.checksum) {
      return yield* Effect.fail("it is damaged: its checksum does not match")
    }
    if (header.environment !== target.environment || header.namespace !== target.namespace) {
      return yield* Effect.fail(
        `it is of the namespace ${JSON.stringify(header.namespace)} in the environment ` +
          JSON.stringify(header.environment)
      )
    }
    return { bytes: [document], version: header.version, storedAt: header.storedAt }
  })

const readable = (key: string): string =>
  key
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "_")
    .slice(0, 24)

/**
 * What an entry is called, in a directory or a KeyValueStore: for people the beginning of its keys, and to tell it from
 * others a hash, since keys differ in letter case too, and may be long or have characters that a file's name cannot.
 */
export const nameOf = ({ environment, namespace }: Target): string => {
  const hash = new Hasher().text(JSON.stringify([environment, namespace])).hex
  return `flipt-${readable(environment)}-${readable(namespace)}.${hash}.snapshot`
}

/** What {@link nameOf} gives. */
export const names: RegExp = /^flipt-[a-z0-9_-]+\.[0-9a-f]{16}\.snapshot$/
