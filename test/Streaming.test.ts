import * as Crypto from "node:crypto"
import * as Net from "node:net"
import * as Zlib from "node:zlib"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as TestClock from "effect/TestClock"
import * as Auth from "../src/Auth.js"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { FetchError } from "../src/FliptError.js"
import { reconnectSchedule, type StreamEnd } from "../src/internal/fetch/schedules.js"
import { version } from "../src/internal/util/version.js"
import type * as Status from "../src/Status.js"
import * as Tls from "../src/Tls.js"
import { onDocument } from "./support/documents.js"
import { engines } from "./support/engines.js"
import * as FliptServer from "./support/FliptServer.js"
import { listen } from "./support/Listener.js"
import { captured } from "./support/logs.js"
import * as Scripted from "./support/Scripted.js"
import { awaitSleepOf, turn, until, wakeUps } from "./support/sleepers.js"

interface Parts {
  readonly auth?: Layer.Layer<Auth.Auth>
  readonly engine?: Layer.Layer<Engine.Engine>
  readonly http?: Layer.Layer<HttpClient.HttpClient>
  readonly errorStrategy?: "fail" | "fallback"
}

/** What chance has it: a delay is this part of the longest, and the first poll comes after this part of an interval. */
const CHANCE = 0.7

const layerFetcher = (options: Fetcher.Options, { auth = Auth.layerNone, http }: Parts) =>
  Fetcher.layerStreaming({ requestTimeout: Number.POSITIVE_INFINITY, ...options }).pipe(
    Layer.provide([http ?? Layer.provide(Tls.layerHttpClient, Tls.layerSystem), auth])
  )

/** A client without retries that goes on in an outage. */
const makeClient = (options: Fetcher.Options, parts: Parts = {}, chance = CHANCE) =>
  Layer.build(
    FliptClient.layerWithoutDependencies({ errorStrategy: parts.errorStrategy ?? "fallback" }).pipe(
      Layer.provide([layerFetcher(options, parts), parts.engine ?? Engine.layerPortable])
    )
  ).pipe(
    Effect.map(Context.get(FliptClient.FliptClient)),
    Effect.provideService(Fetcher.RetryPolicy, Schedule.stop),
    Effect.withRandom(Random.fixed([chance]))
  )

/** The events of a Fetcher that a client with this version listens to; every refresh finds nothing new. */
const listenTo = (
  options: Fetcher.Options,
  parts: Parts & {
    readonly loaded?: Fetcher.Version
    readonly refresh?: Fetcher.Listener["refresh"]
    readonly handle?: (event: Fetcher.Event) => Effect.Effect<unknown>
  } = {}
) =>
  Effect.gen(function* () {
    const fetcher = Context.get(yield* Layer.build(layerFetcher(options, parts)), Fetcher.Fetcher)
    const events: Array<Fetcher.Event> = []
    yield* fetcher
      .events({
        loaded: Effect.succeed(Option.fromNullable(parts.loaded)),
        isPushed: Effect.succeed(false),
        isReady: Effect.succeed(parts.loaded !== undefined),
        refresh: parts.refresh ?? Effect.succeed(false)
      })
      .pipe(
        Stream.runForEach((event) =>
          Effect.suspend(() => {
            events.push(event)
            return parts.handle?.(event) ?? Effect.void
          })
        ),
        Effect.withRandom(Random.fixed([CHANCE])),
        Effect.forkScoped
      )
    return events
  })

const pushedIn = (events: ReadonlyArray<Fetcher.Event>): ReadonlyArray<string> =>
  events.flatMap((event) => (event._tag === "Pushed" ? [Buffer.concat([...event.bytes]).toString()] : []))

const failedIn = (events: ReadonlyArray<Fetcher.Event>): ReadonlyArray<FetchError> =>
  events.flatMap((event) => (event._tag === "Failed" ? [event.error] : []))

const isOn = (client: FliptClient.Service) =>
  Effect.map(client.evaluateBoolean({ flagKey: "on", entityId: "user-1" }), (result) => result.enabled)

/** The status as soon as it is so, whatever the clock says. */
const awaitStatus = (client: FliptClient.Service, holds: (status: Status.Status) => boolean) =>
  Effect.repeat(Effect.zipRight(turn, client.status), { until: (status) => holds(status) })

const awaitOn = (client: FliptClient.Service, enabled: boolean) =>
  Effect.repeat(Effect.zipRight(turn, isOn(client)), { until: (is) => is === enabled })

/** As long as something would take to happen that must not. */
const awhile = Effect.repeatN(turn, 50)

/** The watch beside a stream has begun. */
const settle = Effect.zipRight(awaitSleepOf(1000), TestClock.adjust(1000))

const yes = onDocument(true)
const no = onDocument(false)

const counting = () => {
  const counts = { authorized: 0, rejected: [] as Array<string | undefined> }
  const layer = Layer.succeed(Auth.Auth, {
    authorize: Effect.sync(() => Headers.fromInput({ authorization: `Bearer token-${++counts.authorized}` })),
    invalidate: (rejected) => Effect.sync(() => void counts.rejected.push(rejected.authorization))
  })
  return { counts, layer }
}

