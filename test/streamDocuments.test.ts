/**
 * The content of a stream: documents and other lines.
 */
import * as Crypto from "node:crypto"
import * as Zlib from "node:zlib"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Auth from "../src/Auth.js"
import * as FliptClient from "../src/FliptClient.js"
import { onDocument } from "./support/documents.js"
import { engines } from "./support/engines.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { captured } from "./support/logs.js"
import {
  awaitOn,
  awaitStatus,
  failedIn,
  isOn,
  line,
  listenTo,
  makeClient,
  no,
  pushedIn,
  scripted,
  yes
} from "./support/streaming.js"
import { awaitSleepOf, awhile, turn, until } from "./support/wait.js"

describe("a pushed document", () => {
  for (const [name, engine] of engines) {
    it.scopedLive(`is loaded by the ${name} engine, each time`, () =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: yes } })
        const client = yield* makeClient({ url: server.url }, { engine })
        yield* server.awaitRequests(2)
        for (const document of [no, yes, no]) {
          yield* server.setDocument(document)
          yield* awaitOn(client, document === yes)
        }
        yield* awaitStatus(client, (status) => status._tag === "Ready" && status.connected)
        expect(yield* server.requests).toHaveLength(2)
      })
    )
  }

  it.scopedLive("is loaded by a client with the fetchMode streaming", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({
        documents: { shop: onDocument(true, "shop") },
        token: { kind: "jwt", value: "t0ken" }
      })
      const client = yield* FliptClient.make({
        url: server.url,
        namespace: "shop",
        fetchMode: "streaming",
        authentication: { jwtToken: Redacted.make("t0ken") }
      })
      yield* server.awaitRequests(2)
      yield* server.setDocument(onDocument(false, "shop"), { namespace: "shop" })
      yield* awaitOn(client, false)
      expect(yield* client.status).toMatchObject({ mode: "streaming", connected: true, origin: "server" })
    })
  )

  it.scoped("becomes the version of the next conditional request", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const client = yield* makeClient({ url: server.url })
      const stream = yield* server.awaitStreamRequests(1)
      yield* TestClock.adjust(10)
      yield* server.setDocument(no)
      stream.push(no)
      const status = yield* awaitStatus(client, (it) => it._tag === "Ready" && it.version === FliptServer.digestOf(no))
      yield* awaitStatus(client, (it) => it.confirmedAt?.epochMillis === 10)
      expect(status.origin).toBe("server")
      expect(yield* client.refresh).toBe(false)
      expect(server.snapshots.at(-1)?.headers["if-none-match"]).toBe(FliptServer.digestOf(no))
    })
  )

  it.scoped("may arrive in any number of pieces", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const events = yield* listenTo({ url: server.url })
      const stream = yield* server.awaitStreamRequests(1)
      const text = JSON.stringify(onDocument(true, "m\u00fcnchen \u65e5\ud83c\uddef"))
      for (const byte of Buffer.from(line(text))) {
        stream.write(Uint8Array.of(byte))
        yield* turn
      }
      yield* until(() => pushedIn(events).length === 1)
      expect(pushedIn(events)).toEqual([text])
    })
  )

  it.scoped("may share a piece with others, and the newest pending one counts", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const events = yield* listenTo({ url: server.url })
      const documents = ['{"n":1}', '{"n":2}', '{"n":3}']
      const stream = yield* server.awaitStreamRequests(1)
      stream.write(`${documents.map(line).join("\r\n")}{"result":{"n":4}`)
      yield* until(() => pushedIn(events).includes(documents[2]!))
      stream.write("}\n")
      yield* until(() => pushedIn(events).includes('{"n":4}'))
      expect(pushedIn(events)).toEqual(['{"n":3}', '{"n":4}'])
      expect(failedIn(events)).toEqual([])
    })
  )

  it.scoped("may be 16 megabytes large", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const hash = (bytes: ReadonlyArray<Uint8Array>) => {
        const sum = Crypto.createHash("sha1")
        for (const chunk of bytes) {
          sum.update(chunk)
        }
        return sum.digest("hex")
      }
      const text = JSON.stringify({ flags: [], noise: Crypto.randomBytes(12_600_000).toString("base64") })
      const hashes: Array<string> = []
      yield* listenTo(
        { url: server.url },
        {
          handle: (event) =>
            Effect.sync(() => {
              if (event._tag === "Pushed") {
                hashes.push(hash(event.bytes))
              }
            })
        }
      )
      const stream = yield* server.awaitStreamRequests(1)
      stream.write(line(text))
      yield* until(() => hashes.length === 1)
      expect(text.length).toBeGreaterThan(16_000_000)
      expect(hashes).toEqual([hash([Buffer.from(text)])])
    })
  )

  it.scoped("arrives without delay on a compressed stream", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const client = yield* makeClient({ url: server.url })
      const { request, response } = yield* server.awaitStreamRequests(1)
      expect(request.headers["accept-encoding"]).toContain("gzip")
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
      const gzip = Zlib.createGzip()
      gzip.pipe(response)
      yield* Effect.addFinalizer(() => Effect.sync(() => gzip.destroy()))
      for (const document of [no, yes, no]) {
        yield* server.setDocument(document)
        gzip.write(FliptServer.frame(document))
        gzip.flush(Zlib.constants.Z_SYNC_FLUSH)
        yield* awaitOn(client, document === yes)
      }
    })
  )

  it.scoped("that is cut short is not loaded; the request before the next stream returns it", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const client = yield* makeClient({ url: server.url })
      const stream = yield* server.awaitStreamRequests(1)
      yield* server.setDocument(no)
      stream.write(FliptServer.frame(no).subarray(0, -1))
      yield* awaitStatus(client, (status) => status.connected)
      stream.end()
      yield* awaitSleepOf(700)
      expect(yield* isOn(client)).toBe(true)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
      yield* TestClock.adjust(700)
      yield* server.awaitStreamRequests(2)
      expect(yield* isOn(client)).toBe(false)
    })
  )

  it.scopedLive("on a new stream replaces an incomplete one of the old stream", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const client = yield* makeClient({ url: server.url }, {}, 0.01)
      const first = yield* server.awaitStreamRequests(1)
      yield* server.setDocument(no)
      first.write(FliptServer.frame(no).subarray(0, 60))
      yield* awaitStatus(client, (status) => status.connected)
      first.destroy()
      const second = yield* server.awaitStreamRequests(2)
      expect(yield* isOn(client)).toBe(false)
      yield* server.setDocument(yes)
      second.push(yes)
      yield* awaitOn(client, true)
    })
  )

  it.scoped("replaces a pending one, so a slow client skips states and keeps few in memory", () =>
    Effect.gen(function* () {
      let sent = 0
      const filling = "x".repeat(1000)
      const body = () =>
        new ReadableStream<Uint8Array>(
          {
            pull: async (controller) => {
              await new Promise(setImmediate)
              sent++
              controller.enqueue(Buffer.from(line(JSON.stringify({ sent, filling }))))
            }
          },
          { highWaterMark: 0 }
        )
      const http = Layer.sync(HttpClient.HttpClient, () =>
        HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response(body()))))
      )
      const permits = yield* Effect.makeSemaphore(0)
      const events = yield* listenTo(
        { url: "http://127.0.0.1:1" },
        { http, handle: (event) => (event._tag === "Pushed" ? permits.take(1) : Effect.void) }
      )
      yield* until(() => pushedIn(events).length === 1 && sent > 100)
      expect(pushedIn(events)).toHaveLength(1)
      const before = sent
      yield* permits.release(1)
      yield* until(() => pushedIn(events).length === 2)
      expect(JSON.parse(pushedIn(events)[1]!).sent).toBeGreaterThanOrEqual(before - 1)
    })
  )
})

