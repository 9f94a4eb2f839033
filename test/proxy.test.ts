/**
 * Connections through a proxy, set by the option or by the usual environment variables.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { FetchError } from "../src/FliptError.js"
import { parseProxy, proxyFromEnvironment } from "../src/internal/net/proxy.js"
import * as Tls from "../src/Tls.js"
import { onDocument } from "./support/documents.js"
import { shown } from "./support/Exposure.js"
import * as FliptServer from "./support/FliptServer.js"
import { captured } from "./support/logs.js"
import * as Proxy from "./support/Proxy.js"
import { awaitStreams, fetchWith, makeStreaming, pki, pushTo, serve, streamWith } from "./support/secure.js"
import { errorOf } from "./support/updates.js"
import { until } from "./support/wait.js"

const names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"] as const

/** Until the Scope ends, these are the only proxy variables of the process. */
const setVariables = (
  variables: Partial<Record<(typeof names)[number], string>>
): Effect.Effect<void, never, Scope.Scope> => {
  const set = (values: Partial<Record<(typeof names)[number], string | undefined>>) => {
    for (const name of names) {
      delete process.env[name]
      const value = values[name]
      if (value !== undefined) {
        process.env[name] = value
      }
    }
  }
  return Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const before = Object.fromEntries(names.map((name) => [name, process.env[name]]))
        set(variables)
        return before
      }),
      (before) => Effect.sync(() => set(before))
    )
  )
}

const plain = FliptServer.make({ documents: { default: onDocument(true) } })