describe("the request for a stream", () => {
  it.scoped("is for the environment and the namespace, percent-encoded, below the path of the url", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const keys = ["a/b", "a b", "m\u00fcnchen", "100%", "%2F", "a?b#c&d=e", "\u65e5\u672c", "stream"]
      let count = 0
      for (const path of ["", "/flipt/eu%20west//"]) {
        for (const namespace of path === "" ? keys : keys.slice(0, 1)) {
          const environment = namespace.replaceAll(/[^!-~]/g, "_")
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* listenTo({ url: `${server.url}${path}`, environment, namespace, reference: "main" })
              const { request } = yield* server.awaitStreams(++count)
              expect(request.method).toBe("GET")
              expect(request.url).toBe(
                `${path.replace(/\/+$/, "")}/client/v2/environments/${encodeURIComponent(environment)}` +
                  `/namespaces/${encodeURIComponent(namespace)}/stream`
              )
            })
          )
        }
      }
    })
  )

  it.scoped("names what is loaded as the digest where that has 40 hex digits, and nothing else", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const digest = "0123456789abcdefABCD".repeat(2)
      const others = [
        undefined,
        "",
        digest.slice(1),
        `${digest}0`,
        digest.slice(8),
        `g${digest.slice(1)}`,
        `"${digest}"`,
        `W/"${digest}"`,
        `${digest}\n`,
        `${digest.slice(2)}%0`
      ]
      for (const [nth, loaded] of [digest, ...others].entries()) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* listenTo({ url: server.url }, loaded === undefined ? {} : { loaded })
            const { request } = yield* server.awaitStreams(nth + 1)
            expect(request.url?.slice(request.url.lastIndexOf("/")), `${loaded}`).toBe(
              nth === 0 ? `/stream?digest=${digest}` : "/stream"
            )
          })
        )
      }
    })
  )

  it.scoped("has the headers of every request, but no If-None-Match", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const auth = Auth.layerClientToken(Redacted.make("t0ken")).pipe(Layer.orDie)
      yield* listenTo(
        { url: server.url, environment: "staging", headers: { "X-Gateway-Key": Redacted.make("open sesame") } },
        { auth, loaded: server.etag() }
      )
      const { request } = yield* server.awaitStreams(1)
      expect(request.url).toContain("/environments/staging/")
      expect(request.headers).toMatchObject({
        accept: "application/json",
        authorization: "Bearer t0ken",
        "user-agent": `flipt-client-effect/${version}`,
        "x-flipt-accept-server-version": "1.47.0",
        "x-flipt-environment": "staging",
        "x-gateway-key": "open sesame"
      })
      expect(request.headers).not.toHaveProperty("if-none-match")
      expect(request.headers).not.toHaveProperty("traceparent")
    })
  )

  it.scoped("comes after a plain request, every time, and the first after the client's own", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      yield* makeClient({ url: server.url })
      for (const [nth, delay] of [700, 1400, 2800].entries()) {
        const stream = yield* server.awaitStreams(nth + 1)
        expect(server.order).toEqual(Array.from({ length: nth + 1 }, () => ["snapshot", "stream"]).flat())
        Scripted.write(stream, "\n")
        stream.response.end()
        yield* awaitSleepOf(delay)
        yield* TestClock.adjust(delay)
      }
    })
  )

  it.scoped("waits until a plain request was answered, where nothing is loaded yet", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      server.snapshot = Scripted.answer(500)
      const client = yield* makeClient({ url: server.url })
      yield* awaitSleepOf(700)
      expect(server.order).toEqual(["snapshot", "snapshot"])
      expect(yield* client.status).toMatchObject({ _tag: "Failed", mode: "streaming", connected: false })
      yield* TestClock.adjust(700)
      yield* awaitSleepOf(1400)
      expect(server.order).toEqual(["snapshot", "snapshot", "snapshot"])
      server.snapshot = undefined
      yield* TestClock.adjust(1400)
      const { request } = yield* server.awaitStreams(1)
      expect(request.url).toContain(`?digest=${server.etag()}`)
      expect(server.order).toEqual(["snapshot", "snapshot", "snapshot", "snapshot", "stream"])
      expect(yield* isOn(client)).toBe(true)
    })
  )
})

