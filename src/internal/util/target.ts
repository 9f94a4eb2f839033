import * as Schema from "effect/Schema"
import { decode, must } from "./decodeOptions.js"

/** `.` and `..` would leave the path that they are put in. */
export const Key = Schema.String.pipe(
  Schema.filter((key) => key.trim() !== "" && key !== "." && key !== ".." && key.isWellFormed()),
  Schema.annotations(must("must be a key, not empty"))
)

/** It is sent in a header as well. */
export const EnvironmentKey = Key.pipe(
  Schema.filter((key) => /^[\x21-\x7e]+$/.test(key)),
  Schema.annotations(must("must be a key of visible ASCII characters, not empty"))
)

export const targetFields = {
  environment: Schema.optionalWith(EnvironmentKey, { default: () => "default" }),
  namespace: Schema.optionalWith(Key, { default: () => "default" })
}

export const Target = Schema.Struct(targetFields)

/** Which state, decoded. */
export type TargetSettings = typeof Target.Type

export const decodeTarget = decode(Target)

/** A target that is asked for, and no option. */
export const decodeArgument = decode(Target, "Argument")
