/**
 * Certificates that the platform renews while the program runs.
 */
import { rmSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import type * as Fetcher from "../src/Fetcher.js"
import * as Tls from "../src/Tls.js"
import type * as FliptServer from "./support/FliptServer.js"
import * as Folder from "./support/Folder.js"
import { captured } from "./support/logs.js"
import { awaitStreams, makeFetcher, makeStreaming, pki, pushTo, serve } from "./support/secure.js"
import { untilOf } from "./support/wait.js"

/** Fetches over a new connection, after the server has closed all others. */
const fetchAnew = (server: FliptServer.Server, fetcher: Fetcher.Service) =>
  Effect.zipRight(server.restart, fetcher.fetch(Option.none())).pipe(
    // a request may still use a connection that is already closed
    Effect.retry({ while: ({ retryable }) => retryable, schedule: Schedule.recurs(10) })
  )

const lastClient = (server: FliptServer.Server) =>
  Effect.map(server.requests, (requests) => requests.at(-1)?.tls?.client)

describe("a new connection", () => {
  it.scopedLive("trusts a new authority in the file", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const material = yield* pki
        const file = `${yield* Folder.make}/ca.crt`
        Folder.replace(file, material.ours.cert)
        const server = yield* serve(material.server)
        const tls = Tls.layer({ caCertFile: file, reloadInterval: "1 millis" })
        const fetcher = yield* makeFetcher(tls, { url: server.url })
        yield* fetcher.fetch(Option.none())

        yield* server.setCertificate(material.strangeServer)
        expect(yield* Effect.flip(fetchAnew(server, fetcher))).toMatchObject({ reason: "Certificate" })

        Folder.replace(file, material.stranger.cert)
        expect((yield* fetchAnew(server, fetcher))._tag).toBe("Document")
        expect(lines.filter(({ level }) => level !== "DEBUG")).toEqual([
          { level: "INFO", message: expect.stringContaining("the certificates have changed") }
        ])

        yield* server.setCertificate(material.server)
        expect(yield* Effect.flip(fetchAnew(server, fetcher))).toMatchObject({ reason: "Certificate" })
      })
    )
  )

  it.scopedLive("sends a new client certificate, and keeps sending it while the files are invalid", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const { client, clientBelow, ours, server: certificate } = yield* pki
        const folder = yield* Folder.make
        const put = (cert: string, key: string) => {
          Folder.replace(`${folder}/client.crt`, cert)
          Folder.replace(`${folder}/client.key`, key)
        }
        const warnings = () => lines.filter(({ level }) => level === "WARN").map(({ message }) => message)
        put(client.cert, client.key)
        const server = yield* serve({ ...certificate, ca: ours.cert, requestCert: true })
        const tls = Tls.layer({
          caCertData: ours.cert,
          clientCertFile: `${folder}/client.crt`,
          clientKeyFile: `${folder}/client.key`,
          reloadInterval: "1 millis"
        })
        const fetcher = yield* makeFetcher(tls, { url: server.url })
        yield* fetcher.fetch(Option.none())
        expect(yield* lastClient(server)).toBe("client")

        // the new key is not there yet
        put(clientBelow.cert, client.key)
        yield* fetchAnew(server, fetcher)
        yield* fetchAnew(server, fetcher)
        expect(yield* lastClient(server)).toBe("client")
        expect(warnings()).toEqual([expect.stringMatching(/clientKeyFile does not match .* the previous ones/)])

        put(clientBelow.cert, "garbled")
        yield* fetchAnew(server, fetcher)
        yield* fetchAnew(server, fetcher)
        expect(yield* lastClient(server)).toBe("client")
        expect(warnings()).toHaveLength(2)

        put(clientBelow.cert, clientBelow.key)
        yield* fetchAnew(server, fetcher)
        expect(yield* lastClient(server)).toBe("client below")
        expect(warnings()).toHaveLength(2)

        rmSync(`${folder}/client.key`)
        yield* fetchAnew(server, fetcher)
        yield* fetchAnew(server, fetcher)
        expect(yield* lastClient(server)).toBe("client below")
        expect(warnings()).toHaveLength(3)
      })
    )
  )
})

