/**
 * Who is trusted, who is let in, and what is said when not: every row against a real server over TLS.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { FetchError } from "../src/FliptError.js"
import * as Tls from "../src/Tls.js"
import type * as FliptServer from "./support/FliptServer.js"
import * as Folder from "./support/Folder.js"
import { captured } from "./support/logs.js"
import { type FetcherLayer, fetchWith, type Pki, passphrase, pki, serve } from "./support/secure.js"
import { errorOf } from "./support/updates.js"

/** Each row below goes for each of these. */
const ways: ReadonlyArray<readonly [name: string, layer: FetcherLayer]> = [["polling", Fetcher.layerPolling]]

/** What the server has seen of a client that it has answered, or what the client fails with. */
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

/** A server that lets in who has a certificate of our authority. */
const mutual = ({ ours, server }: Pki): FliptServer.TlsOptions => ({ ...server, ca: ours.cert, requestCert: true })

const answered: Outcome = { client: undefined }

const unknownAuthority: Outcome = { reason: "Certificate", says: ["authority is unknown", "caCertFile"] }

const rows: ReadonlyArray<Row> = [
  { name: "an authority of one's own is trusted", server: (pki) => pki.server, client: trusting, outcome: answered },
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
    name: "a server of an authority of its own is refused without options",
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
    name: "a server that signed for itself is refused",
    server: (pki) => pki.itself,
    client: trusting,
    outcome: { reason: "Certificate", says: ["self-signed", "authority is unknown"] }
  },
  {
    name: "a server that signed for itself is trusted where that certificate is",
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
    name: "a certificate for another host is taken with insecureSkipHostnameVerify",
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
    name: "a certificate for the serverName is taken",
    server: (pki) => pki.named,
    client: (pki) => ({ ...trusting(pki), serverName: "flipt.internal" }),
    outcome: answered
  },
  {
    name: "a certificate for the host of the url is refused where the serverName is another",
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
    name: "anybody's certificate is taken with insecureSkipVerify",
    server: (pki) => pki.itself,
    client: () => ({ insecureSkipVerify: true }),
    outcome: answered
  },
  {
    name: "anybody's certificate is taken with insecureSkipVerify, and another authority",
    server: (pki) => pki.expired,
    client: ({ stranger }) => ({ caCertData: stranger.cert, onlyCustomCa: true, insecureSkipVerify: true }),
    outcome: answered
  },
  {
    name: "a client certificate is sent",
    server: mutual,
    client: ({ client, ...pki }) => ({
      ...trusting({ client, ...pki }),
      clientCertData: client.cert,
      clientKeyData: Redacted.make(client.key)
    }),
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
    outcome: { reason: "Network", says: ["may want a client certificate"] }
  },
  {
    name: "an older version of TLS than minVersion is refused",
    server: (pki) => ({ ...pki.server, maxVersion: "TLSv1.2" }),
    client: (pki) => ({ ...trusting(pki), minVersion: "TLSv1.3" }),
    outcome: { reason: "Network", says: ["minVersion"] }
  },
  {
    name: "minVersion itself is taken",
    server: (pki) => ({ ...pki.server, maxVersion: "TLSv1.2" }),
    client: (pki) => ({ ...trusting(pki), minVersion: "TLSv1.2" }),
    outcome: answered
  }
]

