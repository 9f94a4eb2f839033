/**
 * The texts that certificates and keys are made of, before and after they have been checked. What checks them is the
 * platform's.
 */
import type * as Redacted from "effect/Redacted"

export interface Text {
  /** The path of the option that it comes from. */
  readonly option: string
  readonly text: string
}

export interface Texts {
  readonly ca?: Text | undefined
  readonly cert?: Text | undefined
  readonly key?: Text | undefined
}

export interface Material extends Texts {
  readonly passphrase?: { readonly option: string; readonly value: Redacted.Redacted } | undefined
  /** Whether the authorities of the platform are left out. */
  readonly onlyCustomCa: boolean
}

export interface Checked {
  /** All that are trusted; nothing where the platform's own are. */
  readonly ca?: ReadonlyArray<string>
  readonly cert?: string
  readonly key?: Redacted.Redacted
  /** What does not hinder a connection, but will, or should be known. */
  readonly warnings: ReadonlyArray<string>
}
