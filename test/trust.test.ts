/**
 * Which roots are trusted in addition to a custom authority, in processes that start with `NODE_EXTRA_CA_CERTS`, and
 * what a connection leaves behind.
 */
import { execFile } from "node:child_process"
import * as Net from "node:net"
import * as NodeTls from "node:tls"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Tls from "../src/Tls.js"
import * as Folder from "./support/Folder.js"
import { listen } from "./support/Listener.js"
import { fetchWith, makeFetcher, pki, serve } from "./support/secure.js"
import { errorOf } from "./support/updates.js"
import { until } from "./support/wait.js"

const run = (variables: Readonly<Record<string, string>>) =>
  Effect.async<unknown, Error>((resume) => {
    const child = execFile(
      process.execPath,
      [fileURLToPath(new URL("./children/trust.mjs", import.meta.url))],
      { env: { ...process.env, ...variables }, timeout: 120_000 },
      (error, stdout, stderr) =>
        resume(
          error === null
            ? Effect.sync(() => JSON.parse(stdout.trim().split("\n").at(-1) ?? ""))
            : Effect.fail(new Error(`${error.message}\n${stdout}\n${stderr}`))
        )
    )
    return Effect.sync(() => child.kill())
  })

describe("the certificates of NODE_EXTRA_CA_CERTS", () => {
  const extra = Effect.gen(function* () {
    const { ours, server, stranger } = yield* pki
    const file = `${yield* Folder.make}/extra.crt`
    Folder.replace(file, ours.cert)
    const { url } = yield* serve(server)
    return { variables: { FLIPT_URL: url, NODE_EXTRA_CA_CERTS: file }, stranger: stranger.cert }
  })

  it.scopedLive("are trusted without TLS options", () =>
    Effect.gen(function* () {
      expect(yield* run((yield* extra).variables)).toEqual({ enabled: true })
    })
  )

  it.scopedLive("stay trusted in addition to a custom authority", () =>
    Effect.gen(function* () {
      const { stranger, variables } = yield* extra
      expect(yield* run({ ...variables, FLIPT_CA_CERT_DATA: stranger })).toEqual({ enabled: true })
    })
  )

  it.scopedLive("are not trusted with onlyCustomCa", () =>
    Effect.gen(function* () {
      const { stranger, variables } = yield* extra
      expect(yield* run({ ...variables, FLIPT_CA_CERT_DATA: stranger, FLIPT_ONLY_CUSTOM_CA: "true" })).toMatchObject({
        _tag: "FetchError",
        reason: "Certificate"
      })
    })
  )
})

it.scopedLive("NODE_TLS_REJECT_UNAUTHORIZED=0 applies, unless insecureSkipVerify is set to false", () =>
  Effect.gen(function* () {
    const { url } = yield* serve((yield* pki).itself)
    const variables = { FLIPT_URL: url, NODE_TLS_REJECT_UNAUTHORIZED: "0" }
    expect(yield* run(variables)).toEqual({ enabled: true })
    expect(yield* run({ ...variables, FLIPT_INSECURE_SKIP_VERIFY: "false" })).toMatchObject({ reason: "Certificate" })
  })
)

it.scopedLive("Node's own roots stay trusted in addition to a custom authority, unless onlyCustomCa is set", () =>
  Effect.gen(function* () {
    const { ours } = yield* pki
    const caOf = (options: Tls.Options) =>
      Tls.Tls.pipe(
        Effect.flatMap(({ connectionOptions }) => connectionOptions),
        Effect.map(({ ca }) => ca ?? []),
        Effect.provide(Tls.layer(options))
      )
    const all = yield* caOf({ caCertData: ours.cert })
    expect(all).toEqual(expect.arrayContaining([...NodeTls.rootCertificates, ours.cert]))
    expect(yield* caOf({ caCertData: ours.cert, onlyCustomCa: true })).toEqual([ours.cert])
  })
)

describe("a connection", () => {
  it.scopedLive(
    "that the server closes after a TLS 1.3 handshake fails with an error that mentions the missing client certificate",
    () =>
      Effect.gen(function* () {
        const { ours, server } = yield* pki
        const sockets: Array<Net.Socket> = []
        const cutting = NodeTls.createServer({ ...server })
        cutting.on("connection", (socket: Net.Socket) => sockets.push(socket))
        cutting.on("secureConnection", () => sockets.at(-1)?.resetAndDestroy())
        cutting.on("tlsClientError", () => {})
        const url = `https://127.0.0.1:${yield* listen(cutting)}`
        const error = yield* errorOf(fetchWith(Tls.layer({ caCertData: ours.cert }), { url }))
        expect(error).toMatchObject({ reason: "Network", retryable: true })
        expect(error.message).toContain("it may require a client certificate, and none was sent")
      })
  )

  it.scopedLive("that the server closes later fails without mentioning certificates", () =>
    Effect.gen(function* () {
      const { ours, server } = yield* pki
      const cutting = NodeTls.createServer({ ...server }, (socket) => {
        socket.on("error", () => {})
        socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", () => socket.destroy()))
      })
      const url = `https://127.0.0.1:${yield* listen(cutting)}`
      const error = yield* errorOf(fetchWith(Tls.layer({ caCertData: ours.cert }), { url }))
      expect(error).toMatchObject({ reason: "Network", retryable: true })
      expect(error.message).not.toContain("certificate")
    })
  )

  it.scopedLive("that is never answered ends with the scope", () =>
    Effect.gen(function* () {
      const open = new Set<Net.Socket>()
      const silent = Net.createServer((socket) => {
        open.add(socket.resume())
        socket.once("close", () => open.delete(socket))
      })
      const port = yield* listen(silent)
      for (const tls of [Tls.layerSystem, Tls.layer({ proxy: `http://127.0.0.1:${port}` })]) {
        const scope = yield* Scope.make()
        const fetcher = yield* Scope.extend(makeFetcher(tls, { url: `https://127.0.0.1:${port}` }), scope)
        const fiber = yield* Effect.fork(fetcher.fetch(Option.none()))
        yield* until(() => open.size === 1)
        yield* Scope.close(scope, Exit.void)
        yield* until(() => open.size === 0)
        yield* Fiber.interrupt(fiber)
      }
    })
  )

  it.scopedLive("that is idle ends with the scope, in any version of HTTP", () =>
    Effect.gen(function* () {
      const { ours, server } = yield* pki
      for (const http2 of [false, true]) {
        const running = yield* serve({ ...server, http2 })
        const scope = yield* Scope.make()
        const tls = Tls.layer({ caCertData: ours.cert, http2 })
        const fetcher = yield* Scope.extend(makeFetcher(tls, { url: running.url }), scope)
        yield* fetcher.fetch(Option.none())
        yield* running.awaitConnections(1)
        yield* Scope.close(scope, Exit.void)
        yield* running.awaitConnections(0)
      }
    })
  )
})