describe("a client that streams", () => {
  /**
   * A client over mutual TLS with files and an open stream, and an effect that cuts the stream and awaits the next one.
   */
  const start = (http2: boolean) =>
    Effect.gen(function* () {
      const { client, ours, server: certificate, stranger } = yield* pki
      const folder = yield* Folder.make
      const put = (name: string, content: string) => Folder.replace(`${folder}/${name}`, content)
      put("ca.crt", ours.cert)
      put("client.crt", client.cert)
      put("client.key", client.key)
      const server = yield* serve({
        ...certificate,
        ca: `${ours.cert}\n${stranger.cert}`,
        requestCert: true,
        http2
      })
      const flipt = yield* makeStreaming({
        url: server.url,
        errorStrategy: "fallback",
        tlsConfig: {
          caCertFile: `${folder}/ca.crt`,
          clientCertFile: `${folder}/client.crt`,
          clientKeyFile: `${folder}/client.key`,
          reloadInterval: "1 millis",
          http2
        }
      }).pipe(Effect.withRandom(Random.fixed([0.02])))
      yield* awaitStreams(server, 1)
      const streams = Effect.map(server.requests, (requests) =>
        requests.flatMap(({ path, tls }) => (path.endsWith("/stream") ? [`${tls?.client} ${tls?.httpVersion}`] : []))
      )
      const reopened = (count: number) => Effect.zipRight(awaitStreams(server, count), pushTo(flipt, server))
      return { flipt, put, reopened, server, streams }
    })

  for (const http2 of [false, true]) {
    const version = http2 ? "2.0" : "1.1"
    describe(`over HTTP/${version}`, () => {
      it.scopedLive(
        "keeps its stream while everything is renewed, and opens the next one with the new certificates",
        () =>
          captured((lines) =>
            Effect.gen(function* () {
              const { strange, strangeServer, stranger } = yield* pki
              const { flipt, put, reopened, server, streams } = yield* start(http2)
              put("ca.crt", stranger.cert)
              put("client.crt", strange.cert)
              put("client.key", strange.key)
              yield* server.setCertificate(strangeServer)
              yield* pushTo(flipt, server)
              expect(yield* streams).toEqual([`client ${version}`])
              expect(yield* server.accepted).toBe(1)

              yield* server.restart
              yield* reopened(2)
              expect(yield* streams).toEqual([`client ${version}`, `strange ${version}`])
              expect(lines.filter(({ message }) => message.includes("the certificates have changed"))).toHaveLength(1)
            })
          )
      )

      it.scopedLive("keeps the old certificates while the new ones are invalid, and warns once", () =>
        captured((lines) =>
          Effect.gen(function* () {
            const { clientBelow } = yield* pki
            const { flipt, put, reopened, server, streams } = yield* start(http2)
            put("client.crt", clientBelow.cert)
            yield* pushTo(flipt, server)
            for (const count of [2, 3]) {
              yield* server.restart
              yield* reopened(count)
            }
            const warnings = lines.filter(({ message }) => message.includes("new connections use the previous ones"))
            expect(warnings.map(({ level }) => level)).toEqual(["WARN"])

            put("client.key", clientBelow.key)
            yield* server.restart
            yield* reopened(4)
            expect(yield* streams).toEqual([
              ...Array.from({ length: 3 }, () => `client ${version}`),
              `client below ${version}`
            ])
          })
        )
      )

      it.scopedLive("recovers once the server's new authority is trusted", () =>
        captured(() =>
          Effect.gen(function* () {
            const { strangeServer, stranger } = yield* pki
            const { flipt, put, reopened, server } = yield* start(http2)
            yield* server.setCertificate(strangeServer)
            yield* server.restart
            const status = yield* untilOf(flipt.status, ({ _tag }) => _tag === "Stale")
            expect(status).toMatchObject({ error: { reason: "Certificate" } })
            expect((yield* server.requests).filter(({ path }) => path.endsWith("/stream"))).toHaveLength(1)
            put("ca.crt", stranger.cert)
            yield* reopened(2)
          })
        )
      )
    })
  }
})

