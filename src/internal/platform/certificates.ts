/**
 * Checks certificates and keys before they are used, because Node accepts too much silently: it treats a `ca` without
 * PEM text as an empty list, and any `ca` replaces all default roots, including those of `NODE_EXTRA_CA_CERTS`.
 */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import * as NodeTls from "node:tls"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { ValidationError } from "../../FliptError.js"
import type { CheckedMaterial, PemText, TlsMaterial } from "../net/tlsMaterial.js"
import { errorMessage } from "../util/errorMessage.js"
import { printable } from "../util/outsideText.js"

const certificatePattern = /-----BEGIN ((?:X509 )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g
const keyPattern = /-----BEGIN ((?:[A-Z0-9]+ )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/

const certificateError = (option: string, problem: string): ValidationError =>
  new ValidationError({ reason: "Certificate", path: option, message: `the option ${option} ${problem}` })

/** OpenSSL's messages contain line breaks. */
const openSslMessage = (error: unknown): string =>
  errorMessage(error)
    .replaceAll(/(?:\s|\\n)+/g, " ")
    .trim()

interface Certificate {
  readonly pem: string
  readonly parsed: X509Certificate
}

const parseCertificates = ({ option, text }: PemText): Effect.Effect<ReadonlyArray<Certificate>, ValidationError> => {
  const blocks = text.match(certificatePattern) ?? []
  if (blocks.length === 0) {
    return Effect.fail(
      certificateError(
        option,
        "has no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----; convert it to PEM"
      )
    )
  }
  if ((text.match(/-----BEGIN (?:X509 )?CERTIFICATE/g) ?? []).length !== blocks.length) {
    return Effect.fail(
      certificateError(option, "has a certificate without an END line; the text may be truncated, so copy it again")
    )
  }
  return Effect.forEach(blocks, (pem, index) =>
    Effect.try({
      try: () => ({ pem, parsed: new X509Certificate(pem) }),
      catch: (error) =>
        certificateError(
          option,
          `has a certificate (number ${index + 1}) that cannot be read: ${openSslMessage(error)}; replace it`
        )
    })
  )
}

const subjectOf = (certificate: X509Certificate): string =>
  printable(certificate.subject.replaceAll(/\s+/g, " ")) || "without a name"

/** Warnings about expired certificates and those not valid yet. One warning stands for all certificates of a text. */
const warningsOf = (
  { option }: PemText,
  certificates: ReadonlyArray<Certificate>,
  now: number
): ReadonlyArray<string> => {
  const problems = certificates.flatMap(({ parsed }) => {
    const begin = Date.parse(parsed.validFrom)
    const end = Date.parse(parsed.validTo)
    return now > end
      ? [`the certificate ${subjectOf(parsed)} expired on ${new Date(end).toISOString()}; renew it`]
      : now < begin
        ? [`the certificate ${subjectOf(parsed)} is not valid before ${new Date(begin).toISOString()}; check the clock`]
        : []
  })
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more in the same text)` : ""
  return problems.slice(0, 1).map((problem) => `the option ${option}: ${problem}${more}`)
}

/** The roots of `NODE_EXTRA_CA_CERTS`, which Node applies only if `ca` is not set. */
const extraRoots = (): Either.Either<ReadonlyArray<string>, string> => {
  const path = process.env.NODE_EXTRA_CA_CERTS
  if (path === undefined || path === "") {
    return Either.right([])
  }
  return Either.try({
    try: () => readFileSync(path, "utf8").match(certificatePattern) ?? [],
    catch: (error) => `the certificates of NODE_EXTRA_CA_CERTS cannot be read: ${openSslMessage(error)}`
  })
}

interface CertificateStore {
  /** Available since Node 22.15. */
  readonly getCACertificates?: (type: "default") => ReadonlyArray<string>
}

const platformRoots = (): { readonly ca: ReadonlyArray<string>; readonly warnings: ReadonlyArray<string> } => {
  const { getCACertificates } = NodeTls as CertificateStore
  if (getCACertificates !== undefined) {
    return { ca: getCACertificates("default"), warnings: [] }
  }
  return Either.match(extraRoots(), {
    onLeft: (warning) => ({ ca: NodeTls.rootCertificates, warnings: [warning] }),
    onRight: (extra) => ({ ca: [...NodeTls.rootCertificates, ...extra], warnings: [] })
  })
}

const parseKey = (key: PemText, passphrase: TlsMaterial["passphrase"]) =>
  Effect.gen(function* () {
    const [pem] = keyPattern.exec(key.text) ?? []
    if (pem === undefined) {
      return yield* certificateError(
        key.option,
        "has no private key in PEM form, which begins with -----BEGIN PRIVATE KEY-----; convert it to PEM"
      )
    }
    const isEncrypted = pem.includes("BEGIN ENCRYPTED") || pem.includes("Proc-Type: 4,ENCRYPTED")
    if (isEncrypted && passphrase === undefined) {
      const option = key.option.replace(/clientKey\w+$/, "keyPassphrase")
      return yield* certificateError(
        option,
        `is not set, but the key in ${key.option} is encrypted; set its passphrase`
      )
    }
    const parsed = yield* Effect.try({
      try: () =>
        createPrivateKey({
          key: pem,
          ...(passphrase === undefined ? {} : { passphrase: Redacted.value(passphrase.value) })
        }),
      // OpenSSL reports a wrong passphrase and a damaged key alike, in words that do not help.
      catch: () =>
        isEncrypted && passphrase !== undefined
          ? certificateError(
              passphrase.option,
              `does not decrypt the key in ${key.option}; set the passphrase of that key`
            )
          : certificateError(key.option, "has a private key that cannot be read; replace it")
    })
    return { pem, parsed }
  })

export const checkMaterial = (material: TlsMaterial): Effect.Effect<CheckedMaterial, ValidationError> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    let warnings: ReadonlyArray<string> = []
    let checked: Omit<CheckedMaterial, "warnings"> = {}
    if (material.ca !== undefined) {
      const custom = yield* parseCertificates(material.ca)
      const platform = material.onlyCustomCa ? { ca: [], warnings: [] } : platformRoots()
      warnings = warnings.concat(warningsOf(material.ca, custom, now), platform.warnings)
      checked = { ca: [...platform.ca, ...custom.map(({ pem }) => pem)] }
    }
    if (material.cert !== undefined && material.key !== undefined) {
      const chain = yield* parseCertificates(material.cert)
      const key = yield* parseKey(material.key, material.passphrase)
      if (!chain[0]!.parsed.checkPrivateKey(key.parsed)) {
        return yield* certificateError(
          material.key.option,
          `does not match the first certificate in ${material.cert.option}, which must be the client's own; ` +
            "set a certificate and a key that belong together"
        )
      }
      warnings = warnings.concat(warningsOf(material.cert, chain, now))
      checked = { ...checked, cert: chain.map(({ pem }) => pem).join("\n"), key: Redacted.make(key.pem) }
    }
    // OpenSSL has further requirements, such as the length of keys and the strength of signatures.
    const { ca, cert, key } = checked
    const { option } = material.cert ?? material.ca ?? { option: "options" }
    yield* Effect.try({
      try: () =>
        NodeTls.createSecureContext({
          ...(ca === undefined ? {} : { ca: [...ca] }),
          ...(cert === undefined || key === undefined ? {} : { cert, key: Redacted.value(key) }),
          ...(material.passphrase === undefined ? {} : { passphrase: Redacted.value(material.passphrase.value) })
        }),
      catch: (error) =>
        certificateError(option, `cannot be used for a connection: ${openSslMessage(error)}; replace it`)
    })
    return { ...checked, warnings }
  })