describe("a document that is pushed", () => {
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

  it.scoped("is the version that the next request asks about", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const client = yield* makeClient({ url: server.url })
      const stream = yield* server.awaitStreams(1)
      yield* TestClock.adjust(10)
      Scripted.write(stream, Scripted.frame(server.put(no)))
      const status = yield* awaitStatus(client, (it) => it._tag === "Ready" && it.version === server.etag())
      yield* awaitStatus(client, (it) => it.confirmedAt?.epochMillis === 10)
      expect(status.origin).toBe("server")
      expect(yield* client.refresh).toBe(false)
      expect(server.snapshots.at(-1)?.request.headers["if-none-match"]).toBe(server.etag())
    })
  )

  it.scoped("may come in any number of pieces", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const events = yield* listenTo({ url: server.url })
      const stream = yield* server.awaitStreams(1)
      const text = JSON.stringify(onDocument(true, "m\u00fcnchen \u65e5\ud83c\uddef"))
      for (const byte of Buffer.from(Scripted.frame(text))) {
        Scripted.write(stream, Uint8Array.of(byte))
        yield* turn
      }
      yield* until(() => pushedIn(events).length === 1)
      expect(pushedIn(events)).toEqual([text])
    })
  )

  it.scoped("may come with others in one piece, and all of them count, in this order", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const events = yield* listenTo({ url: server.url })
      const documents = ['{"n":1}', '{"n":2}', '{"n":3}']
      Scripted.write(yield* server.awaitStreams(1), `${documents.map(Scripted.frame).join("\r\n")}{"result":{"n":4}}`)
      yield* until(() => pushedIn(events).length === 3)
      yield* awhile
      expect(pushedIn(events)).toEqual(documents)
      expect(failedIn(events)).toEqual([])
    })
  )

  it.scoped("may have 16 megabytes", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
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
      Scripted.write(yield* server.awaitStreams(1), Scripted.frame(text))
      yield* until(() => hashes.length === 1)
      expect(text.length).toBeGreaterThan(16_000_000)
      expect(hashes).toEqual([hash([Buffer.from(text)])])
    })
  )

  it.scoped("comes at once when the stream is compressed", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const client = yield* makeClient({ url: server.url })
      const { request, response } = yield* server.awaitStreams(1)
      expect(request.headers["accept-encoding"]).toContain("gzip")
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
      const gzip = Zlib.createGzip()
      gzip.pipe(response)
      yield* Effect.addFinalizer(() => Effect.sync(() => gzip.destroy()))
      for (const document of [no, yes, no]) {
        gzip.write(Scripted.frame(server.put(document)))
        gzip.flush(Zlib.constants.Z_SYNC_FLUSH)
        yield* awaitOn(client, document === yes)
      }
    })
  )

  it.scoped("that has no end is never loaded, and the request before the next stream brings it", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const client = yield* makeClient({ url: server.url })
      const stream = yield* server.awaitStreams(1)
      const whole = Scripted.frame(server.put(no))
      Scripted.write(stream, whole.slice(0, -1))
      yield* awaitStatus(client, (status) => status.connected)
      stream.response.end()
      yield* awaitSleepOf(700)
      expect(yield* isOn(client)).toBe(true)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
      yield* TestClock.adjust(700)
      yield* server.awaitStreams(2)
      expect(yield* isOn(client)).toBe(false)
    })
  )

  it.scopedLive("when the server starts again in the middle of another is the one that counts", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const client = yield* makeClient({ url: server.url }, {}, 0.01)
      const first = yield* server.awaitStreams(1)
      Scripted.write(first, Scripted.frame(server.put(no)).slice(0, 60))
      yield* awaitStatus(client, (status) => status.connected)
      first.response.destroy()
      const second = yield* server.awaitStreams(2)
      expect(yield* isOn(client)).toBe(false)
      Scripted.write(second, Scripted.frame(server.put(yes)))
      yield* awaitOn(client, true)
    })
  )

  it.scoped("waits with all behind it until the one before is loaded: a slow client holds few in memory", () =>
    Effect.gen(function* () {
      let sent = 0
      const text = Scripted.frame(JSON.stringify({ filling: "x".repeat(1000) }))
      const body = () =>
        new ReadableStream<Uint8Array>(
          {
            pull: async (controller) => {
              await new Promise(setImmediate)
              sent++
              controller.enqueue(Buffer.from(text))
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
      yield* until(() => pushedIn(events).length === 1)
      yield* awhile
      expect(pushedIn(events)).toHaveLength(1)
      expect(sent).toBeLessThanOrEqual(5)
      yield* permits.release(100)
      yield* until(() => pushedIn(events).length === 101)
      yield* awhile
      expect(sent).toBeLessThanOrEqual(105)
    })
  )
})

describe("a line that is no document", () => {
  for (const [what, text, reason] of [
    ["garbage", "<html>", "Body"],
    ["cut short", '{"result":{"flags":[', "Body"],
    ["too large", Scripted.frame(JSON.stringify({ filling: "x".repeat(2000) })), "TooLarge"]
  ] as const) {
    it.scoped(`but ${what} is told and passed over, and one request is made at once that repairs it`, () =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(yes)
        const client = yield* makeClient({ url: server.url, maxBodySize: 1000 })
        const stream = yield* server.awaitStreams(1)
        const repairs: Array<Scripted.Exchange> = []
        server.snapshot = (exchange) => repairs.push(exchange)
        Scripted.write(stream, `${text}\n${text}\n${text}\n`)
        const status = yield* awaitStatus(client, (it) => it._tag === "Stale")
        expect(status).toMatchObject({ error: { _tag: "FetchError", reason }, mode: "streaming" })
        expect(yield* isOn(client)).toBe(true)
        yield* until(() => repairs.length === 1)
        Scripted.answer(304, "", { etag: server.etag() })(repairs[0] as Scripted.Exchange)
        yield* awaitStatus(client, (it) => it._tag === "Ready")
        yield* settle
        expect(repairs).toHaveLength(1)
        expect(server.streams).toHaveLength(1)
        Scripted.write(stream, Scripted.frame(server.put(no)))
        yield* awaitOn(client, false)
      })
    )
  }

  it.scoped("sets off a request again where a good one went before", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const events = yield* listenTo({ url: server.url })
      const stream = yield* server.awaitStreams(1)
      Scripted.write(stream, `bad\nbad\n${Scripted.frame("{}")}bad\n\nbad\n`)
      yield* until(() => failedIn(events).length === 4)
      expect(events.map(({ _tag }) => _tag).filter((tag) => tag !== "Mode")).toEqual([
        "Failed",
        "Check",
        "Failed",
        "Pushed",
        "Failed",
        "Check",
        "Failed"
      ])
    })
  )

  it.scoped("is not the only one to be repaired: so is a document that does not load", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const client = yield* makeClient({ url: server.url })
      const stream = yield* server.awaitStreams(1)
      server.put(no)
      Scripted.write(stream, Scripted.frame('{"flags":1}'))
      yield* awaitOn(client, false)
      yield* awaitStatus(client, (it) => it._tag === "Ready")
    })
  )

  it.scoped("may be blank, and says nothing", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const events = yield* listenTo({ url: server.url })
      Scripted.write(yield* server.awaitStreams(1), "\n\r\n  \n\t\r\n")
      Scripted.write(yield* server.awaitStreams(1), Scripted.frame("{}"))
      yield* until(() => pushedIn(events).length === 1)
      expect(failedIn(events)).toEqual([])
    })
  )

  it.scoped("has as many bytes in its document as maxBodySize, or is too large", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const text = JSON.stringify(yes)
      for (const [nth, maxBodySize] of [text.length, text.length - 1, 10].entries()) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const events = yield* listenTo({ url: server.url, maxBodySize })
            Scripted.write(yield* server.awaitStreams(nth + 1), Scripted.frame(text))
            yield* until(() => pushedIn(events).length + failedIn(events).length === 1)
            expect(failedIn(events).map((error) => error.reason)).toEqual(nth === 0 ? [] : ["TooLarge"])
          })
        )
      }
    })
  )

  it.scoped("but an error ends the stream, and another is opened", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(yes)
        const client = yield* makeClient({ url: server.url })
        const first = yield* server.awaitStreams(1)
        Scripted.write(first, '{"error":{"code":14,"message":"shutting\\ndown","details":[]}}\n')
        Scripted.write(first, Scripted.frame(JSON.stringify(no)))
        yield* awaitSleepOf(700)
        yield* until(() => !Scripted.isOpen(first))
        expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
        expect(yield* isOn(client)).toBe(true)
        expect(lines.filter((line) => /^Flipt.*shutting down/.test(line.message)).map((line) => line.level)).toEqual([
          "DEBUG"
        ])
        yield* TestClock.adjust(700)
        expect(Scripted.isOpen(yield* server.awaitStreams(2))).toBe(true)
      })
    )
  )

  it.scoped("shows no secret, though the server repeats what it was sent", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(yes)
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
          const stream = yield* server.awaitStreams(nth + 1)
          Scripted.write(stream, `${text}\n`)
          stream.response.end()
          yield* awaitSleepOf(delay)
          statuses.push(JSON.stringify(yield* client.status))
          yield* TestClock.adjust(delay)
          delay = Math.min(delay * 2, 21_000)
        }
        const stream = yield* server.awaitStreams(frames.length + 1)
        server.stream = Scripted.answer(401, JSON.stringify({ code: 16, details: secrets }))
        stream.response.end()
        yield* awaitSleepOf(delay)
        yield* TestClock.adjust(delay)
        yield* awaitSleepOf(delay)
        const said = [...lines.map((line) => line.message), ...statuses].join("\n")
        // as whoever reads it could
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

