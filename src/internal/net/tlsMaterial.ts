/**
 * Certificates and keys as text, before and after the platform has checked them.
 */
import type * as Redacted from "effect/Redacted"

export interface PemText {
  /** The path of the option that supplied the text, for messages. */
  readonly option: string
  readonly text: string
}

export interface PemTexts {
  readonly ca?: PemText | undefined
  readonly cert?: PemText | undefined
  readonly key?: PemText | undefined
}

export interface TlsMaterial extends PemTexts {
  readonly passphrase?: { readonly option: string; readonly value: Redacted.Redacted } | undefined
  /** Whether `ca` replaces the authorities that the platform trusts. By default it adds to them. */
  readonly onlyCustomCa: boolean
}

export interface CheckedMaterial {
  /** All trusted authorities, or `undefined` to trust those of the platform. */
  readonly ca?: ReadonlyArray<string>
  readonly cert?: string
  readonly key?: Redacted.Redacted
  /** Problems that do not prevent a connection yet, such as a certificate about to be rejected by the server. */
  readonly warnings: ReadonlyArray<string>
}
