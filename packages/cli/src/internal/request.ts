/**
 * The entity for which a command evaluates flags.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { EvaluationContext, FlagInfo } from "flipt-client-effect/Model"
import type { Snapshot } from "flipt-client-effect/Snapshot"
import { exitCodes, Failure, fromFlipt, usage } from "./failure.js"
import * as Text from "./text.js"

export interface EntityOptions {
  readonly entity: string
  readonly context: ReadonlyArray<string>
}

type Property = readonly [name: string, value: string | number | boolean]

/** The properties of a JSON object. */
const propertiesOf = (text: string): Effect.Effect<ReadonlyArray<Property>, Failure> => {
  const parsed = Either.getOrUndefined(Either.try((): unknown => JSON.parse(text)))
  return typeof parsed !== "object" || parsed === null || Array.isArray(parsed)
    ? usage(`--context needs name=value or a JSON object, found ${Text.quote(text, 100)}`)
    : Effect.forEach(Object.entries(parsed), ([name, value]) =>
        typeof value === "string" || typeof value === "number" || typeof value === "boolean"
          ? Effect.succeed([name, value] as const)
          : usage(`--context: ${Text.quote(name, 100)} must be a string, a number or a boolean`)
      )
}

/** Reads `name=value` pairs and JSON objects. A later property replaces an earlier one of the same name. */
export const contextOf = (arguments_: ReadonlyArray<string>): Effect.Effect<EvaluationContext, Failure> =>
  Effect.map(
    Effect.forEach(arguments_, (argument): Effect.Effect<ReadonlyArray<Property>, Failure> => {
      const at = argument.indexOf("=")
      return argument.startsWith("{") || at <= 0
        ? propertiesOf(argument)
        : Effect.succeed([[argument.slice(0, at), argument.slice(at + 1)]])
    }),
    (properties) => Object.fromEntries(properties.flat())
  )

/** The edit distance of two keys. */
const distance = (a: string, b: string): number => {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(
        (previous[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      )
    }
    previous = row
  }
  return previous[b.length] as number
}

const MAX_DISTANCE = 3
const MAX_KEY = 100

const suggestion = (key: string, flags: ReadonlyArray<FlagInfo>): string => {
  if (flags.length === 0) {
    return "the namespace has no flags"
  }
  const close = flags
    .slice(0, 5000)
    .flatMap((flag) => {
      const isComparable = key.length <= MAX_KEY && flag.key.length <= MAX_KEY
      const far = isComparable ? distance(key.toLowerCase(), flag.key.toLowerCase()) : MAX_DISTANCE + 1
      return far <= MAX_DISTANCE ? [{ far, key: flag.key }] : []
    })
    .sort((a, b) => a.far - b.far)
    .slice(0, 3)
  return close.length === 0
    ? "flipt-client list prints all flags"
    : `did you mean ${close.map((it) => Text.plain(it.key)).join(" or ")}?`
}

/** The flag with this key. */
export const flagOf = (snapshot: Snapshot, key: string, label: string): Effect.Effect<FlagInfo, Failure> =>
  Effect.flatMap(Either.mapLeft(snapshot.flags, fromFlipt), (flags) => {
    const flag = flags.find((it) => it.key === key)
    return flag === undefined
      ? new Failure({
          message: `there is no flag ${Text.quote(key, 100)} in ${label}; ${suggestion(key, flags)}`,
          exitCode: exitCodes.evaluation
        })
      : Effect.succeed(flag)
  })
