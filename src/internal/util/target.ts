/**
 * The options that select a flag state: environment and namespace.
 */
import { type Decoded, decodeWith, string, struct, withDefault } from "./decodeOptions.js"

/** A key is a path segment of a URL, where `.` and `..` would select another path. */
const isKey = (key: string): boolean => key.trim() !== "" && key !== "." && key !== ".." && key.isWellFormed()

const namespace = string("must be a key, not empty", isKey)

/** The environment is also sent as a header value, so it is limited to visible ASCII. */
const environment = string(
  "must be a key of visible ASCII characters, not empty",
  (key) => isKey(key) && /^[\x21-\x7e]+$/.test(key)
)

export const targetFields = {
  environment: withDefault(environment, "default"),
  namespace: withDefault(namespace, "default")
}

const target = struct(targetFields)

export type TargetSettings = Decoded<typeof target>

export const decodeTarget = decodeWith(target)

/** Decodes a target passed as an argument instead of an option. Only the error differs. */
export const decodeTargetArgument = decodeWith(target, "Argument")
