/**
 * The options that select a flag state: environment and namespace.
 */
import * as Schema from "effect/Schema"
import { issueMessage, makeDecoder } from "./decodeOptions.js"

/** A key is a path segment of a URL, where `.` and `..` would select another path. */
export const Key = Schema.String.pipe(
  Schema.filter((key) => key.trim() !== "" && key !== "." && key !== ".." && key.isWellFormed()),
  Schema.annotations(issueMessage("must be a key, not empty"))
)

/** The environment is also sent as a header value, so it is limited to visible ASCII. */
const EnvironmentKey = Key.pipe(
  Schema.filter((key) => /^[\x21-\x7e]+$/.test(key)),
  Schema.annotations(issueMessage("must be a key of visible ASCII characters, not empty"))
)

export const targetFields = {
  environment: Schema.optionalWith(EnvironmentKey, { default: () => "default" }),
  namespace: Schema.optionalWith(Key, { default: () => "default" })
}

export const Target = Schema.Struct(targetFields)

export type TargetSettings = typeof Target.Type

export const decodeTarget = makeDecoder(Target)

/** Decodes a target passed as an argument instead of an option. Only the error differs. */
export const decodeTargetArgument = makeDecoder(Target, "Argument")