describe("a stream that is refused", () => {
  it.scoped("for its credential is asked for once more with another one", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      server.stream = ({ request, response }) => {
        if (request.headers.authorization === "Bearer token-2") {
          response.writeHead(401).end('{"error":{"code":16,"message":"request was not authenticated","details":[]}}\n')
        }
      }
      const { counts, layer } = counting()
      const client = yield* makeClient({ url: server.url }, { auth: layer })
      yield* server.awaitStreams(2)
      yield* settle
      yield* awaitStatus(client, (status) => status.connected)
      expect(counts).toEqual({ authorized: 3, rejected: ["Bearer token-2"] })
      expect(server.streams.map(({ request }) => request.headers.authorization)).toEqual([
        "Bearer token-2",
        "Bearer token-3"
      ])
      expect(Scripted.isOpen(server.streams[1]!)).toBe(true)
    })
  )

  it.scoped("for its credential is asked for no more than that without a pause", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      server.stream = Scripted.answer(401)
      const { counts, layer } = counting()
      yield* makeClient({ url: server.url }, { auth: layer })
      yield* awaitSleepOf(700)
      yield* awhile
      expect(server.streams).toHaveLength(2)
      expect(counts.rejected).toEqual(["Bearer token-2"])
    })
  )

  for (const status of [400, 401, 403, 429, 500]) {
    it.scoped(`with the status ${status} is asked for again, with one warning, and the state is current`, () =>
      captured((lines) =>
        Effect.gen(function* () {
          const server = yield* Scripted.make(yes)
          server.stream = Scripted.answer(status, '{"error":{"message":"not you"}}')
          const client = yield* makeClient({ url: server.url })
          for (const [nth, delay] of [700, 1400, 2800].entries()) {
            yield* awaitSleepOf(delay)
            expect(server.streams).toHaveLength(nth + 1)
            expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming", connected: false })
            server.put(nth % 2 === 0 ? no : yes)
            yield* TestClock.adjust(delay)
            yield* server.awaitStreams(nth + 2)
            expect(yield* isOn(client)).toBe(nth % 2 !== 0)
          }
          const warnings = lines.filter((line) => line.level === "WARN").map((line) => line.message)
          expect(warnings).toEqual([expect.stringMatching(new RegExp(`status ${status} .*not you`))])
        })
      )
    )
  }

  it.scoped("with a Retry-After is not asked for sooner, and no request is made before", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      server.stream = Scripted.answer(429, "", { "retry-after": "200" })
      yield* makeClient({ url: server.url })
      yield* awaitSleepOf(200_000)
      yield* TestClock.adjust(199_999)
      yield* awhile
      expect(server.order).toEqual(["snapshot", "stream"])
      yield* TestClock.adjust(1)
      yield* server.awaitStreams(2)
    })
  )

  it.scoped("by a server that knows neither the environment nor the stream is no sign that there are no streams", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(yes)
        const unknown = Scripted.answer(404, '{"code":5,"message":"environment: "x" not found","details":[]}')
        server.stream = (exchange) => {
          server.snapshot = unknown
          unknown(exchange)
        }
        const client = yield* makeClient({ url: server.url })
        yield* awaitSleepOf(700)
        expect(yield* client.status).toMatchObject({
          _tag: "Stale",
          mode: "streaming",
          connected: false,
          error: { reason: "NotFound", status: 404 }
        })
        yield* TestClock.adjust(700)
        yield* awaitSleepOf(1400)
        expect(server.streams).toHaveLength(1)
        server.snapshot = undefined
        server.stream = undefined
        yield* TestClock.adjust(1400)
        yield* server.awaitStreams(2)
        expect((yield* client.status)._tag).toBe("Ready")
        expect(lines.filter((line) => line.message.includes("has no streams"))).toEqual([])
      })
    )
  )

  it.scoped("is not one before which the request was refused", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(yes)
        const client = yield* makeClient({ url: server.url })
        const first = yield* server.awaitStreams(1)
        let requests = 0
        server.snapshot = (exchange) => {
          server.snapshot = ++requests < 2 ? server.snapshot : undefined
          Scripted.answer(404)(exchange)
        }
        first.response.destroy()
        for (const delay of [700, 1400, 2800]) {
          yield* awaitSleepOf(delay)
          expect(server.streams).toHaveLength(1)
          yield* TestClock.adjust(delay)
        }
        yield* server.awaitStreams(2)
        expect(requests).toBe(2)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming" })
        const warnings = lines.filter((line) => line.level === "WARN").map((line) => line.message)
        expect(warnings).toEqual([expect.stringContaining("not up to date")])
      })
    )
  )

  it.scoped("by a page in its place loads nothing, and is asked for again after a pause", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      server.stream = Scripted.answer(200, "<!doctype html>\n<p>Sign in\n", { "content-type": "text/html" })
      const client = yield* makeClient({ url: server.url })
      for (const delay of [700, 1400, 2800]) {
        yield* awaitSleepOf(delay)
        expect(yield* isOn(client)).toBe(true)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
        yield* TestClock.adjust(delay)
      }
    })
  )
})

