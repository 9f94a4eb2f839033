/**
 * Certificates and keys, checked as far as this side can. Node takes much without a word: a `ca` that is no PEM text
 * counts as none, and a `ca` at all takes the place of every root, those of `NODE_EXTRA_CA_CERTS` too.
 */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import * as NodeTls from "node:tls"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { ValidationError } from "../../FliptError.js"
import type { Checked, Material, Text } from "../net/material.js"
import { messageOf } from "../util/errorMessage.js"

const certificatePattern = /-----BEGIN ((?:X509 )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g
const keyPattern = /-----BEGIN ((?:[A-Z0-9]+ )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/

const invalid = (option: string, problem: string): ValidationError =>
  new ValidationError({ reason: "Certificate", path: option, message: `the option ${option} ${problem}` })

/** On one line: OpenSSL's messages have line breaks in them. */
const reasonOf = (error: unknown): string => messageOf(error).replaceAll(/\s+/g, " ").trim()

interface Certificate {
  readonly pem: string
  readonly parsed: X509Certificate
}

const parseCertificates = ({ option, text }: Text): Effect.Effect<ReadonlyArray<Certificate>, ValidationError> => {
  const blocks = text.match(certificatePattern) ?? []
  if (blocks.length === 0) {
    return Effect.fail(
      invalid(
        option,
        "has no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----; convert it to PEM"
      )
    )
  }
  if ((text.match(/-----BEGIN (?:X509 )?CERTIFICATE/g) ?? []).length !== blocks.length) {
    return Effect.fail(invalid(option, "has a certificate that does not end; the text may be cut short"))
  }
  return Effect.forEach(blocks, (pem, index) =>
    Effect.try({
      try: () => ({ pem, parsed: new X509Certificate(pem) }),
      catch: (error) =>
        invalid(option, `has a certificate (number ${index + 1}) that cannot be read: ${reasonOf(error)}; replace it`)
    })
  )
}

const nameOf = (certificate: X509Certificate): string => certificate.subject.replaceAll(/\s+/g, " ") || "without a name"

/** What is out of its time; the first one stands for the others of a bundle. */
const warningsOf = ({ option }: Text, certificates: ReadonlyArray<Certificate>, now: number): ReadonlyArray<string> => {
  const problems = certificates.flatMap(({ parsed }) => {
    const begin = Date.parse(parsed.validFrom)
    const end = Date.parse(parsed.validTo)
    return now > end
      ? [`the certificate ${nameOf(parsed)} expired on ${new Date(end).toISOString()}; renew it`]
      : now < begin
        ? [`the certificate ${nameOf(parsed)} is not valid before ${new Date(begin).toISOString()}; check the clock`]
        : []
  })
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more of the same text)` : ""
  return problems.slice(0, 1).map((problem) => `the option ${option}: ${problem}${more}`)
}

/** What Node reads when it starts, and then holds to as long as no `ca` is given. */
const extraRoots = (): Either.Either<ReadonlyArray<string>, string> => {
  const path = process.env.NODE_EXTRA_CA_CERTS
  if (path === undefined || path === "") {
    return Either.right([])
  }
  return Either.try({
    try: () => readFileSync(path, "utf8").match(certificatePattern) ?? [],
    catch: (error) => `the certificates of NODE_EXTRA_CA_CERTS cannot be read: ${reasonOf(error)}`
  })
}

interface WithDefaults {
  /** Since Node 22.15. */
  readonly getCACertificates?: (type: "default") => ReadonlyArray<string>
}

const platformRoots = (): { readonly ca: ReadonlyArray<string>; readonly warnings: ReadonlyArray<string> } => {
  const { getCACertificates } = NodeTls as WithDefaults
  if (getCACertificates !== undefined) {
    return { ca: getCACertificates("default"), warnings: [] }
  }
  return Either.match(extraRoots(), {
    onLeft: (warning) => ({ ca: NodeTls.rootCertificates, warnings: [warning] }),
    onRight: (extra) => ({ ca: [...NodeTls.rootCertificates, ...extra], warnings: [] })
  })
}

const parseKey = (key: Text, passphrase: Material["passphrase"]) =>
  Effect.gen(function* () {
    const [pem] = keyPattern.exec(key.text) ?? []
    if (pem === undefined) {
      return yield* invalid(
        key.option,
        "has no private key in PEM form, which begins with -----BEGIN PRIVATE KEY-----; convert it to PEM"
      )
    }
    const isEncrypted = pem.includes("BEGIN ENCRYPTED") || pem.includes("Proc-Type: 4,ENCRYPTED")
    if (isEncrypted && passphrase === undefined) {
      const option = key.option.replace(/clientKey\w+$/, "keyPassphrase")
      return yield* invalid(option, `is not set, and the key of ${key.option} is encrypted; set its passphrase`)
    }
    const parsed = yield* Effect.try({
      try: () =>
        createPrivateKey({
          key: pem,
          ...(passphrase === undefined ? {} : { passphrase: Redacted.value(passphrase.value) })
        }),
      // OpenSSL cannot tell a wrong passphrase from a broken key, and what it says of either helps nobody
      catch: () =>
        isEncrypted && passphrase !== undefined
          ? invalid(passphrase.option, `does not open the key of ${key.option}; set the passphrase of that key`)
          : invalid(key.option, "has a private key that cannot be read; replace it")
    })
    return { pem, parsed }
  })

export const check = (material: Material): Effect.Effect<Checked, ValidationError> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const warnings: Array<string> = []
    let checked: Omit<Checked, "warnings"> = {}
    if (material.ca !== undefined) {
      const own = yield* parseCertificates(material.ca)
      const platform = material.onlyCustomCa ? { ca: [], warnings: [] } : platformRoots()
      warnings.push(...warningsOf(material.ca, own, now), ...platform.warnings)
      checked = { ca: [...platform.ca, ...own.map(({ pem }) => pem)] }
    }
    if (material.cert !== undefined && material.key !== undefined) {
      const chain = yield* parseCertificates(material.cert)
      const key = yield* parseKey(material.key, material.passphrase)
      if (!chain[0]!.parsed.checkPrivateKey(key.parsed)) {
        return yield* invalid(
          material.key.option,
          `does not fit the certificate of ${material.cert.option}, whose first certificate must be the client's own; ` +
            "set the two that belong together"
        )
      }
      warnings.push(...warningsOf(material.cert, chain, now))
      checked = { ...checked, cert: chain.map(({ pem }) => pem).join("\n"), key: Redacted.make(key.pem) }
    }
    // the last word is OpenSSL's: a key can be too short for it, or a signature too weak
    const { ca, cert, key } = checked
    const { option } = material.cert ?? material.ca ?? { option: "options" }
    yield* Effect.try({
      try: () =>
        NodeTls.createSecureContext({
          ...(ca === undefined ? {} : { ca: [...ca] }),
          ...(cert === undefined || key === undefined ? {} : { cert, key: Redacted.value(key) }),
          ...(material.passphrase === undefined ? {} : { passphrase: Redacted.value(material.passphrase.value) })
        }),
      catch: (error) => invalid(option, `cannot be used for a connection: ${reasonOf(error)}; replace it`)
    })
    return { ...checked, warnings }
  })
