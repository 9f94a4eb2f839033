/**
 * Decoders for options and arguments. They reject unknown keys, and no message repeats a value, which could be a
 * secret.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { ValidationError } from "../../FliptError.js"
import { printable } from "./outsideText.js"

/** Replaces the message of a schema. The message follows the name of the option, so it begins with "must". */
export const issueMessage = (problem: string) => ({ message: () => ({ message: problem, override: true }) })

/** Plain numbers are milliseconds to Effect, but seconds to Flipt's official SDKs. Below this, they are most likely seconds. */
const MIN_PLAIN_NUMBER = 1000

/** Whether a duration is a plain number that could be meant in seconds. */
export const isAmbiguousDuration = (input: unknown): boolean =>
  typeof input === "number" && input > 0 && input < MIN_PLAIN_NUMBER

export const AMBIGUOUS_DURATION =
  `must not be a plain number below ${MIN_PLAIN_NUMBER}: plain numbers are milliseconds, but seconds in Flipt's official ` +
  'SDKs; give the unit, such as "30 seconds" or "500 millis"'

export const DurationInput = Schema.transformOrFail(Schema.Unknown, Schema.DurationFromSelf, {
  decode: (input, _, ast) =>
    Option.match(isAmbiguousDuration(input) ? Option.none() : Duration.decodeUnknown(input), {
      onNone: () => ParseResult.fail(new ParseResult.Type(ast, input)),
      onSome: ParseResult.succeed
    }),
  encode: ParseResult.succeed
}).pipe(
  Schema.filter((duration) => Duration.greaterThan(duration, Duration.zero)),
  Schema.annotations({
    message: ({ actual }) => ({
      message: isAmbiguousDuration(actual)
        ? AMBIGUOUS_DURATION
        : 'must be a duration greater than zero, such as "30 seconds" or Infinity; a number is milliseconds',
      override: true
    })
  })
)

export const nonEmptyString = (problem: string) => Schema.NonEmptyString.pipe(Schema.annotations(issueMessage(problem)))

export const BooleanOption = Schema.Boolean.annotations(issueMessage("must be true or false"))

export const FilePath = nonEmptyString("must be the path of a file, not empty")

const toValidationError = (error: ParseResult.ParseError, reason: "Option" | "Argument"): ValidationError => {
  // The first issue is the most specific one. The others describe union alternatives and would repeat the value.
  const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
  const path = (issue?.path ?? []).map(String).join(".")
  const problem = issue?._tag === "Unexpected" ? "is not known; check the spelling" : (issue?.message ?? error.message)
  const isOption = reason === "Option"
  const subject = isOption ? "options" : "target"
  return path === ""
    ? new ValidationError({ reason, path: subject, message: `the ${subject} must be an object` })
    : new ValidationError({
        reason,
        path,
        message: `${isOption ? "the option " : ""}${printable(path)} ${printable(problem, 1000)}`
      })
}

const withoutUndefined = (options: unknown): unknown =>
  typeof options === "object" && options !== null && !Array.isArray(options)
    ? Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
    : options

export const makeDecoder =
  <A, I>(schema: Schema.Schema<A, I>, reason: "Option" | "Argument" = "Option") =>
  (options: unknown): Effect.Effect<A, ValidationError> =>
    Effect.suspend(() =>
      Either.mapLeft(
        Schema.decodeUnknownEither(schema, { onExcessProperty: "error" })(
          withoutUndefined(options === undefined ? {} : options)
        ),
        (error) => toValidationError(error, reason)
      )
    )