describe("a server without streams", () => {
  it.scoped("such as v1 is polled, with one warning", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ version: "v1", documents: { default: yes } })
        const client = yield* makeClient({ url: server.url, updateInterval: "10 minutes" })
        yield* awaitStatus(client, (status) => status.mode === "polling")
        expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: true })
        // the client's own, the stream's, and one to be sure that the server knows the namespace
        expect(yield* server.requests).toHaveLength(3)
        yield* server.setDocument(no)
        yield* awaitSleepOf(420_000)
        yield* TestClock.adjust(419_999)
        yield* awhile
        expect(yield* server.requests).toHaveLength(3)
        yield* TestClock.adjust(1)
        yield* awaitOn(client, false)
        expect(yield* server.requests).toHaveLength(4)
        const warnings = lines.filter((line) => line.level === "WARN").map((line) => line.message)
        expect(warnings).toEqual([expect.stringContaining("has no streams and is polled")])
      })
    )
  )

  for (const status of [404, 405, 501]) {
    it.scoped(`that says so with ${status} is asked for one after about an hour, without another warning`, () =>
      captured((lines) =>
        Effect.gen(function* () {
          const server = yield* Scripted.make(yes)
          server.stream = Scripted.answer(status, "404 page not found\n", { "content-type": "text/plain" })
          const client = yield* makeClient({ url: server.url, updateInterval: Number.POSITIVE_INFINITY })
          const warnings = () => lines.filter((line) => line.level === "WARN")
          // between half an hour and one and a half
          const hour = (0.5 + CHANCE) * 3_600_000
          for (let asked = 1; asked <= 2; asked++) {
            yield* awaitSleepOf(hour)
            expect(yield* client.status).toMatchObject({ mode: "polling", connected: true })
            expect(server.streams).toHaveLength(asked)
            yield* TestClock.adjust(hour - 1)
            yield* awhile
            expect(server.streams).toHaveLength(asked)
            yield* TestClock.adjust(1)
            yield* server.awaitStreams(asked + 1)
          }
          expect(warnings()).toHaveLength(1)

          server.stream = undefined
          yield* awaitSleepOf(hour)
          yield* TestClock.adjust(hour)
          const stream = yield* server.awaitStreams(4)
          expect(yield* client.status).toMatchObject({ mode: "streaming", connected: false })
          Scripted.write(stream, "\n")
          yield* awaitStatus(client, (it) => it.mode === "streaming" && it.connected)
          Scripted.write(stream, Scripted.frame(server.put(no)))
          yield* awaitOn(client, false)
          expect(warnings()).toHaveLength(1)

          server.stream = Scripted.answer(status)
          stream.response.end()
          yield* until(() => !Scripted.isOpen(stream))
          yield* awaitStatus(client, (it) => !it.connected)
          yield* awaitSleepOf(700)
          yield* TestClock.adjust(700)
          yield* awaitStatus(client, (it) => it.mode === "polling")
          expect(warnings()).toHaveLength(2)
        })
      )
    )
  }
})

