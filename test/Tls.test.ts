/**
 * Which servers are trusted, which clients are accepted, and the errors otherwise. Every row runs against a real server
 * over TLS.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as FliptClient from "../src/FliptClient.js"
import { FetchError, type StartError } from "../src/FliptError.js"
import * as Tls from "../src/Tls.js"
import type * as FliptServer from "./support/FliptServer.js"
import * as Folder from "./support/Folder.js"
import { captured } from "./support/logs.js"
import { fetchWith, makeStreaming, type Pki, passphrase, pki, serve, streamWith } from "./support/secure.js"
import { awaitSleepOf, turn } from "./support/wait.js"

interface Way {
  readonly name: "polling" | "streaming"
  /** Connects, fetches and closes. */
  readonly connect: (tls: Tls.Options, server: FliptServer.Server, url?: string) => Effect.Effect<void, StartError>
}

/** Every row below runs for each of these. */
const ways: ReadonlyArray<Way> = [
  {
    name: "polling",
    connect: (tls, server, url = server.url) =>
      Effect.flatMap(fetchWith(Tls.layer(tls), { url }), ({ _tag }) => Effect.sync(() => expect(_tag).toBe("Document")))
  },
  { name: "streaming", connect: (tlsConfig, server, url = server.url) => streamWith({ url, tlsConfig }, server) }
]

/** What the server saw of the client if it answered, or the client's error. */
type Outcome =
  | { readonly client: string | undefined }
  | { readonly reason: "Certificate" | "Network"; readonly says: ReadonlyArray<string> }

interface Row {
  readonly name: string
  readonly server: (pki: Pki) => FliptServer.TlsOptions
  readonly client: (pki: Pki) => Tls.Options
  readonly outcome: Outcome
}

const trusting = ({ ours }: Pki): Tls.Options => ({ caCertData: ours.cert })

/** A server that requires a certificate of our authority. */
const mutual = ({ ours, server }: Pki): FliptServer.TlsOptions => ({ ...server, ca: ours.cert, requestCert: true })

const withCertificate = (material: Pki): Tls.Options => ({
  ...trusting(material),
  clientCertData: material.client.cert,
  clientKeyData: Redacted.make(material.client.key)
})

const answered: Outcome = { client: undefined }

const unknownAuthority: Outcome = { reason: "Certificate", says: ["authority is not trusted", "caCertFile"] }

