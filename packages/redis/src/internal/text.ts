/**
 * Escapes and shortens text from other libraries and from Redis for messages.
 */

const MAX_LENGTH = 300

const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu

export const printable = (text: string): string =>
  text
    .slice(0, MAX_LENGTH)
    .replaceAll(unprintable, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`) +
  (text.length > MAX_LENGTH ? "…" : "")

/**
 * The message of an error. Errors of ioredis are never used as a cause, because they contain the arguments of the
 * command, which for AUTH include the password. Node's error for a host with several addresses has no message of its
 * own.
 */
export const errorMessage = (error: unknown): string =>
  error instanceof AggregateError && error.errors.length > 0
    ? errorMessage(error.errors[0])
    : printable(error instanceof Error ? error.message : String(error))
