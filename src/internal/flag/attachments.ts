/**
 * The attachments of a typed flag: JSON text, decoded by a Schema.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Engine from "../../Engine.js"
import { DecodeError } from "../../FliptError.js"
import { errorMessage } from "../util/errorMessage.js"

/** Of a message that quotes an attachment, which may be long. */
const MAX_MESSAGE = 500

/**
 * Of one flag. Rules that give the same variant have results of their own, so texts are remembered too; those of states
 * that are gone stay until there are too many.
 */
const MAX_REMEMBERED = 256
/** Of all these texts together, in characters: of long ones fewer are remembered. */
const MAX_REMEMBERED_LENGTH = 2 ** 22

/** The variant of a value that a test sets. */
const TEST_VARIANT = "test"

export interface Attachments<A> {
  readonly decode: (variantKey: string, attachment: string) => A | DecodeError
  readonly encode: (value: A) => Either.Either<Engine.MockValue, string>
}

/** Whether a variant has no attachment: absent, empty or `null`. */
export const isNone = (attachment: string | undefined): attachment is "" | undefined =>
  attachment === undefined || attachment === "" || attachment === "null"

const shorten = (text: string): string =>
  text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE).toWellFormed()}…`

export const make = <A, I>(flagKey: string, schema: Schema.Schema<A, I>): Attachments<A> => {
  const remembered = new Map<string, Either.Either<A, string>>()
  let rememberedLength = 0
  const decodeUnknown = Schema.decodeUnknownEither(schema)
  const encodeUnknown = Schema.encodeEither(schema)

  /** What a Schema throws, such as in a transformation of its owner's, is as wrong as what it refuses. */
  const read = (attachment: string): Either.Either<A, string> => {
    try {
      return Either.mapLeft(decodeUnknown(JSON.parse(attachment)), (error) => error.message)
    } catch (error) {
      return Either.left(errorMessage(error))
    }
  }

  const recall = (attachment: string): Either.Either<A, string> => {
    let value = remembered.get(attachment)
    if (value === undefined) {
      value = read(attachment)
      if (remembered.size >= MAX_REMEMBERED || rememberedLength + attachment.length > MAX_REMEMBERED_LENGTH) {
        remembered.clear()
        rememberedLength = 0
      }
      rememberedLength += attachment.length
      remembered.set(attachment, value)
    }
    return value
  }

  return {
    decode: (variantKey, attachment) =>
      Either.getOrElse(
        recall(attachment),
        (problem) =>
          new DecodeError({
            reason: "Attachment",
            flagKey,
            variantKey,
            message: `the attachment of the variant ${JSON.stringify(variantKey)} of flag ${flagKey} does not decode: ${shorten(problem)}`
          })
      ),
    encode: (value) =>
      Either.flatMap(
        Either.mapLeft(encodeUnknown(value), (error) => shorten(error.message)),
        (attachment) =>
          isNone(JSON.stringify(attachment) as string | undefined)
            ? Either.left(`it is encoded as ${JSON.stringify(attachment)}, which stands for no attachment`)
            : Either.right({ variant: TEST_VARIANT, attachment })
      )
  }
}
