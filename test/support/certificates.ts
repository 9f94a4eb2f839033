/**
 * Certificates that no authority has signed.
 */
import { webcrypto } from "node:crypto"
import * as Effect from "effect/Effect"

export interface Certificate {
  readonly cert: string
  readonly key: string
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }

const day = 24 * 60 * 60 * 1000

const pem = (label: string, der: ArrayBuffer): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString("base64")}\n-----END ${label}-----\n`

/** The package does not load without decorators' metadata, which it needs for extensions that are not used here. */
const load = async () => {
  const none = { getMetadata: () => undefined, getOwnMetadata: () => undefined, metadata: () => () => {} }
  Object.assign(Reflect, { defineMetadata: () => {}, ...none, ...Reflect })
  const x509 = await import("@peculiar/x509")
  x509.cryptoProvider.set(webcrypto as Crypto)
  return x509
}

/** A certificate for these names, signed with its own key, valid from yesterday on for so many days. */
export const selfSigned = (
  names: ReadonlyArray<{ readonly type: "dns" | "ip"; readonly value: string }>,
  days = 2
): Effect.Effect<Certificate> =>
  Effect.promise(async () => {
    const { SubjectAlternativeNameExtension, X509CertificateGenerator } = await load()
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
    const begin = Date.now() - day
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: "CN=flipt.test",
      notBefore: new Date(begin),
      notAfter: new Date(begin + days * day),
      keys: keys as CryptoKeyPair,
      signingAlgorithm: algorithm,
      extensions: [new SubjectAlternativeNameExtension([...names])]
    })
    return {
      cert: certificate.toString("pem"),
      key: pem("PRIVATE KEY", await webcrypto.subtle.exportKey("pkcs8", keys.privateKey))
    }
  })