describe("the option proxy", () => {
  it.scopedLive("sends every TLS connection through a tunnel, encrypted end to end with the server", () =>
    Effect.gen(function* () {
      yield* setVariables({ NO_PROXY: "*" })
      const { client, ours, server: certificate } = yield* pki
      const server = yield* serve({ ...certificate, ca: ours.cert, requestCert: true, http2: true })
      const proxy = yield* Proxy.make()
      for (const http2 of [false, true]) {
        const tls = Tls.layer({
          caCertData: ours.cert,
          clientCertData: client.cert,
          clientKeyData: Redacted.make(client.key),
          proxy: proxy.url,
          http2
        })
        expect((yield* fetchWith(tls, { url: server.url }))._tag).toBe("Document")
        expect((yield* server.requests).at(-1)?.tls).toMatchObject({
          client: "client",
          httpVersion: http2 ? "2.0" : "1.1"
        })
      }
      const target = `CONNECT 127.0.0.1:${server.port}`
      expect(proxy.asked).toEqual([target, target])
      yield* until(() => proxy.tunnels.size === 0)
    })
  )

  for (const http2 of [false, true]) {
    it.scopedLive(`sends streams through the tunnel too, over HTTP/${http2 ? "2.0" : "1.1"}`, () =>
      Effect.gen(function* () {
        yield* setVariables({ NO_PROXY: "*" })
        const { client, ours, server: certificate } = yield* pki
        const server = yield* serve({ ...certificate, ca: ours.cert, requestCert: true, http2: true })
        const proxy = yield* Proxy.make({ credential: "someone:s3cret" })
        const tlsConfig = {
          caCertData: ours.cert,
          clientCertData: client.cert,
          clientKeyData: Redacted.make(client.key),
          proxy: proxy.url,
          http2
        }
        yield* streamWith({ url: server.url, tlsConfig }, server)
        const [stream] = yield* awaitStreams(server, 1)
        expect(stream?.tls).toMatchObject({ client: "client", httpVersion: http2 ? "2.0" : "1.1" })
        expect(proxy.asked).toEqual([`CONNECT 127.0.0.1:${server.port}`])
        yield* until(() => proxy.tunnels.size === 0)
      })
    )
  }

  it.scopedLive("forwards streams of a server without TLS, and ends them", () =>
    Effect.gen(function* () {
      const server = yield* plain
      const proxy = yield* Proxy.make()
      yield* streamWith({ url: `http://flipt.test:${server.port}`, tlsConfig: { proxy: proxy.url } }, server)
      expect(proxy.asked.map((line) => /(\w+)(?:\?.*)?$/.exec(line)?.[1])).toEqual(["default", "stream"])
    })
  )

  it.scopedLive("whose tunnels broke gets a new one from a streaming client", () =>
    captured(() =>
      Effect.gen(function* () {
        const { ours, server: certificate } = yield* pki
        const server = yield* serve(certificate)
        const proxy = yield* Proxy.make()
        const tlsConfig = { caCertData: ours.cert, proxy: proxy.url }
        const client = yield* makeStreaming({ url: server.url, tlsConfig, errorStrategy: "fallback" }).pipe(
          Effect.withRandom(Random.fixed([0.02]))
        )
        yield* awaitStreams(server, 1)
        yield* pushTo(client, server)
        for (const tunnel of proxy.tunnels) {
          tunnel.destroy()
        }
        yield* awaitStreams(server, 2)
        yield* pushTo(client, server)
        expect(proxy.asked.length).toBeGreaterThan(1)
      })
    )
  )

  it.scopedLive("does not make a server trusted", () =>
    Effect.gen(function* () {
      const { ours, strangeServer } = yield* pki
      const server = yield* serve(strangeServer)
      const proxy = yield* Proxy.make()
      const error = yield* errorOf(
        fetchWith(Tls.layer({ caCertData: ours.cert, proxy: proxy.url }), { url: server.url })
      )
      expect(error).toMatchObject({ reason: "Certificate", retryable: false })
      yield* until(() => proxy.tunnels.size === 0)
    })
  )

  it.scopedLive("may have a user and a password, which only the proxy receives", () =>
    Effect.gen(function* () {
      const { ours, server: certificate } = yield* pki
      const proxy = yield* Proxy.make({ credential: "someone:s3cret" })
      for (const server of [yield* serve(certificate), yield* plain]) {
        yield* fetchWith(Tls.layer({ caCertData: ours.cert, proxy: proxy.url }), { url: server.url })
        expect(shown(yield* server.requests)).not.toMatch(/proxy-authorization|c29tZW9uZTpzM2NyZXQ/i)
      }
    })
  )

  it.scopedLive("gets a user without a password, a password without a user, and nothing where there is neither", () =>
    Effect.gen(function* () {
      const { ours, server: certificate } = yield* pki
      const basic = (credential: string) => `Basic ${Buffer.from(credential).toString("base64")}`
      for (const server of [yield* serve(certificate), yield* plain]) {
        const proxy = yield* Proxy.make()
        for (const credential of ["someone@", ":s3cret@", "a%40b:s%3A3@", ""]) {
          const url = `http://${credential}127.0.0.1:${proxy.port}`
          yield* fetchWith(Tls.layer({ caCertData: ours.cert, proxy: url }), { url: server.url })
        }
        expect(proxy.authorizations).toEqual([basic("someone:"), basic(":s3cret"), basic("a@b:s:3"), undefined])
      }
    })
  )

  it.scopedLive("that refuses the user is an error that says so, without the password", () =>
    Effect.gen(function* () {
      const { ours, server: certificate } = yield* pki
      const server = yield* serve(certificate)
      const { port } = yield* Proxy.make({ credential: "someone:else" })
      const tls = Tls.layer({ caCertData: ours.cert, proxy: `http://someone:s3cret@127.0.0.1:${port}` })
      const error = yield* errorOf(fetchWith(tls, { url: server.url }))
      expect(error).toMatchObject({ reason: "Network" })
      expect(error.message).toContain(`the proxy 127.0.0.1:${port}: it answered status 407 to CONNECT`)
      expect(error.message).toContain("add a user and a password to the URL of the proxy")
      expect(shown(error)).not.toContain("s3cret")
    })
  )

  it.scopedLive("that does not answer is an error that names it", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(Proxy.make())
      for (const url of ["https://flipt.test", "http://flipt.test"]) {
        const tls = Tls.layer({ proxy: `http://someone:s3cret@127.0.0.1:${port}` })
        const error = yield* errorOf(fetchWith(tls, { url }))
        expect(error).toMatchObject({ reason: "Network", retryable: true })
        expect(error.message).toContain(`the proxy 127.0.0.1:${port}: `)
        expect(shown(error)).not.toContain("s3cret")
      }
    })
  )

  it.scopedLive("can use TLS, and is verified like the server", () =>
    Effect.gen(function* () {
      const { ours, server: certificate, stranger, strangeServer } = yield* pki
      const server = yield* serve(certificate)
      const proxy = yield* Proxy.make({ tls: strangeServer })
      const caCertData = `${ours.cert}\n${stranger.cert}`
      yield* fetchWith(Tls.layer({ caCertData, proxy: proxy.url }), { url: server.url })
      yield* fetchWith(Tls.layer({ caCertData, proxy: proxy.url }), { url: (yield* plain).url })
      expect(proxy.asked).toHaveLength(2)

      const error = yield* errorOf(
        fetchWith(Tls.layer({ caCertData: ours.cert, proxy: proxy.url }), { url: server.url })
      )
      expect(error).toMatchObject({ reason: "Certificate", retryable: false })
      expect(error.message).toContain(`the proxy 127.0.0.1:${proxy.port}: `)
    })
  )

  it.scopedLive("never receives the client's certificate", () =>
    Effect.gen(function* () {
      const { client, ours, server: certificate } = yield* pki
      const server = yield* serve({ ...certificate, ca: ours.cert, requestCert: true })
      const proxy = yield* Proxy.make({ tls: certificate })
      const tls = Tls.layer({
        caCertData: ours.cert,
        clientCertData: client.cert,
        clientKeyData: Redacted.make(client.key),
        proxy: proxy.url
      })
      yield* fetchWith(tls, { url: server.url })
      expect((yield* server.requests).at(-1)?.tls).toMatchObject({ client: "client" })
      yield* fetchWith(tls, { url: (yield* plain).url })
      expect(proxy.asked).toHaveLength(2)
      expect(proxy.certificates).toEqual([])
    })
  )

  it.scopedLive("forwards requests for a server without TLS", () =>
    Effect.gen(function* () {
      const server = yield* plain
      const proxy = yield* Proxy.make()
      const url = `http://flipt.test:${server.port}`
      const update = yield* fetchWith(Tls.layer({ proxy: proxy.url }), { url, headers: { "x-mine": "1" } })
      expect(update._tag).toBe("Document")
      expect(proxy.asked).toEqual([`GET ${url}/internal/v1/evaluation/snapshot/namespace/default`])
      expect((yield* server.requests)[0]?.headers).toMatchObject({ host: `flipt.test:${server.port}`, "x-mine": "1" })
    })
  )
})

