import * as Redacted from "effect/Redacted"

/** A text that may be a secret, to be sent and not to be shown. */
export const reveal = (value: string | Redacted.Redacted): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value