const rows: ReadonlyArray<Row> = [
  { name: "a custom authority is trusted", server: (pki) => pki.server, client: trusting, outcome: answered },
  {
    name: "an authority is trusted among several, with text between them",
    server: (pki) => pki.server,
    client: ({ ours, stranger }) => ({ caCertData: `# first\r\n${stranger.cert}\r\n# second\n${ours.cert}\nend` }),
    outcome: answered
  },
  {
    name: "a certificate below an intermediate one is trusted",
    server: (pki) => pki.below,
    client: trusting,
    outcome: answered
  },
  {
    name: "the authority alone is trusted with onlyCustomCa",
    server: (pki) => pki.server,
    client: (pki) => ({ ...trusting(pki), onlyCustomCa: true }),
    outcome: answered
  },
  {
    name: "a server of a private authority is refused without options",
    server: (pki) => pki.server,
    client: () => ({}),
    outcome: unknownAuthority
  },
  {
    name: "a server of another authority is refused",
    server: (pki) => pki.server,
    client: ({ stranger }) => ({ caCertData: stranger.cert }),
    outcome: unknownAuthority
  },
  {
    name: "a server without its intermediate certificate is refused",
    server: ({ below }) => ({ ...below, cert: below.cert.slice(0, below.cert.indexOf("-----END") + 25) }),
    client: trusting,
    outcome: unknownAuthority
  },
  {
    name: "a self-signed server is refused",
    server: (pki) => pki.itself,
    client: trusting,
    outcome: { reason: "Certificate", says: ["self-signed", "authority is not trusted"] }
  },
  {
    name: "a self-signed server is trusted if its certificate is trusted",
    server: (pki) => pki.itself,
    client: ({ itself }) => ({ caCertData: itself.cert }),
    outcome: answered
  },
  {
    name: "a certificate for another host is refused",
    server: (pki) => pki.named,
    client: trusting,
    outcome: { reason: "Certificate", says: ["another host name", "serverName"] }
  },
  {
    name: "a certificate for another host is accepted with insecureSkipHostnameVerify",
    server: (pki) => pki.named,
    client: (pki) => ({ ...trusting(pki), insecureSkipHostnameVerify: true }),
    outcome: answered
  },
  {
    name: "a certificate of another authority is refused with insecureSkipHostnameVerify",
    server: (pki) => pki.strangeServer,
    client: (pki) => ({ ...trusting(pki), insecureSkipHostnameVerify: true }),
    outcome: unknownAuthority
  },
  {
    name: "an expired certificate is refused with insecureSkipHostnameVerify",
    server: (pki) => pki.expired,
    client: (pki) => ({ ...trusting(pki), insecureSkipHostnameVerify: true }),
    outcome: { reason: "Certificate", says: ["has expired"] }
  },
  {
    name: "a certificate for the serverName is accepted",
    server: (pki) => pki.named,
    client: (pki) => ({ ...trusting(pki), serverName: "flipt.internal" }),
    outcome: answered
  },
  {
    name: "a certificate for the host of the url is refused if the serverName differs",
    server: (pki) => pki.server,
    client: (pki) => ({ ...trusting(pki), serverName: "flipt.internal" }),
    outcome: { reason: "Certificate", says: ["another host name"] }
  },
  {
    name: "an expired certificate is refused",
    server: (pki) => pki.expired,
    client: trusting,
    outcome: { reason: "Certificate", says: ["has expired", "renew it on the server"] }
  },
  {
    name: "a certificate that is not valid yet is refused",
    server: (pki) => pki.early,
    client: trusting,
    outcome: { reason: "Certificate", says: ["not valid yet", "clocks"] }
  },
  {
    name: "any certificate is accepted with insecureSkipVerify",
    server: (pki) => pki.itself,
    client: () => ({ insecureSkipVerify: true }),
    outcome: answered
  },
  {
    name: "any certificate is accepted with insecureSkipVerify, even if another authority is set",
    server: (pki) => pki.expired,
    client: ({ stranger }) => ({ caCertData: stranger.cert, onlyCustomCa: true, insecureSkipVerify: true }),
    outcome: answered
  },
  {
    name: "a client certificate is sent",
    server: mutual,
    client: withCertificate,
    outcome: { client: "client" }
  },
  {
    name: "a client certificate is sent with insecureSkipVerify",
    server: mutual,
    client: ({ client }) => ({
      insecureSkipVerify: true,
      clientCertData: client.cert,
      clientKeyData: Redacted.make(client.key)
    }),
    outcome: { client: "client" }
  },
  {
    name: "a client certificate is sent with the intermediate one that it needs",
    server: mutual,
    client: (pki) => ({
      ...trusting(pki),
      clientCertData: pki.clientBelow.cert,
      clientKeyData: Redacted.make(pki.clientBelow.key)
    }),
    outcome: { client: "client below" }
  },
  {
    name: "a client certificate is sent whose key is encrypted",
    server: mutual,
    client: (pki) => ({
      ...trusting(pki),
      clientCertData: pki.client.cert,
      clientKeyData: Redacted.make(pki.client.encrypted),
      keyPassphrase: Redacted.make(passphrase)
    }),
    outcome: { client: "client" }
  },
  {
    name: "a client without a certificate is refused on TLS 1.2",
    server: (pki) => ({ ...mutual(pki), maxVersion: "TLSv1.2" }),
    client: trusting,
    outcome: { reason: "Network", says: ["may require a client certificate"] }
  },
  {
    name: "an older version of TLS than minVersion is refused",
    server: (pki) => ({ ...pki.server, maxVersion: "TLSv1.2" }),
    client: (pki) => ({ ...trusting(pki), minVersion: "TLSv1.3" }),
    outcome: { reason: "Network", says: ["minVersion"] }
  },
  {
    name: "minVersion itself is accepted",
    server: (pki) => ({ ...pki.server, maxVersion: "TLSv1.2" }),
    client: (pki) => ({ ...trusting(pki), minVersion: "TLSv1.2" }),
    outcome: answered
  }
]

