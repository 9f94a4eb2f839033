/**
 * Decodes the JSON attachments of a typed flag with its Schema.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Engine from "../../Engine.js"
import { DecodeError } from "../../FliptError.js"
import { errorMessage } from "../util/errorMessage.js"
import { printable, quoted } from "../util/outsideText.js"

/** Limits messages that quote an attachment. */
const MAX_MESSAGE = 500

/**
 * Limits the decoded attachments per flag. Each rule has its own results, even for equal variants, so values are cached by
 * attachment text. Texts of earlier states stay until the limit is reached.
 */
const MAX_CACHED = 256
/** Limits the total length of the cached texts, in characters. */
const MAX_CACHED_LENGTH = 2 ** 22

/** The variant key for values that a test sets. */
const TEST_VARIANT = "test"

export interface Attachments<A> {
  readonly decode: (variantKey: string, attachment: string) => A | DecodeError
  readonly encode: (value: A) => Either.Either<Engine.MockValue, string>
}

/** Whether an attachment is absent, empty or `null`. */
export const isAbsent = (attachment: string | undefined): attachment is "" | undefined =>
  attachment === undefined || attachment === "" || attachment === "null"

export const make = <A, I>(flagKey: string, schema: Schema.Schema<A, I>): Attachments<A> => {
  const cache = new Map<string, Either.Either<A, string>>()
  let cachedLength = 0
  const decodeUnknown = Schema.decodeUnknown(schema)
  const encodeUnknown = Schema.encodeEither(schema)

  /** An exception thrown by a Schema, such as in a transformation, counts as a decoding error. */
  const decodeText = (attachment: string): Either.Either<A, string> =>
    Exit.match(
      Effect.runSyncExit(
        Effect.mapError(
          Effect.suspend(() => decodeUnknown(JSON.parse(attachment))),
          (error) => error.message
        )
      ),
      {
        onSuccess: (value) => Either.right(value),
        onFailure: (cause) =>
          Either.left(Option.getOrElse(Cause.failureOption(cause), () => errorMessage(Cause.squash(cause))))
      }
    )

  const decodeCached = (attachment: string): Either.Either<A, string> => {
    let value = cache.get(attachment)
    if (value === undefined) {
      value = decodeText(attachment)
      if (cache.size >= MAX_CACHED || cachedLength + attachment.length > MAX_CACHED_LENGTH) {
        cache.clear()
        cachedLength = 0
      }
      cachedLength += attachment.length
      cache.set(attachment, value)
    }
    return value
  }

  return {
    decode: (variantKey, attachment) =>
      Either.getOrElse(
        decodeCached(attachment),
        (problem) =>
          new DecodeError({
            reason: "Attachment",
            flagKey,
            variantKey,
            message: `the attachment of the variant ${quoted(variantKey)} of flag ${printable(flagKey)} does not decode: ${printable(problem, MAX_MESSAGE)}`
          })
      ),
    encode: (value) =>
      Either.flatMap(
        Either.mapLeft(encodeUnknown(value), (error) => printable(error.message, MAX_MESSAGE)),
        (attachment) =>
          isAbsent(JSON.stringify(attachment) as string | undefined)
            ? Either.left(
                `it encodes to ${printable(JSON.stringify(attachment) ?? "undefined")}, which means no attachment`
              )
            : Either.right({ variant: TEST_VARIANT, attachment })
      )
  }
}