describe("a stream of which nothing is heard", () => {
  it.scoped("is left alone as long as requests find nothing new, and they confirm the state", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const client = yield* makeClient({ url: server.url })
      const stream = yield* server.awaitStreams(1)
      yield* settle
      yield* awaitSleepOf(84_000)
      let confirmed = 0
      for (let requests = 1; requests < 5; requests++) {
        expect(server.snapshots).toHaveLength(requests)
        // an interval, and a tenth of one
        yield* TestClock.adjust(132_000)
        yield* server.awaitSnapshots(requests + 1)
        yield* awaitStatus(client, (status) => (status.confirmedAt?.epochMillis ?? 0) > confirmed)
        confirmed = (yield* client.status).confirmedAt?.epochMillis ?? 0
        // the next sleep has begun
        yield* awhile
      }
      expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: true })
      expect(server.streams).toHaveLength(1)
      expect(Scripted.isOpen(stream)).toBe(true)
    })
  )

  it.scoped("and that has lost a change is found out within an interval, and opened again", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(yes)
        const client = yield* makeClient({ url: server.url, updateInterval: "1 minute" })
        const stream = yield* server.awaitStreams(1)
        yield* settle
        server.put(no)
        yield* awaitSleepOf(42_000)
        yield* TestClock.adjust(41_999)
        yield* awhile
        expect(yield* isOn(client)).toBe(true)
        yield* TestClock.adjust(1)
        yield* awaitOn(client, false)
        // the stream may still bring it
        yield* settle
        yield* until(() => !Scripted.isOpen(stream))
        yield* awaitSleepOf(700)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
        yield* TestClock.adjust(700)
        const { request } = yield* server.awaitStreams(2)
        expect(request.url).toContain(`?digest=${server.etag()}`)
        expect(lines.filter((line) => line.level === "WARN")).toEqual([])
      })
    )
  )

  for (const [what, answered] of [
    ["an application has asked for the change itself", true],
    ["the stream brings the change a moment later", false]
  ] as const) {
    it.scoped(`and where ${what} is ${answered ? "found out all the same" : "left alone"}`, () =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(yes)
        const client = yield* makeClient({ url: server.url, updateInterval: "1 minute" })
        const stream = yield* server.awaitStreams(1)
        yield* settle
        const text = server.put(no)
        if (answered) {
          expect(yield* client.refresh).toBe(true)
        }
        yield* awaitSleepOf(42_000)
        yield* TestClock.adjust(42_000)
        yield* awaitOn(client, false)
        yield* awaitSleepOf(1000)
        if (answered) {
          yield* TestClock.adjust(1000)
          yield* until(() => !Scripted.isOpen(stream))
        } else {
          const { confirmedAt } = yield* client.status
          yield* TestClock.adjust(500)
          Scripted.write(stream, Scripted.frame(text))
          yield* awaitStatus(client, (it) => String(it.confirmedAt) !== String(confirmedAt))
          yield* TestClock.adjust(500)
          yield* awhile
          expect(Scripted.isOpen(stream)).toBe(true)
        }
      })
    )
  }

  it.scoped("and whose server sends the same state again and again is left alone", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const client = yield* makeClient({ url: server.url, updateInterval: "1 minute" })
      const stream = yield* server.awaitStreams(1)
      yield* settle
      server.snapshot = Scripted.answer(200, server.put(yes), { etag: server.etag() })
      const { confirmedAt } = yield* client.status
      yield* awaitSleepOf(42_000)
      yield* TestClock.adjust(42_000)
      yield* server.awaitSnapshots(2)
      yield* awaitStatus(client, (it) => String(it.confirmedAt) !== String(confirmedAt))
      yield* awhile
      yield* TestClock.adjust("2 seconds")
      yield* awhile
      expect(Scripted.isOpen(stream)).toBe(true)
    })
  )

  it.scoped("since it is cut off and nobody says so is found out by the next change", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: yes } })
      const swallowed: Array<Net.Socket> = []
      let swallows = false
      const relay = Net.createServer((near) => {
        const far = Net.connect(server.port, "127.0.0.1")
        let streams = false
        const isSwallowed = () => swallows && streams
        near.on("data", (data) => {
          streams ||= data.includes("/stream")
          if (!isSwallowed()) far.write(data)
        })
        far.on("data", (data) => {
          if (isSwallowed()) swallowed.push(near)
          else near.write(data)
        })
        for (const [one, other] of [
          [near, far],
          [far, near]
        ] as const) {
          one.on("error", () => {})
          one.on("close", () => other.destroy())
        }
      })
      const url = `http://127.0.0.1:${yield* listen(relay)}`
      const client = yield* makeClient({ url, updateInterval: "1 minute" })
      yield* server.awaitRequests(2)
      yield* settle
      yield* server.setDocument(no)
      yield* awaitOn(client, false)
      swallows = true
      yield* server.setDocument(yes)
      yield* until(() => swallowed.length > 0)
      expect(yield* isOn(client)).toBe(false)
      swallows = false
      yield* awaitSleepOf(42_000)
      yield* TestClock.adjust(42_000)
      yield* awaitOn(client, true)
      yield* settle
      yield* awaitSleepOf(700)
      yield* TestClock.adjust(700)
      const requests = yield* server.awaitRequests(5)
      expect(requests.map((request) => request.path.endsWith("/stream"))).toEqual([false, true, false, false, true])
      yield* server.setDocument(no)
      yield* awaitOn(client, false)
    })
  )

  it.scoped("with an infinite interval is not asked about, and no timeout ends it", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const client = yield* makeClient({
        url: server.url,
        updateInterval: Number.POSITIVE_INFINITY,
        requestTimeout: "10 seconds"
      })
      const stream = yield* server.awaitStreams(1)
      yield* settle
      for (const document of [no, yes]) {
        yield* TestClock.adjust("3650 days")
        yield* awhile
        expect(server.order).toEqual(["snapshot", "stream"])
        expect(Scripted.isOpen(stream)).toBe(true)
        expect(yield* wakeUps).toEqual([])
        Scripted.write(stream, Scripted.frame(server.put(document)))
        yield* awaitOn(client, document === yes)
      }
    })
  )

  it.scoped("since its namespace was deleted is found out by the next request, and opened when that is back", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: yes } })
      const client = yield* makeClient({ url: server.url })
      yield* server.awaitRequests(2)
      yield* settle
      yield* server.removeNamespace()
      yield* awaitSleepOf(84_000)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: true })
      yield* TestClock.adjust(84_000)
      // a tenth of what the stream lived
      yield* awaitSleepOf(5950)
      expect(yield* client.status).toMatchObject({
        _tag: "Stale",
        mode: "streaming",
        connected: false,
        error: { reason: "NotFound", status: 404 }
      })
      yield* TestClock.adjust(5950)
      yield* awaitSleepOf(1400)
      yield* server.setDocument(no)
      yield* TestClock.adjust(1400)
      yield* awaitOn(client, false)
      yield* settle
      yield* awaitStatus(client, (status) => status._tag === "Ready" && status.connected)
      yield* server.setDocument(yes)
      yield* awaitOn(client, true)
    })
  )
})

