/**
 * Decoders for options and arguments. They reject unknown keys, and no message repeats a value, which could be a
 * secret.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Types from "effect/Types"
import { ValidationError } from "../../FliptError.js"
import { printable } from "./outsideText.js"

interface Issue {
  readonly path: ReadonlyArray<string>
  /** Follows the name of the option, so it begins with "must". */
  readonly problem: string
}

/** Decodes the value of an option, which is `undefined` if the option is left out. */
export type Decoder<A> = (value: unknown) => Either.Either<A, Issue>

export type Decoded<D> = D extends Decoder<infer A> ? A : never

export const reject = (problem: string, path: ReadonlyArray<string> = []): Either.Either<never, Issue> =>
  Either.left({ path, problem })

/** Accepts the values that satisfy a type guard. */
export const guard =
  <A>(accepts: (value: unknown) => value is A, problem: string): Decoder<A> =>
  (value) =>
    accepts(value) ? Either.right(value) : reject(problem)

export const string = (problem: string, accepts: (text: string) => boolean): Decoder<string> =>
  guard((value): value is string => typeof value === "string" && accepts(value), problem)

export const nonEmptyString = (problem: string): Decoder<string> => string(problem, (text) => text !== "")

export const redactedString = (
  problem: string,
  accepts: (text: string) => boolean
): Decoder<Redacted.Redacted<string>> =>
  guard((value): value is Redacted.Redacted<string> => {
    const text = Redacted.isRedacted(value) ? Redacted.value(value) : undefined
    return typeof text === "string" && accepts(text)
  }, problem)

export const filePath: Decoder<string> = nonEmptyString("must be the path of a file, not empty")

export const boolean: Decoder<boolean> = guard(
  (value): value is boolean => typeof value === "boolean",
  "must be true or false"
)

/** Accepts some words. */
export const literal = <const Words extends ReadonlyArray<string>>(...words: Words): Decoder<Words[number]> => {
  const quoted = words.map((word) => `"${word}"`)
  return guard(
    (value): value is Words[number] => words.some((word) => word === value),
    `must be ${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`
  )
}

/** Plain numbers are milliseconds to Effect, but seconds to Flipt's official SDKs. Below this, they are most likely seconds. */
const MIN_PLAIN_NUMBER = 1000

/** Whether a duration is a plain number that could be meant in seconds. */
export const isAmbiguousDuration = (input: unknown): boolean =>
  typeof input === "number" && input > 0 && input < MIN_PLAIN_NUMBER

export const AMBIGUOUS_DURATION =
  `must not be a plain number below ${MIN_PLAIN_NUMBER}: plain numbers are milliseconds, but seconds in Flipt's official ` +
  'SDKs; give the unit, such as "30 seconds" or "500 millis"'

export const duration: Decoder<Duration.Duration> = (value) =>
  isAmbiguousDuration(value)
    ? reject(AMBIGUOUS_DURATION)
    : Either.fromOption(
        Option.filter(Duration.decodeUnknown(value), (decoded) => Duration.greaterThan(decoded, Duration.zero)),
        () => ({
          path: [],
          problem: 'must be a duration greater than zero, such as "30 seconds" or Infinity; a number is milliseconds'
        })
      )

export const optional =
  <A>(decoder: Decoder<A>): Decoder<A | undefined> =>
  (value) =>
    value === undefined ? Either.right(undefined) : decoder(value)

export const withDefault =
  <A>(decoder: Decoder<A>, whenAbsent: NoInfer<A>): Decoder<A> =>
  (value) =>
    value === undefined ? Either.right(whenAbsent) : decoder(value)

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const within = <A>(key: string, decoded: Either.Either<A, Issue>): Either.Either<A, Issue> =>
  Either.mapLeft(decoded, ({ path, problem }) => ({ path: [key, ...path], problem }))

/** Decodes the values of an object whose keys are not known. */
export const record =
  <A>(decoder: Decoder<A>, problem: string): Decoder<Readonly<Record<string, A>>> =>
  (value) =>
    isObject(value)
      ? Either.map(
          Either.all(
            Object.entries(value).map(([key, item]) =>
              within(
                key,
                Either.map(decoder(item), (it) => [key, it] as const)
              )
            )
          ),
          Object.fromEntries<A>
        )
      : reject(problem)

interface Fields {
  readonly [key: string]: Decoder<unknown>
}

type OptionalKey<F extends Fields> = {
  [Key in keyof F]: undefined extends Decoded<F[Key]> ? Key : never
}[keyof F]

type Struct<F extends Fields> = Types.Simplify<
  { readonly [Key in Exclude<keyof F, OptionalKey<F>>]: Decoded<F[Key]> } & {
    readonly [Key in OptionalKey<F>]?: Decoded<F[Key]>
  }
>

/** Decodes an object with these keys and no others. Options that are left out and have no default stay out. */
export const struct =
  <F extends Fields>(fields: F, problem = "must be an object"): Decoder<Struct<F>> =>
  (value) => {
    if (!isObject(value)) {
      return reject(problem)
    }
    const unknownKey = Object.keys(value).find((key) => !Object.hasOwn(fields, key) && value[key] !== undefined)
    if (unknownKey !== undefined) {
      return reject("is not known; check the spelling", [unknownKey])
    }
    const decoded: Array<readonly [string, unknown]> = []
    for (const [key, decoder] of Object.entries(fields)) {
      const result = within(key, decoder(Object.hasOwn(value, key) ? value[key] : undefined))
      if (Either.isLeft(result)) {
        return Either.left(result.left)
      }
      if (result.right !== undefined) {
        decoded.push([key, result.right])
      }
    }
    return Either.right(Object.fromEntries(decoded) as Struct<F>)
  }

const toValidationError = ({ path, problem }: Issue, reason: "Option" | "Argument"): ValidationError => {
  const isOption = reason === "Option"
  const subject = isOption ? "options" : "target"
  const name = path.join(".")
  return path.length === 0
    ? new ValidationError({ reason, path: subject, message: `the ${subject} must be an object` })
    : new ValidationError({
        reason,
        path: name,
        message: `${isOption ? "the option " : ""}${printable(name)} ${printable(problem, 1000)}`
      })
}

/** Runs a decoder. No options at all are the same as none of them set. */
export const decodeWith =
  <A>(decoder: Decoder<A>, reason: "Option" | "Argument" = "Option") =>
  (options: unknown): Effect.Effect<A, ValidationError> =>
    Effect.suspend(() =>
      Either.mapLeft(decoder(options === undefined ? {} : options), (issue) => toValidationError(issue, reason))
    )
