/**
 * Converts texts to snapshot documents.
 */
import * as Either from "effect/Either"
import { FeaturesError, formatProblem, type Problem } from "../FeaturesError.js"
import type { Converted, File, Options } from "../index.js"
import { checkNote, type Field, type Fields, fieldsOf, isNull, itemsOf, keyOf, required, textOf } from "./fields.js"
import { decodeFlag, type Flag } from "./flags.js"
import { quote, type Reporter } from "./report.js"
import { decodeSegments } from "./segments.js"
import { parse, type Value } from "./tree.js"

export const DEFAULT_MAX_SIZE = 16 * 1024 * 1024
/** The default limit of a Fetcher. */
const MAX_REPEATED_CHARACTERS = 256 * 1024 * 1024
/** The number of problems in an error's message. */
const MAX_SHOWN = 3

const documentFields = new Set(["version", "namespace", "flags", "segments"])

interface Namespace {
  readonly key: string
  name: string
  readonly flags: Array<Flag>
  readonly flagKeys: Set<string>
  readonly segmentKeys: Set<string>
}

interface Conversion {
  readonly namespaces: Map<string, Namespace>
  repeated: number
}

/** The namespace of a document, given as a key or a mapping. Default: `default`. */
const decodeNamespace = (document: Fields): { readonly key: string; readonly name: string } | undefined => {
  const { report } = document
  const field = document.get("namespace")
  if (field === undefined) {
    return { key: "default", name: "" }
  }
  if (field.value._tag === "Scalar") {
    const key = keyOf(report, field)
    return key === undefined ? undefined : { key, name: "" }
  }
  const fields = fieldsOf(report, field, "namespace", new Set(["key", "name", "description"]))
  const keyField = fields && required(fields, "key")
  const key = keyField && keyOf(report, keyField)
  if (fields === undefined || key === undefined) {
    return undefined
  }
  checkNote(fields, "description", { mayBeNull: true })
  return { key, name: checkNote(fields, "name", {}) }
}

const versionPattern = /^1\.([0-6])$/

/** The minor version of the format. Default: the latest. */
const decodeVersion = (document: Fields): number => {
  const { report } = document
  const field = document.get("version")
  if (field === undefined) {
    return 6
  }
  const { value } = field
  if (value._tag === "Scalar" && typeof value.value === "number" && versionPattern.test(String(value.value))) {
    report.warn(value.offset, "Type", field.path, "version should be a string, as Flipt requires; put it in quotes")
    return Number(versionPattern.exec(String(value.value))?.[1])
  }
  const text = textOf(report, field)
  const match = text === undefined ? null : versionPattern.exec(text)
  if (text !== undefined && match === null) {
    report.error(value.offset, "Value", field.path, `version must be "1.0" to "1.6", not ${quote(text)}`)
  }
  return match === null ? 6 : Number(match[1])
}

const addDocument = (conversion: Conversion, report: Reporter, value: Value): void => {
  if (isNull(value)) {
    report.warn(value.offset, "Type", "", "the document is empty, which Flipt rejects; remove it")
    return
  }
  const fields = fieldsOf(report, { value, path: "" }, "the document", documentFields)
  if (fields === undefined) {
    return
  }
  const version = decodeVersion(fields)
  // flags are checked even if their namespace is unknown
  const { key, name } = decodeNamespace(fields) ?? { key: "", name: "" }
  const namespace: Namespace = conversion.namespaces.get(key) ?? {
    key,
    name,
    flags: [],
    flagKeys: new Set(),
    segmentKeys: new Set()
  }
  conversion.namespaces.set(key, namespace)
  namespace.name ||= name
  const segments = decodeSegments(fields, version)
  const scope = {
    report,
    version,
    segments,
    earlier: namespace.segmentKeys,
    spend: (characters: number) => {
      conversion.repeated += characters
    }
  }
  const add = (item: Field) => {
    const decoded = decodeFlag(scope, item)
    if (decoded === undefined) {
      return
    }
    const { flag, key } = decoded
    if (namespace.flagKeys.has(flag.key)) {
      const message = `the flag ${quote(flag.key)} is defined twice in its namespace; clients use the last definition`
      report.warn(key.value.offset, "Duplicate", key.path, message)
    }
    namespace.flagKeys.add(flag.key)
    namespace.flags.push(flag)
  }
  for (const item of itemsOf(fields, "flags")) {
    add(item)
  }
  for (const segment of segments.keys()) {
    namespace.segmentKeys.add(segment)
  }
}

const byPlace = (a: Problem, b: Problem): number => a.line - b.line || a.column - b.column

export const makeError = (problems: ReadonlyArray<Problem>): FeaturesError => {
  const errors = problems.filter(({ severity }) => severity === "error")
  const shown = errors.slice(0, MAX_SHOWN).map(formatProblem).join("; ")
  const rest = errors.length - MAX_SHOWN
  return new FeaturesError({
    message: `the flag files cannot be used: ${shown}${rest > 0 ? `; and ${rest} more` : ""}`,
    problems
  })
}

/** Fails if a problem is an error or, in strict mode, a warning. */
export const settle = <A>(
  problems: ReadonlyArray<Problem>,
  { strict = false }: Options,
  onRight: (warnings: ReadonlyArray<Problem>) => A
): Either.Either<A, FeaturesError> => {
  const judged = strict ? problems.map((problem) => ({ ...problem, severity: "error" as const })) : problems
  return judged.some(({ severity }) => severity === "error")
    ? Either.left(makeError(judged))
    : Either.right(onRight(judged))
}

export const tooLarge = (file: string, maxSize: number): Problem => ({
  severity: "error",
  reason: "Limit",
  file,
  line: 1,
  column: 1,
  path: "",
  message: `with this file, the files have more than ${maxSize} bytes; raise maxSize if that is intended`
})

export const convert = (files: Iterable<File>, options: Options): Either.Either<Converted, FeaturesError> => {
  const { maxSize = DEFAULT_MAX_SIZE } = options
  const conversion: Conversion = { namespaces: new Map(), repeated: 0 }
  const problems: Array<Problem> = []
  let size = 0
  for (const { path, text } of files) {
    size += text.length
    if (size > maxSize) {
      problems.push(tooLarge(path, maxSize))
      break
    }
    const { documents, report } = parse(path, text)
    for (const document of documents) {
      addDocument(conversion, report, document)
      if (conversion.repeated > MAX_REPEATED_CHARACTERS) {
        const message = `rules repeat segments and attachments, with more than ${MAX_REPEATED_CHARACTERS} characters in total; use fewer`
        report.error(document.offset, "Limit", "", message)
        break
      }
    }
    problems.push(...report.problems.sort(byPlace))
  }
  const encoder = new TextEncoder()
  return settle(problems, options, (warnings) => ({
    warnings,
    documents: new Map(
      Array.from(conversion.namespaces, ([key, { flags, name }]) => [
        key,
        encoder.encode(JSON.stringify({ namespace: { key, name }, flags }))
      ])
    )
  }))
}