describe("the variables of the process", () => {
  const tls = Effect.map(pki, ({ ours }) => Tls.layer({ caCertData: ours.cert }))

  for (const name of ["HTTPS_PROXY", "https_proxy"] as const) {
    it.scopedLive(`${name} applies to https URLs, not to http URLs`, () =>
      Effect.gen(function* () {
        const proxy = yield* Proxy.make()
        yield* setVariables({ [name]: proxy.url })
        const server = yield* serve((yield* pki).server)
        yield* fetchWith(yield* tls, { url: server.url })
        expect(proxy.asked).toEqual([`CONNECT 127.0.0.1:${server.port}`])
        yield* fetchWith(Tls.layerSystem, { url: (yield* plain).url })
        expect(proxy.asked).toHaveLength(1)
      })
    )
  }

  for (const name of ["HTTP_PROXY", "http_proxy"] as const) {
    it.scopedLive(`${name} applies to http URLs, not to https URLs`, () =>
      Effect.gen(function* () {
        const proxy = yield* Proxy.make()
        yield* setVariables({ [name]: proxy.url })
        const server = yield* plain
        yield* fetchWith(Tls.layerSystem, { url: server.url })
        expect(proxy.asked).toEqual([`GET ${server.url}/internal/v1/evaluation/snapshot/namespace/default`])
        yield* fetchWith(yield* tls, { url: (yield* serve((yield* pki).server)).url })
        expect(proxy.asked).toHaveLength(1)
      })
    )
  }

  it.scopedLive("NO_PROXY bypasses the proxy", () =>
    Effect.gen(function* () {
      const proxy = yield* Proxy.make()
      yield* setVariables({ HTTPS_PROXY: proxy.url, NO_PROXY: "example.com, 127.0.0.0/8" })
      yield* fetchWith(yield* tls, { url: (yield* serve((yield* pki).server)).url })
      expect(proxy.asked).toEqual([])
    })
  )

  it.scopedLive("that are not the URL of a proxy are an error that names them, and never bypass the proxy", () =>
    Effect.gen(function* () {
      yield* setVariables({ HTTPS_PROXY: "socks5://someone:s3cret@proxy", http_proxy: "ftp://someone:s3cret@proxy" })
      const server = yield* serve((yield* pki).server)
      const http = yield* plain
      const errors = [
        yield* errorOf(fetchWith(yield* tls, { url: server.url })),
        yield* errorOf(fetchWith(Tls.layerSystem, { url: http.url }))
      ]
      for (const [index, name] of ["HTTPS_PROXY", "http_proxy"].entries()) {
        expect((errors[index] as FetchError).message).toContain(`the environment variable ${name} must be`)
        expect(shown(errors[index])).not.toContain("s3cret")
      }
      expect([...(yield* server.requests), ...(yield* http.requests)]).toEqual([])
    })
  )
})