describe.each(ways.map(([name, layer]) => ({ name, layer })))("by $name", ({ layer }) => {
  for (const { client, name, outcome, server } of rows) {
    it.scopedLive(name, () =>
      captured(() =>
        Effect.gen(function* () {
          const material = yield* pki
          const running = yield* serve(server(material))
          const fetch = fetchWith(Tls.layer(client(material)), { url: running.url }, layer)
          if ("client" in outcome) {
            expect((yield* fetch)._tag).toBe("Document")
            expect((yield* running.requests)[0]?.tls?.client).toBe(outcome.client)
          } else {
            const error = yield* errorOf(fetch)
            expect(error).toBeInstanceOf(FetchError)
            expect(error).toMatchObject({ reason: outcome.reason, retryable: outcome.reason === "Network" })
            for (const text of outcome.says) {
              expect(error.message).toContain(text)
            }
            expect(yield* running.requests).toEqual([])
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
      const tls = Tls.layer({
        caCertFile: put("ca.crt", material.ours.cert),
        clientCertFile: put("client.crt", material.client.cert),
        clientKeyFile: put("client.key", material.client.encrypted),
        keyPassphrase: Redacted.make(passphrase)
      })
      expect((yield* fetchWith(tls, { url: server.url }, layer))._tag).toBe("Document")
      expect((yield* server.requests)[0]?.tls?.client).toBe("client")
    })
  )

  it.scopedLive("data goes before files, which need not be there", () =>
    Effect.gen(function* () {
      const material = yield* pki
      const server = yield* serve(mutual(material))
      const tls = Tls.layer({
        caCertFile: "/nowhere/ca.crt",
        caCertData: material.ours.cert,
        clientCertFile: "/nowhere/client.crt",
        clientCertData: material.client.cert,
        clientKeyFile: "/nowhere/client.key",
        clientKeyData: Redacted.make(material.client.key)
      })
      expect((yield* fetchWith(tls, { url: server.url }, layer))._tag).toBe("Document")
      expect((yield* server.requests)[0]?.tls?.client).toBe("client")
    })
  )

  it.scopedLive("the server is asked for the host of the url by its name, or for the serverName", () =>
    Effect.gen(function* () {
      const material = yield* pki
      const hosts = ["localhost", "flipt.internal"].map((value) => ({ type: "dns" as const, value }))
      const server = yield* serve(yield* material.ours.issue({ hosts }))
      const url = `https://localhost:${server.port}`
      yield* fetchWith(Tls.layer(trusting(material)), { url }, layer)
      yield* fetchWith(Tls.layer({ ...trusting(material), serverName: "flipt.internal" }), { url }, layer)
      expect((yield* server.requests).map(({ tls }) => tls?.serverName)).toEqual(["localhost", "flipt.internal"])
    })
  )

  for (const http2 of [false, true]) {
    it.scopedLive(`HTTP/2 is ${http2 ? "" : "not "}spoken with a server that can, where http2 is ${http2}`, () =>
      Effect.gen(function* () {
        const material = yield* pki
        const server = yield* serve({ ...mutual(material), http2: true })
        const tls = Tls.layer({
          ...trusting(material),
          clientCertData: material.client.cert,
          clientKeyData: Redacted.make(material.client.key),
          http2
        })
        expect((yield* fetchWith(tls, { url: server.url }, layer))._tag).toBe("Document")
        expect((yield* server.requests)[0]?.tls).toMatchObject({
          httpVersion: http2 ? "2.0" : "1.1",
          client: "client"
        })
      })
    )
  }

  it.scopedLive("HTTP/1.1 is spoken with a server that cannot do more, where http2 is offered", () =>
    Effect.gen(function* () {
      const material = yield* pki
      const server = yield* serve(material.server)
      yield* fetchWith(Tls.layer({ ...trusting(material), http2: true }), { url: server.url }, layer)
      expect((yield* server.requests)[0]?.tls?.httpVersion).toBe("1.1")
    })
  )
})

describe("on TLS 1.3, where a server looks at the client's certificate after the handshake", () => {
  const refusals: ReadonlyArray<readonly [name: string, client: (pki: Pki) => Tls.Options, hint: string]> = [
    ["no certificate", trusting, "none was sent"],
    [
      "a stranger's certificate",
      (pki) => ({
        ...trusting(pki),
        clientCertData: pki.strange.cert,
        clientKeyData: Redacted.make(pki.strange.key)
      }),
      "refused the client certificate"
    ]
  ]

  for (const [name, client, hint] of refusals) {
    it.scopedLive(`${name} is refused, and the error names the possibility`, () =>
      Effect.gen(function* () {
        const material = yield* pki
        const server = yield* serve(mutual(material))
        const error = yield* errorOf(fetchWith(Tls.layer(client(material)), { url: server.url }))
        // an alert tells the reason; a connection that was cut before it could be read tells none
        expect(["Certificate", "Network"]).toContain((error as FetchError).reason)
        expect((error as FetchError).retryable).toBe((error as FetchError).reason === "Network")
        expect(error.message).toContain(hint)
        expect(yield* server.requests).toEqual([])
      })
    )
  }
})

describe("FliptClient.layer", () => {
  it.scopedLive("connects by tlsConfig", () =>
    Effect.gen(function* () {
      const material = yield* pki
      const server = yield* serve(mutual(material))
      const tlsConfig = {
        ...trusting(material),
        clientCertData: material.client.cert,
        clientKeyData: Redacted.make(material.client.key)
      }
      const { enabled } = yield* FliptClient.evaluateBoolean({ flagKey: "on", entityId: "user-1" }).pipe(
        Effect.provide(FliptClient.layer({ url: server.url, tlsConfig }))
      )
      expect(enabled).toBe(true)
    })
  )
})
