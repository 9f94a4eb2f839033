/**
 * TLS options: building the layer reports problems with the option's name, but without its value.
 */
import { generateKeyPairSync } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FliptClient from "../src/FliptClient.js"
import { ValidationError } from "../src/FliptError.js"
import * as Tls from "../src/Tls.js"
import { encrypted } from "./support/certificates.js"
import { exposed, shown } from "./support/Exposure.js"
import * as Folder from "./support/Folder.js"
import { captured } from "./support/logs.js"
import { type Pki, passphrase, pki, serve } from "./support/secure.js"

const build = (options: Tls.Options) => Effect.scoped(Layer.build(Tls.layer(options)))

const optionsOf = (options: Tls.Options) =>
  Tls.Tls.pipe(
    Effect.flatMap(({ connectionOptions }) => connectionOptions),
    Effect.provide(Tls.layer(options))
  )

interface Row {
  readonly name: string
  readonly options: (pki: Pki, folder: string) => unknown
  readonly path: string
  readonly reason?: "Option"
  readonly says: ReadonlyArray<string>
}

const cutShort = (pem: string): string => pem.slice(0, pem.indexOf("-----END"))

const rows: ReadonlyArray<Row> = [
  {
    name: "a missing file",
    options: (_, folder) => ({ caCertFile: `${folder}/none.crt` }),
    path: "caCertFile",
    says: ["none.crt", "ENOENT", "check that it exists"]
  },
  {
    name: "a folder instead of a file",
    options: (_, folder) => ({ clientCertFile: folder, clientKeyFile: folder }),
    path: "clientCertFile",
    says: ["EISDIR"]
  },
  {
    name: "a missing key file",
    options: ({ client }, folder) => ({ clientCertData: client.cert, clientKeyFile: `${folder}/none.key` }),
    path: "clientKeyFile",
    says: ["ENOENT"]
  },
  {
    name: "an authority that is not PEM",
    options: () => ({ caCertData: "not a pem" }),
    path: "caCertData",
    says: ["no certificate in PEM form", "convert it"]
  },
  {
    name: "an authority that is a key",
    options: ({ client }) => ({ caCertData: client.key }),
    path: "caCertData",
    says: ["no certificate in PEM form"]
  },
  {
    name: "a truncated bundle",
    options: ({ ours, stranger }) => ({ caCertData: `${ours.cert}\n${cutShort(stranger.cert)}` }),
    path: "caCertData",
    says: ["a certificate without an END line"]
  },
  {
    name: "a bundle with an invalid certificate",
    options: ({ ours }) => ({
      caCertData: `${ours.cert}\n-----BEGIN CERTIFICATE-----\nc2VzYW1l\n-----END CERTIFICATE-----`
    }),
    path: "caCertData",
    says: ["number 2", "cannot be read"]
  },
  {
    name: "a certificate without its key",
    options: ({ client }) => ({ clientCertData: client.cert }),
    path: "clientKeyData",
    says: ["is not set, but clientCertData is", "set both"]
  },
  {
    name: "a certificate file without a key file",
    options: () => ({ clientCertFile: "/nowhere/client.crt" }),
    path: "clientKeyFile",
    says: ["is not set, but clientCertFile is"]
  },
  {
    name: "a key without its certificate",
    options: ({ client }) => ({ clientKeyData: Redacted.make(client.key) }),
    path: "clientCertData",
    says: ["is not set, but clientKeyData is"]
  },
  {
    name: "a passphrase without a key",
    options: () => ({ keyPassphrase: Redacted.make(passphrase) }),
    path: "clientKeyFile",
    says: ["is not set, but keyPassphrase is"]
  },
  {
    name: "a key of another certificate",
    options: ({ client, strange }) => ({
      clientCertData: client.cert,
      clientKeyData: Redacted.make(strange.key)
    }),
    path: "clientKeyData",
    says: ["does not match the first certificate in clientCertData"]
  },
  {
    name: "a key that is not PEM",
    options: ({ client }) => ({ clientCertData: client.cert, clientKeyData: Redacted.make("s3same") }),
    path: "clientKeyData",
    says: ["no private key in PEM form"]
  },
  {
    name: "an invalid key",
    options: ({ client }) => ({
      clientCertData: client.cert,
      clientKeyData: Redacted.make("-----BEGIN PRIVATE KEY-----\nczNzYW1l\n-----END PRIVATE KEY-----")
    }),
    path: "clientKeyData",
    says: ["cannot be read"]
  },
  {
    name: "an encrypted key without a passphrase",
    options: ({ client }) => ({ clientCertData: client.cert, clientKeyData: Redacted.make(client.encrypted) }),
    path: "keyPassphrase",
    says: ["the key in clientKeyData is encrypted"]
  },
  {
    name: "an encrypted key with a wrong passphrase",
    options: ({ client }) => ({
      clientCertData: client.cert,
      clientKeyData: Redacted.make(client.encrypted),
      keyPassphrase: Redacted.make("s3same, please")
    }),
    path: "keyPassphrase",
    says: ["does not decrypt the key in clientKeyData"]
  },
  ...(
    [
      ["caCertFile", ""],
      ["caCertFile", 7],
      ["caCertData", " ".trim()],
      ["clientKeyData", "s3same"],
      ["clientKeyData", Redacted.make("")],
      ["keyPassphrase", Redacted.make(7)],
      ["keyPassphrase", "s3same"],
      ["insecureSkipVerify", "yes"],
      ["insecureSkipHostnameVerify", 1],
      ["onlyCustomCa", true],
      ["onlyCustomCa", "s3same"],
      ["serverName", "127.0.0.1"],
      ["serverName", "::1"],
      ["serverName", "flipt:8443"],
      ["serverName", ""],
      ["minVersion", "TLSv1.1"],
      ["minVersion", "1.2"],
      ["proxy", ""],
      ["proxy", "socks5://user:s3same@proxy:1080"],
      ["proxy", "http://user:s3same@"],
      ["proxy", "http://user:s3same@proxy/path"],
      ["proxy", "http://user:s3same%@proxy"],
      ["http2", "s3same"],
      ["reloadInterval", 0],
      ["reloadInterval", "s3same"],
      ["caCertFil", "s3same"]
    ] as const
  ).map(([path, value]) => ({
    name: `${path}: ${shown(value).split("\n")[1]}`,
    options: () => ({ [path]: value }),
    path,
    reason: "Option" as const,
    says: [path]
  }))
]

