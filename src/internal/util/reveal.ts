import * as Redacted from "effect/Redacted"

/** The plain text of a value that may be `Redacted`. Only for values about to be sent; never for a log or a message. */
export const reveal = (value: string | Redacted.Redacted): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value
