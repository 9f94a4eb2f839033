/**
 * Certificates for tests: authorities, the certificates that they issue, and self-signed ones.
 */
import { createPrivateKey, webcrypto } from "node:crypto"
import * as Effect from "effect/Effect"

export interface Certificate {
  /** The certificate, followed by its chain. */
  readonly cert: string
  readonly key: string
}

interface Issue {
  /** The subject's common name. */
  readonly name?: string
  /** The hosts of a server's certificate. Default: none, which makes a client's certificate. */
  readonly hosts?: ReadonlyArray<Host>
  /** For how many days it is valid. Default: 2. */
  readonly days?: number
  /** In how many days it becomes valid. Default: -1, yesterday. */
  readonly validIn?: number
}

export interface Authority {
  readonly cert: string
  readonly issue: (options?: Issue) => Effect.Effect<Certificate>
  /** An authority below this one. The certificates that it issues include its own in their chain. */
  readonly intermediate: Effect.Effect<Authority>
}

export interface Host {
  readonly type: "dns" | "ip"
  readonly value: string
}

/** The host of the test servers. */
export const loopback: ReadonlyArray<Host> = [{ type: "ip", value: "127.0.0.1" }]

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }

const day = 24 * 60 * 60 * 1000

const pem = (label: string, der: ArrayBuffer): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString("base64")}\n-----END ${label}-----\n`

/** Loads the package. It needs decorator metadata to load, although only for extensions that are not used here. */
const load = async () => {
  const none = { getMetadata: () => undefined, getOwnMetadata: () => undefined, metadata: () => () => {} }
  Object.assign(Reflect, { defineMetadata: () => {}, ...none, ...Reflect })
  const x509 = await import("@peculiar/x509")
  x509.cryptoProvider.set(webcrypto as Crypto)
  return x509
}

const makeKeys = async (): Promise<CryptoKeyPair> =>
  (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair

const keyOf = async (keys: CryptoKeyPair): Promise<string> =>
  pem("PRIVATE KEY", await webcrypto.subtle.exportKey("pkcs8", keys.privateKey as webcrypto.CryptoKey))

const period = (days = 2, validIn = -1) => {
  const begin = Date.now() + validIn * day
  return { notBefore: new Date(begin), notAfter: new Date(begin + days * day) }
}

/** A self-signed certificate for these hosts, valid for `days` days from yesterday. */
export const selfSigned = (hosts: ReadonlyArray<Host>, days = 2): Effect.Effect<Certificate> =>
  Effect.promise(async () => {
    const { SubjectAlternativeNameExtension, X509CertificateGenerator } = await load()
    const keys = await makeKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: "CN=flipt.test",
      ...period(days),
      keys,
      signingAlgorithm: algorithm,
      extensions: [new SubjectAlternativeNameExtension([...hosts])]
    })
    return { cert: certificate.toString("pem"), key: await keyOf(keys) }
  })

interface Issuer {
  readonly name: string
  readonly keys: CryptoKeyPair
  readonly cert: string
}

/** Makes an authority from its key. `chain` is what servers send after their own certificate. */
const fromIssuer = (issuer: Issuer, chain: string): Authority => {
  const sign = async (name: string, keys: CryptoKeyPair, isAuthority: boolean, options: Issue): Promise<string> => {
    const x509 = await load()
    const certificate = await x509.X509CertificateGenerator.create({
      subject: name,
      issuer: issuer.name,
      ...period(options.days, options.validIn),
      signingKey: issuer.keys.privateKey,
      publicKey: keys.publicKey,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(isAuthority, undefined, true),
        ...(isAuthority
          ? []
          : [
              new x509.ExtendedKeyUsageExtension([
                options.hosts === undefined ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth
              ])
            ]),
        ...(options.hosts === undefined ? [] : [new x509.SubjectAlternativeNameExtension([...options.hosts])])
      ]
    })
    return certificate.toString("pem")
  }
  return {
    cert: issuer.cert,
    issue: (options = {}) =>
      Effect.promise(async () => {
        const keys = await makeKeys()
        const cert = await sign(`CN=${options.name ?? "somebody"}`, keys, false, options)
        return { cert: `${cert}\n${chain}`, key: await keyOf(keys) }
      }),
    intermediate: Effect.promise(async () => {
      const keys = await makeKeys()
      const name = `CN=intermediate below ${issuer.name.slice(3)}`
      const cert = await sign(name, keys, true, {})
      return fromIssuer({ name, keys, cert }, `${cert}\n${chain}`)
    })
  }
}

/** A root authority that no system trusts. */
export const authority = (name = "authority", days = 2): Effect.Effect<Authority> =>
  Effect.promise(async () => {
    const { BasicConstraintsExtension, X509CertificateGenerator } = await load()
    const keys = await makeKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      ...period(days),
      keys,
      signingAlgorithm: algorithm,
      extensions: [new BasicConstraintsExtension(true, undefined, true)]
    })
    return fromIssuer({ name: `CN=${name}`, keys, cert: certificate.toString("pem") }, "")
  })

/** The same key, encrypted. */
export const encrypted = (key: string, passphrase: string): string =>
  createPrivateKey(key).export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase }).toString()