describe("a line that is not a document", () => {
  for (const [what, text, reason] of [
    ["garbage", "<html>", "Body"],
    ["cut short", '{"result":{"flags":[', "Body"],
    ["too large", line(JSON.stringify({ filling: "x".repeat(2000) })), "TooLarge"]
  ] as const) {
    it.scoped(`(${what}) is reported and skipped, and one immediate request repairs the state`, () =>
      Effect.gen(function* () {
        const server = yield* scripted
        const client = yield* makeClient({ url: server.url, maxBodySize: 1000 })
        const stream = yield* server.awaitStreamRequests(1)
        const repairs: Array<Fault.Exchange> = []
        yield* server.failSnapshots(Fault.own((exchange) => repairs.push(exchange)))
        stream.write(`${text}\n${text}\n${text}\n`)
        const status = yield* awaitStatus(client, (it) => it._tag === "Stale")
        expect(status).toMatchObject({ error: { _tag: "FetchError", reason }, mode: "streaming" })
        expect(yield* isOn(client)).toBe(true)
        yield* until(() => repairs.length === 1)
        repairs[0]!.proceed()
        yield* awaitStatus(client, (it) => it._tag === "Ready")
        yield* TestClock.adjust("2 seconds")
        yield* awhile
        expect(repairs).toHaveLength(1)
        expect(server.streams).toHaveLength(1)
        yield* server.setDocument(no)
        stream.push(no)
        yield* awaitOn(client, false)
      })
    )
  }

  it.scoped("is reported once in a sequence, and again after a good line", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const events = yield* listenTo({ url: server.url })
      const stream = yield* server.awaitStreamRequests(1)
      const sent = ["Mode"]
      for (const [text, tag] of [
        ["bad\nbad\n", "Failed"],
        [line("{}"), "Pushed"],
        ["bad\n\nbad\n", "Failed"]
      ] as const) {
        stream.write(text)
        sent.push(tag)
        yield* until(() => events.length === sent.length)
      }
      yield* awhile
      expect(events.map(({ _tag }) => _tag)).toEqual(sent)
    })
  )

  it.scoped("is repaired by a request, and so is a document that does not load", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const client = yield* makeClient({ url: server.url })
      const stream = yield* server.awaitStreamRequests(1)
      yield* server.setDocument(no)
      stream.write(line('{"flags":1}'))
      yield* awaitOn(client, false)
      yield* awaitStatus(client, (it) => it._tag === "Ready")
    })
  )

  it.scoped("is ignored if it is blank", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const events = yield* listenTo({ url: server.url })
      const stream = yield* server.awaitStreamRequests(1)
      stream.write("\n\r\n  \n\t\r\n")
      stream.write(line("{}"))
      yield* until(() => pushedIn(events).length === 1)
      expect(failedIn(events)).toEqual([])
    })
  )

  it.scoped("is too large if its document has more bytes than maxBodySize", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const text = JSON.stringify(yes)
      for (const [nth, maxBodySize] of [text.length, text.length - 1, 10].entries()) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const events = yield* listenTo({ url: server.url, maxBodySize })
            const stream = yield* server.awaitStreamRequests(nth + 1)
            stream.write(line(text))
            yield* until(() => pushedIn(events).length + failedIn(events).length === 1)
            expect(failedIn(events).map((error) => error.reason)).toEqual(nth === 0 ? [] : ["TooLarge"])
          })
        )
      }
    })
  )

  it.scoped("ends the stream if it is an error, and another stream is opened", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* scripted
        const client = yield* makeClient({ url: server.url })
        const first = yield* server.awaitStreamRequests(1)
        first.write('{"error":{"code":14,"message":"shutting\\ndown","details":[]}}\n')
        first.push(no)
        yield* awaitSleepOf(700)
        yield* until(() => !first.isOpen())
        expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
        expect(yield* isOn(client)).toBe(true)
        expect(lines.filter((line) => /^Flipt.*shutting down/.test(line.message)).map((line) => line.level)).toEqual([
          "DEBUG"
        ])
        yield* TestClock.adjust(700)
        expect((yield* server.awaitStreamRequests(2)).isOpen()).toBe(true)
      })
    )
  )

  it.scoped("reveals no secret, even if the server repeats the request", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* scripted
        const secrets = ["t0ken-of-mine", 'open "sesame\\', "caf\u00e9 key"]
        const auth = Auth.layerClientToken(Redacted.make(secrets[0]!)).pipe(Layer.orDie)
        const client = yield* makeClient(
          {
            url: server.url,
            headers: { "x-key": Redacted.make(secrets[1]!), "x-other": Redacted.make(secrets[2]!) }
          },
          { auth }
        )
        const echo = secrets.join(" and ")
        const frames = [
          JSON.stringify({ error: { code: 16, message: echo, details: [] } }),
          JSON.stringify({ error: { code: 16, details: secrets } }),
          JSON.stringify({ error: echo }),
          `{"error":{"details":["${[...echo].map((it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"]}}`,
          `{"error":${echo}`,
          echo,
          JSON.stringify({ result: echo }),
          `{"result":{"${secrets[0]}`
        ]
        const statuses: Array<string> = []
        let delay = 700
        for (const [nth, text] of frames.entries()) {
          const stream = yield* server.awaitStreamRequests(nth + 1)
          stream.write(`${text}\n`)
          stream.end()
          yield* awaitSleepOf(delay)
          statuses.push(JSON.stringify(yield* client.status))
          yield* TestClock.adjust(delay)
          delay = Math.min(delay * 2, 21_000)
        }
        const stream = yield* server.awaitStreamRequests(frames.length + 1)
        yield* server.failStreams(Fault.status(401, { body: JSON.stringify({ code: 16, details: secrets }) }))
        stream.end()
        yield* awaitSleepOf(delay)
        yield* TestClock.adjust(delay)
        yield* awaitSleepOf(delay)
        const said = [...lines.map((line) => line.message), ...statuses].join("\n")
        // like a reader of the message could
        const read = said.replaceAll(/\\u([0-9a-f]{4})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)))
        const told = `${said}\n${read}`
        expect(told).toContain("<redacted>")
        for (const secret of secrets) {
          expect(told).not.toContain(secret)
          expect(told).not.toContain(JSON.stringify(secret).slice(1, -1))
        }
      })
    )
  )
})