describe("a client is connected", () => {
  it.scoped("from a second without news on, or with the head of the answer, until the stream ends", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      const client = yield* makeClient({ url: server.url })
      const first = yield* server.awaitStreams(1)
      yield* awaitSleepOf(1000)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming", connected: false })
      yield* TestClock.adjust(999)
      yield* awhile
      expect((yield* client.status).connected).toBe(false)
      yield* TestClock.adjust(1)
      yield* awaitStatus(client, (status) => status.connected)

      first.response.destroy()
      yield* awaitStatus(client, (status) => !status.connected)
      yield* awaitSleepOf(700)
      server.snapshot = Scripted.answer(503)
      yield* TestClock.adjust(700)
      yield* awaitSleepOf(1400)
      expect(yield* client.status).toMatchObject({ _tag: "Stale", connected: false })
      server.snapshot = undefined
      yield* TestClock.adjust(1400)
      const second = yield* server.awaitStreams(2)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
      Scripted.write(second, "\n")
      yield* awaitStatus(client, (status) => status.connected)
    })
  )
})

describe("a server that ends every stream at once", () => {
  it.scoped("is asked ever less often, and never in a hurry", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      server.stream = Scripted.answer(200)
      yield* makeClient({ url: server.url })
      let streams = 0
      for (const delay of [700, 1400, 2800, 5600, 11_200, 21_000, 21_000, 21_000]) {
        yield* awaitSleepOf(delay)
        yield* awhile
        expect(server.streams).toHaveLength(++streams)
        expect(server.snapshots).toHaveLength(streams)
        yield* TestClock.adjust(delay)
      }
    })
  )

  it.scoped("is asked again after a tenth of what a stream lived that was well", () =>
    Effect.gen(function* () {
      const server = yield* Scripted.make(yes)
      yield* makeClient({ url: server.url, updateInterval: Number.POSITIVE_INFINITY })
      let streams = 0
      for (const [lifetime, delay] of [
        [0, 700],
        [0, 1400],
        [59_999, 2800],
        [60_000, 4200],
        [0, 1400],
        [3_600_000, 21_000]
      ] as const) {
        const stream = yield* server.awaitStreams(++streams)
        yield* awaitSleepOf(1000)
        yield* TestClock.adjust(lifetime)
        stream.response.destroy()
        yield* awaitSleepOf(delay)
        yield* TestClock.adjust(delay)
      }
    })
  )

  it.scopedLive("or its connections, or is gone for a while, is listened to again", () =>
    captured(() =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: yes } })
        const client = yield* makeClient({ url: server.url }, {}, 0.01)
        yield* server.awaitRequests(2)
        yield* server.restart
        yield* server.awaitRequests(4)
        yield* server.setDocument(no)
        yield* awaitOn(client, false)
        yield* server.stop
        yield* awaitStatus(client, (status) => status._tag === "Stale" && !status.connected)
        yield* server.setDocument(yes)
        yield* server.start
        yield* awaitOn(client, true)
        yield* awaitStatus(client, (status) => status._tag === "Ready" && status.connected)
      })
    )
  )
})