describe("an invalid option is named by", () => {
  for (const { name, options, path, reason, says } of rows) {
    it.scopedLive(`Tls.layer and FliptClient.layer: ${name}`, () =>
      exposed((exposure) =>
        Effect.gen(function* () {
          const folder = yield* Folder.make
          const given = options(yield* pki, folder) as Tls.Options
          const alone = yield* Effect.flip(build(given))
          const whole = yield* Effect.flip(Effect.scoped(FliptClient.make({ tlsConfig: given })))
          for (const [error, prefix] of [
            [alone, ""],
            [whole, "tlsConfig."]
          ] as const) {
            expect(error).toBeInstanceOf(ValidationError)
            expect(error).toMatchObject({ reason: reason ?? "Certificate", path: prefix + path })
            expect(error.message).toContain(`the option ${prefix}${path} `)
            for (const text of says) {
              expect(error.message.replaceAll("tlsConfig.", "")).toContain(text)
            }
            expect(shown(error)).not.toMatch(/s3same|czNzYW1l/)
          }
          expect(exposure.log.join()).not.toMatch(/s3same|czNzYW1l/)
        })
      )
    )
  }
})

describe("a warning is logged once", () => {
  const warnings: ReadonlyArray<readonly [name: string, options: (pki: Pki) => Tls.Options, says: RegExp]> = [
    ["for insecureSkipVerify", () => ({ insecureSkipVerify: true }), /insecureSkipVerify is on.*caCertFile/],
    [
      "for insecureSkipHostnameVerify",
      () => ({ insecureSkipHostnameVerify: true }),
      /insecureSkipHostnameVerify is on.*serverName/
    ],
    [
      "for a client certificate that has expired",
      ({ expiredClient }) => ({
        clientCertData: expiredClient.cert,
        clientKeyData: Redacted.make(expiredClient.key)
      }),
      /clientCertData: the certificate CN=expired client expired on 20\d\d-.*renew it/
    ],
    [
      "for authorities that have expired or are not valid yet",
      ({ early, expired }) => ({ caCertData: `${expired.cert}\n${early.cert}` }),
      /caCertData: the certificate CN=expired expired on .*\(and 1 more in the same text\)/
    ],
    [
      "for a certificate that is not valid yet",
      ({ early }) => ({ caCertData: early.cert }),
      /caCertData: the certificate CN=early is not valid before .*check the clock/
    ]
  ]

  for (const [name, options, says] of warnings) {
    it.scopedLive(name, () =>
      captured((lines) =>
        Effect.gen(function* () {
          yield* optionsOf(options(yield* pki))
          expect(lines.map(({ level }) => level)).toEqual(["WARN"])
          expect(lines[0]?.message).toMatch(says)
        })
      )
    )
  }

  it.scopedLive("but not for valid options", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const { client, ours } = yield* pki
        yield* optionsOf({
          caCertData: ours.cert,
          clientCertData: client.cert,
          clientKeyData: Redacted.make(client.key),
          insecureSkipVerify: false,
          insecureSkipHostnameVerify: false
        })
        expect(lines).toEqual([])
      })
    )
  )
})