const refusals: ReadonlyArray<readonly [name: string, client: (pki: Pki) => Tls.Options, hint: string]> = [
  ["no certificate", trusting, "none was sent"],
  [
    "a stranger's certificate",
    (pki) => ({ ...trusting(pki), clientCertData: pki.strange.cert, clientKeyData: Redacted.make(pki.strange.key) }),
    "refused the client certificate"
  ]
]

/** What all requests have in common. */
const seen = <A>(
  server: FliptServer.Server,
  what: (tls: NonNullable<FliptServer.Request["tls"]>) => A
): Effect.Effect<ReadonlyArray<A | undefined>> =>
  Effect.map(server.requests, (requests) => [...new Set(requests.map(({ tls }) => tls && what(tls)))])

const clientOf = (server: FliptServer.Server) => seen(server, ({ client }) => client)

describe.each(ways)("by $name", ({ connect, name: way }) => {
  for (const { client, name, outcome, server } of rows) {
    it.scopedLive(name, () =>
      captured(() =>
        Effect.gen(function* () {
          const material = yield* pki
          const running = yield* serve(server(material))
          if ("client" in outcome) {
            yield* connect(client(material), running)
            expect(yield* clientOf(running)).toEqual([outcome.client])
          } else {
            const error = yield* Effect.flip(connect(client(material), running))
            expect(error).toBeInstanceOf(FetchError)
            expect(error).toMatchObject({ reason: outcome.reason, retryable: outcome.reason === "Network" })
            for (const text of outcome.says) {
              expect(error.message).toContain(text)
            }
            expect(yield* running.requests).toEqual([])
            yield* running.awaitConnections(0)
          }
        })
      )
    )
  }

  it.scopedLive("all files are read", () =>
    Effect.gen(function* () {
      const material = yield* pki
      const folder = yield* Folder.make
      const put = (name: string, content: string) => {
        Folder.replace(`${folder}/${name}`, content)
        return `${folder}/${name}`
      }
      const server = yield* serve(mutual(material))
      const tls = {
        caCertFile: put("ca.crt", material.ours.cert),
        clientCertFile: put("client.crt", material.client.cert),
        clientKeyFile: put("client.key", material.client.encrypted),
        keyPassphrase: Redacted.make(passphrase)
      }
      yield* connect(tls, server)
      expect(yield* clientOf(server)).toEqual(["client"])
    })
  )

  it.scopedLive("data takes precedence over files, which need not exist", () =>
    Effect.gen(function* () {
      const material = yield* pki
      const server = yield* serve(mutual(material))
      const tls = {
        caCertFile: "/nowhere/ca.crt",
        caCertData: material.ours.cert,
        clientCertFile: "/nowhere/client.crt",
        clientCertData: material.client.cert,
        clientKeyFile: "/nowhere/client.key",
        clientKeyData: Redacted.make(material.client.key)
      }
      yield* connect(tls, server)
      expect(yield* clientOf(server)).toEqual(["client"])
    })
  )

  it.scopedLive("the server name is the host of the url, or the serverName", () =>
    Effect.gen(function* () {
      const material = yield* pki
      const hosts = ["localhost", "flipt.internal"].map((value) => ({ type: "dns" as const, value }))
      const server = yield* serve(yield* material.ours.issue({ hosts }))
      const url = `https://localhost:${server.port}`
      yield* connect(trusting(material), server, url)
      expect(yield* seen(server, ({ serverName }) => serverName)).toEqual(["localhost"])
      yield* connect({ ...trusting(material), serverName: "flipt.internal" }, server, url)
      expect(yield* seen(server, ({ serverName }) => serverName)).toEqual(["localhost", "flipt.internal"])
    })
  )

  for (const http2 of [false, true]) {
    it.scopedLive(`HTTP/2 is ${http2 ? "" : "not "}used with a server that supports it, if http2 is ${http2}`, () =>
      Effect.gen(function* () {
        const material = yield* pki
        const server = yield* serve({ ...mutual(material), http2: true })
        yield* connect({ ...withCertificate(material), http2 }, server)
        expect(yield* seen(server, ({ client, httpVersion }) => `${client} ${httpVersion}`)).toEqual([
          `client ${http2 ? "2.0" : "1.1"}`
        ])
        // requests and streams share the one connection
        expect(yield* server.accepted).toBe(1)
      })
    )
  }

  it.scopedLive("HTTP/1.1 is used with a server without HTTP/2, even if http2 is offered", () =>
    Effect.gen(function* () {
      const material = yield* pki
      const server = yield* serve(material.server)
      yield* connect({ ...trusting(material), http2: true }, server)
      expect(yield* seen(server, ({ httpVersion }) => httpVersion)).toEqual(["1.1"])
    })
  )

  describe("on TLS 1.3, which checks the client's certificate after the handshake", () => {
    for (const [name, client, hint] of refusals) {
      it.scopedLive(`${name} is refused, and the error mentions the possible cause`, () =>
        Effect.gen(function* () {
          const material = yield* pki
          const server = yield* serve(mutual(material))
          const error = yield* Effect.flip(connect(client(material), server))
          // an alert has the reason, but the connection may be cut before it can be read
          expect(["Certificate", "Network"]).toContain((error as FetchError).reason)
          expect((error as FetchError).retryable).toBe((error as FetchError).reason === "Network")
          expect(error.message).toContain(hint)
          expect(yield* server.requests).toEqual([])
        })
      )
    }
  })

  if (way === "streaming") {
    describe("with fallback a client keeps trying, with growing pauses, if", () => {
      for (const { client, name, server } of [
        ...rows.filter(({ outcome }) => "reason" in outcome),
        ...refusals.map(([name, client]) => ({ name: `${name} is refused`, client, server: mutual }))
      ]) {
        it.scoped(name, () =>
          captured((lines) =>
            Effect.gen(function* () {
              const material = yield* pki
              const running = yield* serve(server(material))
              const started = yield* makeStreaming({
                url: running.url,
                tlsConfig: client(material),
                errorStrategy: "fallback"
              }).pipe(Effect.withRandom(Random.fixed([0.5])))
              expect(yield* Effect.flip(isOn(started))).toMatchObject({ reason: "NotReady" })
              for (const [attempts, millis] of [500, 1000, 2000, 4000, 8000, 15_000, 15_000].entries()) {
                yield* awaitSleepOf(millis)
                yield* Effect.repeatN(turn, 20)
                // the client's first fetch, and then the one before each stream
                expect(yield* running.accepted).toBe(attempts + 2)
                yield* TestClock.adjust(millis)
              }
              expect(yield* running.requests).toEqual([])
              const warnings = lines.filter(({ level }) => level === "WARN").map(({ message }) => message)
              expect(warnings.filter((message) => message.includes(running.url))).toHaveLength(1)
            })
          )
        )
      }
    })
  }
})

const isOn = (client: FliptClient.Service) => client.evaluateBoolean({ flagKey: "on", entityId: "user-1" })

describe("FliptClient.layer", () => {
  it.scopedLive("connects with tlsConfig", () =>
    Effect.gen(function* () {
      const material = yield* pki
      const server = yield* serve(mutual(material))
      const { enabled } = yield* FliptClient.evaluateBoolean({ flagKey: "on", entityId: "user-1" }).pipe(
        Effect.provide(FliptClient.layer({ url: server.url, tlsConfig: withCertificate(material) }))
      )
      expect(enabled).toBe(true)
    })
  )
})
