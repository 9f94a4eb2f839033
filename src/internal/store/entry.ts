/**
 * The format of a stored snapshot: one line of JSON as header, then the document as it was received.
 *
 * ```
 * {"format":"flipt-client-effect/snapshot","formatVersion":1,"environment":"default","namespace":"shop",
 *  "version":"\"an-etag\"","storedAt":"2026-03-01T12:00:00.000Z","length":1234,"checksum":"0123456789abcdef"}⏎
 * …1234 bytes…
 * ```
 *
 * The header is one line. The checksum covers the document and the rest of the header, and decoding accepts only the
 * exact text that encoding produces. So every damaged bit is noticed, above all one in the version, which is sent to the
 * server to ask whether the document is still current. Future formats begin with the same two fields.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Entry, Target } from "../../SnapshotStore.js"
import { Hasher } from "../util/hash64.js"
import { quoted } from "../util/outsideText.js"
import { forEachSlice, sizeOf } from "../util/slices.js"

const FORMAT = "flipt-client-effect/snapshot"
const FORMAT_VERSION = 1
const LINE_FEED = 0x0a

// Functions, because schemas take about a millisecond of a program's start, and most programs decode one entry or none.

/** The part of the header that all formats share. */
const makeAnyHeader = () => Schema.parseJson(Schema.Struct({ formatVersion: Schema.NonNegativeInt }))

const makeHeader = () =>
  Schema.parseJson(
    Schema.Struct({
      format: Schema.Literal(FORMAT),
      formatVersion: Schema.Literal(FORMAT_VERSION),
      environment: Schema.String,
      namespace: Schema.String,
      version: Schema.OptionFromNullOr(Schema.String),
      storedAt: Schema.DateTimeUtc,
      length: Schema.NonNegativeInt,
      checksum: Schema.String
    })
  )

type Header = ReturnType<typeof makeHeader>["Type"]

/** Formats the header line, including its line feed. */
const formatHeader = (
  header: Omit<Header, "format" | "formatVersion" | "checksum">,
  checksum: string | undefined
): string =>
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

const checksumOf = (
  header: Omit<Header, "format" | "formatVersion" | "checksum">,
  document: ReadonlyArray<Uint8Array>
): Effect.Effect<string> =>
  Effect.suspend(() => {
    const hasher = new Hasher().text(formatHeader(header, undefined))
    return Effect.map(
      forEachSlice(document, (slice) => hasher.update(slice)),
      () => hasher.hex
    )
  })

/** Encodes an entry as chunks to be written in order. The chunks of the document are not copied. */
export const encode = ({ environment, namespace }: Target, entry: Entry): Effect.Effect<ReadonlyArray<Uint8Array>> =>
  Effect.gen(function* () {
    const header = {
      environment,
      namespace,
      version: entry.version,
      storedAt: entry.storedAt,
      length: sizeOf(entry.bytes)
    }
    const checksum = yield* checksumOf(header, entry.bytes)
    return [new TextEncoder().encode(formatHeader(header, checksum)), ...entry.bytes]
  })

const prefix = /*#__PURE__*/ new TextEncoder().encode(`{"format":${JSON.stringify(FORMAT)},`)

const decodeText = Option.liftThrowable((bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes))

/** The header line, including its line feed. Reads no further if the bytes are not an entry. */
const firstLine = (bytes: Uint8Array): Option.Option<string> =>
  prefix.every((byte, index) => bytes[index] === byte)
    ? decodeText(bytes.subarray(0, bytes.indexOf(LINE_FEED) + 1))
    : Option.none()

/** Decodes an entry, or fails with what is wrong. The document shares the memory of the input. */
export const decode = (target: Target, bytes: Uint8Array): Effect.Effect<Entry, string> =>
  Effect.gen(function* () {
    const line = Option.getOrElse(firstLine(bytes), () => "")
    const anyHeader = Schema.decodeOption(makeAnyHeader())(line)
    if (Option.isNone(anyHeader)) {
      return yield* Effect.fail("it is empty, truncated, or not written by this library")
    }
    if (anyHeader.value.formatVersion > FORMAT_VERSION) {
      return yield* Effect.fail(
        `a newer release of this library wrote it in format ${anyHeader.value.formatVersion}, and this release reads ` +
          `format ${FORMAT_VERSION}`
      )
    }
    const decoded = Schema.decodeEither(makeHeader(), { onExcessProperty: "error" })(line)
    if (Either.isLeft(decoded) || formatHeader(decoded.right, decoded.right.checksum) !== line) {
      return yield* Effect.fail("its header is damaged")
    }
    const header = decoded.right
    const document = bytes.subarray(bytes.indexOf(LINE_FEED) + 1)
    if (document.length !== header.length) {
      return yield* Effect.fail(`it is truncated: the document has ${document.length} of ${header.length} bytes`)
    }
    if ((yield* checksumOf(header, [document])) !== header.checksum) {
      return yield* Effect.fail("it is damaged: its checksum does not match")
    }
    if (header.environment !== target.environment || header.namespace !== target.namespace) {
      return yield* Effect.fail(
        `it belongs to the namespace ${quoted(header.namespace)} in the environment ${quoted(header.environment)}`
      )
    }
    return { bytes: [document], version: header.version, storedAt: header.storedAt }
  })

const toReadable = (key: string): string =>
  key
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "_")
    .slice(0, 24)

/**
 * The name of an entry in a directory or a KeyValueStore: the beginning of its keys for people, and a hash because keys
 * can be long, differ only in case, and contain characters that file names cannot.
 */
export const entryName = ({ environment, namespace }: Target): string => {
  const hash = new Hasher().text(JSON.stringify([environment, namespace])).hex
  return `flipt-${toReadable(environment)}-${toReadable(namespace)}.${hash}.snapshot`
}

/** Matches the names that {@link entryName} returns. */
export const namePattern: RegExp = /^flipt-[a-z0-9_-]+\.[0-9a-f]{16}\.snapshot$/