describe("connectionOptions", () => {
  it.scopedLive("do not show a key, a passphrase or a proxy's password", () =>
    exposed((exposure) =>
      Effect.gen(function* () {
        const { client } = yield* pki
        const options = yield* optionsOf({
          clientCertData: client.cert,
          clientKeyData: Redacted.make(client.encrypted),
          keyPassphrase: Redacted.make(passphrase),
          proxy: "http://user:s3cret@proxy:3128"
        })
        expect(options).toMatchObject({ cert: expect.stringContaining("BEGIN CERTIFICATE") })
        expect(shown(options)).not.toMatch(/s3cret|s3same|PRIVATE KEY/)
        expect(exposure.log).toEqual([])
      })
    )
  )

  it.effect("are the same object as long as nothing changes", () =>
    Effect.gen(function* () {
      const tls = Context.get(yield* Layer.build(Tls.layer({ serverName: "flipt.internal" })), Tls.Tls)
      expect(yield* tls.connectionOptions).toBe(yield* tls.connectionOptions)
    }).pipe(Effect.scoped)
  )

  it.effect("are empty if nothing is set", () =>
    Effect.gen(function* () {
      expect(yield* optionsOf({ caCertFile: undefined })).toEqual({})
      expect(
        yield* Effect.provide(
          Effect.flatMap(Tls.Tls, (tls) => tls.connectionOptions),
          Tls.layerSystem
        )
      ).toEqual({})
    })
  )

  it.scopedLive("accept a key in every form that OpenSSL writes, and from a file that also has the certificate", () =>
    Effect.gen(function* () {
      const { client } = yield* pki
      for (const key of [
        client.key,
        `${client.cert}\n${client.key}`,
        `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${client.key}`
      ]) {
        yield* build({ clientCertData: client.cert, clientKeyData: Redacted.make(key) })
      }
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
      const other = privateKey.export({ format: "pem", type: "pkcs1", cipher: "aes-128-cbc", passphrase }).toString()
      const error = yield* Effect.flip(
        build({
          clientCertData: client.cert,
          clientKeyData: Redacted.make(other),
          keyPassphrase: Redacted.make(passphrase)
        })
      )
      // the key was decrypted
      expect(error.message).toContain("does not match")
      expect(encrypted(client.key, passphrase)).toContain("ENCRYPTED PRIVATE KEY")
    })
  )
})