describe("NO_PROXY", () => {
  const isDirect = (noProxy: string, url: string): boolean =>
    proxyFromEnvironment({ HTTPS_PROXY: "proxy:3128", NO_PROXY: noProxy }, new URL(url), () => false) === undefined

  it.each([
    ["*", "https://flipt.example.com", true],
    ["flipt.example.com", "https://flipt.example.com", true],
    ["FLIPT.example.com", "https://flipt.EXAMPLE.com", true],
    ["example.com", "https://flipt.example.com", true],
    [".example.com", "https://flipt.example.com", true],
    ["*.example.com", "https://flipt.example.com", true],
    ["a.test,example.com", "https://flipt.example.com", true],
    ["a.test example.com", "https://flipt.example.com", true],
    ["example.com:443", "https://flipt.example.com", true],
    ["example.com:8443", "https://flipt.example.com", false],
    ["ample.com", "https://flipt.example.com", false],
    ["example.com.test", "https://flipt.example.com", false],
    ["flipt", "https://flipt.example.com", false],
    ["10.0.0.1", "https://10.0.0.1", true],
    ["10.0.0.1", "https://10.0.0.10", false],
    ["::1", "https://[::1]", true],
    ["[::1]:8443", "https://[::1]:8443", true],
    ["[::1]:8443", "https://[::1]", false],
    ["", "https://flipt.example.com", false]
  ])("%s: %s bypasses the proxy: %s", (noProxy, url, expected) => {
    expect(isDirect(noProxy, url)).toBe(expected)
  })

  it("is read after its lower-case form, like all variables, and counts as unset if empty", () => {
    const proxyOf = (variables: Record<string, string>, url: string) =>
      proxyFromEnvironment(variables, new URL(url), () => false)?.host
    expect(proxyOf({ HTTPS_PROXY: "a:1", https_proxy: "b:1" }, "https://x.test")).toBe("b:1")
    expect(proxyOf({ HTTPS_PROXY: "a:1", https_proxy: "" }, "https://x.test")).toBe("a:1")
    expect(proxyOf({ HTTP_PROXY: "a:1" }, "https://x.test")).toBeUndefined()
    expect(proxyOf({ HTTPS_PROXY: "a:1", NO_PROXY: "x.test", no_proxy: "y.test" }, "https://x.test")).toBe("a:1")
    expect(proxyOf({}, "https://x.test")).toBeUndefined()
  })
})

describe("a proxy's URL", () => {
  it.each([
    ["http://proxy:3128", "http://proxy:3128/"],
    ["proxy.example.com:3128", "http://proxy.example.com:3128/"],
    ["https://user:p%40ss@proxy", "https://user:p%40ss@proxy/"],
    ["http://[::1]:3128/", "http://[::1]:3128/"],
    ["socks5://proxy", undefined],
    ["http://proxy/path", undefined],
    ["http://proxy?x", undefined],
    [" http://proxy", undefined],
    ["http://", undefined],
    ["http://u:%ff%@proxy", undefined]
  ])("%s is read as %s", (text, expected) => {
    expect(parseProxy(text)?.href).toBe(expected)
  })
})