describe("reloadInterval", () => {
  const make = (options: Tls.Options) =>
    Effect.map(Layer.build(Tls.layer(options)), (context) => Context.get(context, Tls.Tls).connectionOptions)

  it.scoped("is one minute by default, and with Infinity files are never read again", () =>
    captured(() =>
      Effect.gen(function* () {
        const { ours, stranger } = yield* pki
        const caCertFile = `${yield* Folder.make}/ca.crt`
        Folder.replace(caCertFile, ours.cert)
        yield* TestClock.setTime(Date.now())
        const usual = yield* make({ caCertFile })
        const longer = yield* make({ caCertFile, reloadInterval: "2 minutes" })
        const never = yield* make({ caCertFile, reloadInterval: Number.POSITIVE_INFINITY })
        const first = [yield* usual, yield* longer, yield* never]

        Folder.replace(caCertFile, stranger.cert)
        yield* TestClock.adjust("59999 millis")
        expect([yield* usual, yield* longer, yield* never]).toEqual(first)

        yield* TestClock.adjust("1 millis")
        expect((yield* usual).ca).toContain(stranger.cert)
        expect((yield* usual).ca).not.toContain(ours.cert)
        expect(yield* longer).toBe(first[1])

        yield* TestClock.adjust("1 minute")
        expect((yield* longer).ca).toContain(stranger.cert)
        yield* TestClock.adjust("365 days")
        expect(yield* never).toBe(first[2])
      })
    )
  )

  it.scoped("does not apply while the files are invalid, so that the next connection uses repaired ones", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const { ours, stranger } = yield* pki
        const caCertFile = `${yield* Folder.make}/ca.crt`
        Folder.replace(caCertFile, ours.cert)
        yield* TestClock.setTime(Date.now())
        const options = yield* make({ caCertFile })
        const first = yield* options
        Folder.replace(caCertFile, "the first half")
        yield* TestClock.adjust("1 minute")
        expect(yield* options).toBe(first)
        expect(yield* options).toBe(first)
        expect(lines.map(({ level }) => level)).toEqual(["WARN"])
        Folder.replace(caCertFile, stranger.cert)
        expect((yield* options).ca).toContain(stranger.cert)
      })
    )
  )

  it.scoped("also applies if the clock is set back", () =>
    captured(() =>
      Effect.gen(function* () {
        const { ours, stranger } = yield* pki
        const caCertFile = `${yield* Folder.make}/ca.crt`
        Folder.replace(caCertFile, ours.cert)
        yield* TestClock.setTime(Date.now())
        const options = yield* make({ caCertFile })
        Folder.replace(caCertFile, stranger.cert)
        yield* TestClock.setTime(Date.now() - 3_600_000)
        expect((yield* options).ca).toContain(stranger.cert)
      })
    )
  )

  it.scoped(
    "does not replace the options while the files are unchanged, and concurrent connections read them once",
    () =>
      captured((lines) =>
        Effect.gen(function* () {
          const { client, expiredClient } = yield* pki
          const folder = yield* Folder.make
          const clientCertFile = `${folder}/client.crt`
          Folder.replace(clientCertFile, client.cert)
          Folder.replace(`${folder}/client.key`, client.key)
          yield* TestClock.setTime(Date.now())
          const options = yield* make({ clientCertFile, clientKeyFile: `${folder}/client.key` })
          const first = yield* options
          yield* TestClock.adjust("1 hour")
          expect(yield* options).toBe(first)

          Folder.replace(clientCertFile, expiredClient.cert)
          Folder.replace(`${folder}/client.key`, expiredClient.key)
          yield* TestClock.adjust("1 minute")
          const [second, ...others] = yield* Effect.all(
            Array.from({ length: 10 }, () => options),
            { concurrency: "unbounded" }
          )
          expect(Redacted.value(second?.key as Redacted.Redacted)).toBe(expiredClient.key.trim())
          for (const other of others) {
            expect(other).toBe(second)
          }
          expect(lines.map(({ level }) => level)).toEqual(["WARN", "INFO"])
          expect(lines[0]?.message).toContain("expired on")
        })
      )
  )
})