describe("the configuration", () => {
  const withVariables = (variables: Record<string, string>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

  it.scopedLive("is read by Tls.layerConfig", () =>
    Effect.gen(function* () {
      const { client } = yield* pki
      const options = yield* Tls.Tls.pipe(
        Effect.flatMap(({ connectionOptions }) => connectionOptions),
        Effect.provide(
          Tls.layerConfig({
            clientCertData: Config.string("CERT"),
            clientKeyData: Config.redacted("KEY"),
            minVersion: Config.literal("TLSv1.2", "TLSv1.3")("MIN"),
            reloadInterval: Config.duration("INTERVAL")
          })
        ),
        withVariables({ CERT: client.cert, KEY: client.key, MIN: "TLSv1.3", INTERVAL: "1 minute" })
      )
      expect(options).toMatchObject({ cert: expect.stringContaining("BEGIN CERTIFICATE"), minVersion: "TLSv1.3" })
    })
  )

  it.scopedLive("has a variable for each option, and an empty one counts as unset", () =>
    Effect.gen(function* () {
      const variables = {
        caCertFile: ["FLIPT_CA_CERT_FILE", "/ca.crt"],
        caCertData: ["FLIPT_CA_CERT_DATA", "ca"],
        onlyCustomCa: ["FLIPT_ONLY_CUSTOM_CA", "true", true],
        insecureSkipVerify: ["FLIPT_INSECURE_SKIP_VERIFY", "1", true],
        insecureSkipHostnameVerify: ["FLIPT_INSECURE_SKIP_HOSTNAME_VERIFY", "False", false],
        clientCertFile: ["FLIPT_CLIENT_CERT_FILE", "/client.crt"],
        clientKeyFile: ["FLIPT_CLIENT_KEY_FILE", "/client.key"],
        clientCertData: ["FLIPT_CLIENT_CERT_DATA", "cert"],
        clientKeyData: ["FLIPT_CLIENT_KEY_DATA", "key", Redacted.make("key")],
        keyPassphrase: ["FLIPT_KEY_PASSPHRASE", "sesame", Redacted.make("sesame")],
        serverName: ["FLIPT_TLS_SERVER_NAME", "flipt.internal"],
        minVersion: ["FLIPT_TLS_MIN_VERSION", "TLSv1.3"],
        proxy: ["FLIPT_PROXY", "http://proxy:3128"],
        http2: ["FLIPT_HTTP2", "on", true],
        reloadInterval: ["FLIPT_TLS_RELOAD_INTERVAL", "90"]
      } as const satisfies Record<keyof Tls.Options, readonly [string, string, unknown?]>
      const entries = Object.entries(variables)
      for (const [option, [name, text, value = text]] of entries) {
        const { tlsConfig } = yield* withVariables({ [name]: text })(FliptClient.config)
        const { reloadInterval, ...rest } = Object.fromEntries(
          Object.entries(tlsConfig ?? {}).filter(([, value]) => value !== undefined)
        )
        if (option === "reloadInterval") {
          expect(Duration.toMillis(reloadInterval as Duration.Duration)).toBe(90_000)
        } else {
          expect(rest).toEqual({ [option]: value })
        }
      }
      const empty = Object.fromEntries(entries.map(([, [name]]) => [name, ""]))
      expect((yield* withVariables(empty)(FliptClient.config)).tlsConfig).toBeUndefined()
    })
  )

  it.scopedLive("that is invalid is named with its variable, without its value", () =>
    Effect.gen(function* () {
      for (const name of ["FLIPT_HTTP2", "FLIPT_TLS_MIN_VERSION", "FLIPT_TLS_RELOAD_INTERVAL"]) {
        const error = yield* Effect.flip(withVariables({ [name]: "s3same" })(FliptClient.config))
        expect(String(error)).toContain(name)
        expect(shown(error)).not.toContain("s3same")
      }
    })
  )

  it.scopedLive("applies to a client's connections", () =>
    Effect.gen(function* () {
      const { client, ours, server } = yield* pki
      const running = yield* serve({ ...server, ca: ours.cert, requestCert: true })
      const { enabled } = yield* FliptClient.evaluateBoolean({ flagKey: "on", entityId: "user-1" }).pipe(
        Effect.provide(FliptClient.layerConfig()),
        withVariables({
          FLIPT_URL: running.url,
          FLIPT_CA_CERT_DATA: ours.cert,
          FLIPT_CLIENT_CERT_DATA: client.cert,
          FLIPT_CLIENT_KEY_DATA: client.encrypted,
          FLIPT_KEY_PASSPHRASE: passphrase
        })
      )
      expect(enabled).toBe(true)
    })
  )
})
