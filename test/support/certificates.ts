/**
 * Certificates that no authority has signed.
 */
import { webcrypto } from "node:crypto"
import "reflect-metadata"
import * as X509 from "@peculiar/x509"
import * as Effect from "effect/Effect"

export interface Certificate {
  readonly cert: string
  readonly key: string
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }

const pem = (label: string, der: ArrayBuffer): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString("base64").replaceAll(/.{64}/g, "$&\n")}\n-----END ${label}-----\n`

const day = 24 * 60 * 60 * 1000

/** A certificate for these names, signed with its own key, valid from yesterday for so many days. */
export const selfSigned = (
  names: ReadonlyArray<{ readonly type: "dns" | "ip"; readonly value: string }>,
  days = 2
): Effect.Effect<Certificate> =>
  Effect.promise(async () => {
    X509.cryptoProvider.set(webcrypto as Crypto)
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
    const begin = Date.now() - day
    const certificate = await X509.X509CertificateGenerator.createSelfSigned({
      name: "CN=flipt.test",
      notBefore: new Date(begin),
      notAfter: new Date(begin + days * day),
      keys: keys as CryptoKeyPair,
      signingAlgorithm: algorithm,
      extensions: [new X509.SubjectAlternativeNameExtension([...names])]
    })
    return {
      cert: certificate.toString("pem"),
      key: pem("PRIVATE KEY", await webcrypto.subtle.exportKey("pkcs8", keys.privateKey))
    }
  })