describe("the delays between streams", () => {
  const failed = new FetchError({ reason: "Network", retryable: true, message: "over" })
  const ended = (lifetime: Duration.DurationInput | undefined, retryAfter?: Duration.DurationInput): StreamEnd => ({
    error:
      retryAfter === undefined
        ? failed
        : new FetchError({ ...failed, message: "over", retryAfter: Duration.decode(retryAfter) }),
    lifetime: lifetime === undefined ? Option.none() : Option.some(Duration.decode(lifetime))
  })

  const delaysOf = (inputs: ReadonlyArray<StreamEnd>, random: Random.Random) =>
    Effect.gen(function* () {
      const delays: Array<number> = []
      let state: unknown = reconnectSchedule.initial
      let now = 1_000_000
      for (const input of inputs) {
        const [next, , decision] = yield* reconnectSchedule.step(now, input, state)
        if (ScheduleDecision.isDone(decision)) {
          break
        }
        const start = ScheduleIntervals.start(decision.intervals)
        delays.push(start - now)
        state = next
        now = start
      }
      return delays
    }).pipe(Effect.withRandom(random))

  const times = (count: number, each: StreamEnd) => Array.from({ length: count }, () => each)
  const longest = Random.fixed([1])

  it.effect("double from a second up to half a minute, and go on for ever", () =>
    Effect.gen(function* () {
      for (const each of [ended(undefined), ended(0), ended("59999 millis")]) {
        expect((yield* delaysOf(times(8, each), longest)).map(Math.round)).toEqual([
          1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000
        ])
      }
      const many = yield* delaysOf(times(3000, ended(0)), longest)
      expect(many).toHaveLength(3000)
      expect(Math.max(...many)).toBeLessThanOrEqual(30_000)
      expect(yield* delaysOf(times(8, ended(0)), Random.fixed([0]))).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
    })
  )

  it.effect(
    "begin anew after a stream that was well for a minute, with a tenth of its life, and after nothing less",
    () =>
      Effect.gen(function* () {
        const delays = yield* delaysOf(
          [...times(3, ended(0)), ended("1 minute"), ended(undefined), ended("1 hour"), ended("59 seconds")],
          longest
        )
        expect(delays.map(Math.round)).toEqual([1000, 2000, 4000, 6000, 2000, 30_000, 2000])
      })
  )

  it.effect("are never shorter than Retry-After, and longer where they are", () =>
    Effect.gen(function* () {
      const inputs = [ended(0, "5 minutes"), ended(0, "1 second"), ended(undefined, "3 seconds"), ended(0)]
      expect((yield* delaysOf(inputs, longest)).map(Math.round)).toEqual([300_000, 2000, 4000, 8000])
      expect(yield* delaysOf(inputs, Random.fixed([0]))).toEqual([300_000, 1000, 3000, 0])
    })
  )

  it.effect("of many clients are spread evenly from nothing to the longest", () =>
    Effect.gen(function* () {
      const tenths = [1, 4, 30].map(() => Array.from({ length: 10 }, () => 0))
      for (let client = 0; client < 500; client++) {
        const delays = yield* delaysOf(times(6, ended(0)), Random.make(`client ${client}`))
        for (const [nth, [step, most]] of (
          [
            [0, 1000],
            [2, 4000],
            [5, 30_000]
          ] as const
        ).entries()) {
          const delay = delays[step]!
          expect(delay).toBeGreaterThanOrEqual(0)
          expect(delay).toBeLessThanOrEqual(most)
          tenths[nth]![Math.min(9, Math.floor((delay / most) * 10))]!++
        }
      }
      for (const count of tenths.flat()) {
        expect(count).toBeGreaterThan(25)
        expect(count).toBeLessThan(80)
      }
    })
  )
})

describe("the end of the scope leaves nothing behind", () => {
  /** Runs a client until the test says that it is where it is to be, closes it, and counts. */
  const closing = (
    what: string,
    begin: (server: Scripted.Scripted, client: FliptClient.Service) => Effect.Effect<unknown, unknown>,
    stream?: Scripted.Handler
  ) =>
    it.scoped(what, () =>
      Effect.gen(function* () {
        const server = yield* Scripted.make(yes)
        server.stream = stream
        const supervisor = yield* Supervisor.track
        const scope = yield* Scope.make()
        const client = yield* makeClient({ url: server.url }).pipe(Scope.extend(scope), Effect.supervised(supervisor))
        yield* begin(server, client)
        expect((yield* supervisor.value).length).toBeGreaterThan(0)
        yield* Scope.close(scope, Exit.void)
        yield* until(() => server.streams.every((stream) => !Scripted.isOpen(stream)))
        yield* Effect.repeat(Effect.zipRight(turn, supervisor.value), { until: (fibers) => fibers.length === 0 })
        const before = server.order.length
        yield* TestClock.adjust("1 day")
        yield* awhile
        expect(server.order).toHaveLength(before)
        expect(yield* client.status).toMatchObject({ error: { reason: "Closed" } })
      })
    )

  closing("of a stream whose answer has not begun", (server) => Effect.zipRight(server.awaitStreams(1), settle))

  closing("of a stream that is read", (server, client) =>
    Effect.gen(function* () {
      Scripted.write(
        yield* server.awaitStreams(1),
        Scripted.frame(server.put(no)) + Scripted.frame(server.put(yes)).slice(0, 30)
      )
      yield* awaitOn(client, false)
    })
  )

  closing("of a stream that waits to be opened again", (server) =>
    Effect.gen(function* () {
      const stream = yield* server.awaitStreams(1)
      stream.response.destroy()
      yield* awaitSleepOf(700)
    })
  )

  closing("of a stream before which a request is made", (server) =>
    Effect.gen(function* () {
      const stream = yield* server.awaitStreams(1)
      server.snapshot = () => {}
      stream.response.destroy()
      yield* awaitSleepOf(700)
      yield* TestClock.adjust(700)
      yield* server.awaitSnapshots(2)
    })
  )

  closing("of a stream beside which a request is made", (server) =>
    Effect.gen(function* () {
      yield* server.awaitStreams(1)
      server.snapshot = () => {}
      yield* settle
      yield* awaitSleepOf(84_000)
      yield* TestClock.adjust(84_000)
      yield* server.awaitSnapshots(2)
    })
  )

  closing(
    "of a server that is polled instead",
    (_, client) => awaitStatus(client, (status) => status.mode === "polling"),
    Scripted.answer(404)
  )

  it.scopedLive("of connections", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: yes } })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* makeClient({ url: server.url })
          yield* server.awaitRequests(2)
          yield* server.setDocument(no)
          yield* awaitOn(client, false)
          expect(yield* server.connections).toBeGreaterThan(0)
        })
      )
      yield* server.awaitConnections(0)
    })
  )

  it.scoped("of a connection that is not made yet", () =>
    Effect.gen(function* () {
      const counts = { asked: 0, interrupted: 0 }
      const http = Layer.sync(HttpClient.HttpClient, () =>
        HttpClient.make(() =>
          Effect.sync(() => counts.asked++).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => counts.interrupted++))
          )
        )
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const events = yield* listenTo({}, { http })
          yield* settle
          yield* until(() => counts.asked === 1 && events.length > 0)
          expect(events).toEqual([Fetcher.Event.Mode({ mode: "streaming", connected: true })])
        })
      )
      expect(counts).toEqual({ asked: 1, interrupted: 1 })
    })
  )
})
