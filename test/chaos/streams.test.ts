/**
 * Failing streams, as seen by the application.
 */
import * as Crypto from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as Auth from "../../src/Auth.js"
import * as Engine from "../../src/Engine.js"
import * as Fetcher from "../../src/Fetcher.js"
import * as FliptClient from "../../src/FliptClient.js"
import * as Clients from "../support/clients.js"
import { booleanFlag, makeDocument, onDocument } from "../support/documents.js"
import * as Fault from "../support/Fault.js"
import * as FliptServer from "../support/FliptServer.js"
import * as HandMade from "../support/handMade.js"
import { captured, type Line } from "../support/logs.js"
import { afterGc } from "../support/memory.js"
import * as Relay from "../support/Relay.js"
import { turn, until, untilOf } from "../support/wait.js"

const { awaitOn, isOn, warnings } = Clients

/** Longer than any test, so that polls do not repair anything. */
const seldom = "1 days"

/** A server whose streams send only what the test writes, with one document for other requests. */
const scripted = (document: object) => FliptServer.make({ streams: "scripted", documents: { default: document } })

/** The result of evaluations during an outage. */
const during = ({ strategy }: Clients.Kind, last: boolean) => (strategy === "fail" ? "Unavailable" : last)

/** Evaluates continuously, and returns the set of all results. */
const watching = (client: FliptClient.Service) =>
  Effect.gen(function* () {
    const seen = new Set<unknown>()
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.delay(
          Effect.map(isOn(client), (value) => seen.add(value)),
          "5 millis"
        )
      )
    )
    return seen
  })

const isConnected = (client: FliptClient.Service, connected: boolean) =>
  untilOf(client.status, (status) => status.connected === connected)

/** The levels of the client's log lines with this text. */
const levels = (log: ReadonlyArray<Line>, text: string) =>
  log.filter(({ message }) => message.startsWith("Flipt") && message.includes(text)).map(({ level }) => level)

/** A client on the TestClock, whose requests are answered immediately. */
const scriptedClient = (answer: (url: URL, known: string | undefined) => Response, strategy: Clients.Strategy) =>
  Effect.map(
    Layer.build(
      FliptClient.layerWithoutDependencies({ errorStrategy: strategy }).pipe(
        Layer.provide([Engine.layerPortable, Fetcher.layerStreaming({ url: "http://flipt.test" })]),
        Layer.provide([HandMade.layer(answer), Auth.layerNone])
      )
    ),
    Context.get(FliptClient.FliptClient)
  )

const documentAnswer = (document: object, known: string | undefined): Response => {
  const etag = FliptServer.digestOf(document)
  return known === etag
    ? new Response(null, { status: 304, headers: { etag } })
    : new Response(JSON.stringify(document), { headers: { etag } })
}

describe("a stream that always ends immediately", () => {
  it.live("keeps the state current through the requests in between, and causes no outage", () =>
    Clients.forEach(Clients.kinds, (kind, log) =>
      Effect.gen(function* () {
        const server = yield* scripted(onDocument(true))
        yield* server.failStreams(Fault.status(200, { body: "" }))
        const client = yield* Clients.make(kind, { url: server.url, updateInterval: seldom })
        const seen = yield* watching(client)
        yield* until(() => server.streams.length >= 2)
        yield* server.setDocument(onDocument(false))
        yield* awaitOn(client, false)
        yield* isConnected(client, false)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming" })
        yield* until(() => seen.size > 1)
        expect([...seen].sort()).toEqual([false, true])
        expect(warnings(log)).toEqual([])
        expect(yield* server.connections).toBeLessThanOrEqual(2)
        // one request before each stream
        expect(Math.abs(server.snapshots.length - server.streams.length)).toBeLessThanOrEqual(1)
        expect(server.streams.length).toBeLessThan(15)
      })
    )
  )

  it.scoped("never causes a hot loop, however it ends", () =>
    Effect.gen(function* () {
      let document = onDocument(true)
      const whole = () => FliptServer.frame(document)
      const endings = [() => new Uint8Array(0), whole, () => whole().subarray(0, 50)]
      const clients = yield* Effect.forEach(endings, (ending, index) =>
        Effect.gen(function* () {
          const counts = { gets: 0, streams: 0 }
          const client = yield* scriptedClient((url, known) => {
            if (!url.pathname.endsWith("/stream")) {
              counts.gets++
              return documentAnswer(document, known)
            }
            counts.streams++
            // lets the test end even if there is a hot loop
            return new Response(counts.streams > 200 ? new ReadableStream() : Buffer.from(ending()))
          }, "fail").pipe(Effect.withRandom(Random.make(`seed ${index}`)))
          return { client, counts }
        })
      )
      yield* HandMade.pass(60, "1 seconds")
      const minute = clients.map(({ counts }) => counts.streams)
      for (const { counts } of clients) {
        expect(counts.streams).toBeGreaterThanOrEqual(3)
        expect(counts.streams).toBeLessThanOrEqual(20)
        expect(counts.gets).toBeLessThanOrEqual(counts.streams + 2)
      }
      document = onDocument(false)
      yield* HandMade.pass(2, "30 seconds")
      for (const { client } of clients) {
        expect(yield* isOn(client)).toBe(false)
      }
      // the client keeps reconnecting, and not faster than before
      yield* HandMade.pass(6, "30 seconds")
      for (const [index, { counts }] of clients.entries()) {
        expect(counts.streams - minute[index]!).toBeGreaterThanOrEqual(4)
        expect(counts.streams - minute[index]!).toBeLessThanOrEqual(50)
      }
    })
  )
})

it.live("a stream that goes silent is detected by a request, and replaced", () =>
  Clients.forEach(Clients.kinds, (kind, log) =>
    Effect.gen(function* () {
      const server = yield* scripted(onDocument(false))
      const client = yield* Clients.make(kind, { url: server.url, updateInterval: "100 millis" })
      const seen = yield* watching(client)
      yield* until(() => server.streams.length === 1)
      // at once, so that no poll receives the old document after the push
      yield* server.setDocument(onDocument(true))
      server.streams[0]!.push(onDocument(true))
      yield* awaitOn(client, true)
      yield* isConnected(client, true)
      // some polls that find nothing new: silence alone is not a fault
      const checked = server.snapshots.length
      yield* until(() => server.snapshots.length >= checked + 3)
      expect(server.streams.length).toBe(1)
      yield* server.setDocument(onDocument(false))
      yield* awaitOn(client, false)
      yield* until(() => server.streams.length === 2)
      expect(server.streams[1]!.digest).toBe(FliptServer.digestOf(onDocument(false)))
      yield* server.setDocument(onDocument(true))
      server.streams[1]!.push(onDocument(true))
      yield* awaitOn(client, true)
      expect((yield* client.status)._tag).toBe("Ready")
      yield* until(() => seen.size > 1)
      expect([...seen].sort()).toEqual([false, true])
      expect(warnings(log)).toEqual([])
      expect(levels(log, "the stream missed a change")[0]).toBe("DEBUG")
      yield* until(Effect.map(server.connections, (count) => count <= 2))
    })
  )
)

it.live("a stream error frame ends the stream without an outage", () =>
  Clients.forEach(Clients.kinds, (kind, log) =>
    Effect.gen(function* () {
      const server = yield* scripted(onDocument(true))
      const client = yield* Clients.make(kind, { url: server.url, updateInterval: seldom })
      const seen = yield* watching(client)
      yield* until(() => server.streams.length === 1)
      server.streams[0]!.push(onDocument(false))
      yield* awaitOn(client, false)
      yield* server.setDocument(onDocument(false))
      // the server does not end the response, so the client must close it
      server.streams[0]!.write('{"error":{"code":14,"message":"going away","details":[]}}\n')
      yield* until(() => server.streams.length === 2)
      expect(server.streams[1]!.digest).toBe(FliptServer.digestOf(onDocument(false)))
      server.streams[1]!.push(onDocument(true))
      yield* awaitOn(client, true)
      yield* isConnected(client, true)
      expect((yield* client.status)._tag).toBe("Ready")
      yield* until(() => seen.size > 1)
      expect([...seen].sort()).toEqual([false, true])
      expect(warnings(log)).toEqual([])
      expect(levels(log, "going away")).toEqual(["DEBUG"])
      yield* until(Effect.map(server.connections, (count) => count <= 2))
    })
  )
)

describe("a half-open stream", () => {
  /** What is frozen, and how it ends. */
  const cases = [
    ["the existing connections", (relay: Relay.Relay) => relay.freeze(), () => {}],
    ["the whole peer", (relay: Relay.Relay) => relay.vanish(true), (relay: Relay.Relay) => relay.vanish(false)]
  ] as const

  it.live("is detected by an unanswered request, and replaced once the network recovers", () =>
    Effect.forEach(
      cases,
      ([, begin, end]) =>
        Clients.forEach(Clients.kindsOfOneEngine, (kind, log) =>
          Effect.gen(function* () {
            const server = yield* scripted(onDocument(true))
            const relay = yield* Relay.make(server.port)
            const client = yield* Clients.make(kind, {
              url: relay.url,
              updateInterval: "200 millis",
              requestTimeout: "5 seconds"
            })
            yield* until(() => server.streams.length === 1)
            server.streams[0]!.push(onDocument(true))
            // the stream uses the connection of the first request, and the polls use another one
            yield* until(() => server.snapshots.length >= 3 && relay.connections() === 2)
            const before = yield* isConnected(client, true)
            const { length } = server.streams
            begin(relay)
            yield* server.setDocument(onDocument(false))
            const stale = yield* untilOf(client.status, ({ _tag }) => _tag === "Stale")
            expect(stale).toMatchObject({ error: { _tag: "FetchError", reason: "Timeout" } })
            expect(stale.confirmedAt?.epochMillis).toBeGreaterThanOrEqual(before.confirmedAt?.epochMillis ?? 0)
            expect(yield* isOn(client)).toBe(during(kind, true))
            end(relay)
            yield* awaitOn(client, false)
            yield* until(() => server.streams.length > length)
            server.streams.at(-1)!.push(onDocument(true))
            yield* awaitOn(client, true)
            yield* untilOf(client.status, ({ _tag, connected }) => _tag === "Ready" && connected)
            expect(warnings(log)[0]).toMatch(/no response within/)
            expect(warnings(log).length).toBe(log.filter(({ level }) => level === "INFO").length)
            // the half-open connections are closed
            yield* until(() => relay.connections() <= 2)
            expect(relay.made()).toBeLessThan(10)
          })
        ),
      { concurrency: "unbounded", discard: true }
    )
  )
})

it.live("a server restart in the middle of a frame loses only that frame", () =>
  Clients.forEach(Clients.kinds, (kind, log) =>
    Effect.gen(function* () {
      const large = makeDocument([
        booleanFlag("on", true),
        ...Array.from({ length: 500 }, (_, index) => booleanFlag(`flag-${index}`, true))
      ])
      const server = yield* scripted(onDocument(true))
      const client = yield* Clients.make(kind, { url: server.url, updateInterval: seldom })
      yield* until(() => server.streams.length === 1)
      const [stream] = server.streams
      stream!.push(onDocument(false))
      yield* awaitOn(client, false)
      const frame = FliptServer.frame(large)
      stream!.write(frame.subarray(0, frame.length - 10))
      yield* until(() => stream!.unsent() === 0)
      yield* server.stop
      const stale = yield* untilOf(client.status, ({ _tag }) => _tag === "Stale")
      expect(stale).toMatchObject({ connected: false, error: { _tag: "FetchError", reason: "Network" } })
      expect(yield* isOn(client)).toBe(during(kind, false))
      yield* server.setDocument(large)
      yield* server.start
      yield* awaitOn(client, true)
      expect((yield* client.listFlags).length).toBe(501)
      yield* until(() => server.streams.length === 2)
      // the incomplete frame does not affect the next one
      server.streams[1]!.push(onDocument(false))
      yield* awaitOn(client, false)
      expect((yield* client.status)._tag).toBe("Ready")
      expect(warnings(log)).toHaveLength(1)
      expect(log.filter(({ level }) => level === "INFO")).toHaveLength(1)
    })
  )
)

it.live("of two documents in one chunk, the last one stays", () =>
  Clients.forEach(Clients.kinds, (kind, log) =>
    Effect.gen(function* () {
      const server = yield* scripted(makeDocument([booleanFlag("start", true)]))
      const client = yield* Clients.make(kind, { url: server.url, updateInterval: seldom })
      yield* until(() => server.streams.length === 1)
      const [stream] = server.streams
      const documents = [1, 2, 3].map((n) => makeDocument([booleanFlag(`flag-${n}`, true), booleanFlag("on", n !== 1)]))
      const [first, second, third] = documents.map((document) => FliptServer.frame(document))
      stream!.write(Buffer.concat([first!, second!, third!.subarray(0, 50)]))
      yield* awaitOn(client, true)
      expect((yield* client.listFlags).map(({ key }) => key)).toEqual(["flag-2", "on"])
      expect((yield* client.status).version).toBe(FliptServer.digestOf(documents[1]!))
      stream!.write(Buffer.concat([third!.subarray(50), first!]))
      yield* untilOf(client.status, ({ version }) => version === FliptServer.digestOf(documents[0]!))
      expect(yield* isOn(client)).toBe(false)
      expect((yield* client.status)._tag).toBe("Ready")
      expect(warnings(log)).toEqual([])
      expect([server.snapshots.length, server.streams.length]).toEqual([1, 1])
    })
  )
)

it.live("the last document wins and others are skipped if they are pushed faster than they compile", () =>
  Clients.forEach(
    Clients.kinds.filter(({ strategy }) => strategy === "fail"),
    (kind, log) =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        let compiled = 0
        let atOnce = 0
        let most = 0
        const slow = Layer.effect(
          Engine.Engine,
          Effect.map(Engine.Engine, (engine) => ({
            ...engine,
            compile: (namespace, bytes) =>
              Effect.acquireUseRelease(
                Effect.sync(() => {
                  most = Math.max(most, ++atOnce)
                }),
                () =>
                  Effect.zipRight(
                    compiled++ === 0 ? Effect.void : Deferred.await(gate),
                    engine.compile(namespace, bytes)
                  ),
                () => Effect.sync(() => atOnce--)
              )
          }))
        ).pipe(Layer.provide(kind.engine))
        const server = yield* scripted(onDocument(true))
        const client = yield* Clients.make({ ...kind, engine: slow }, { url: server.url, updateInterval: seldom })
        yield* until(() => server.streams.length === 1)
        const [stream] = server.streams
        const padding = "x".repeat(500_000)
        const count = 60
        for (let n = 0; n < count; n++) {
          stream!.push(JSON.stringify(makeDocument([{ ...booleanFlag(`flag-${n}`, true), description: padding }])))
        }
        yield* until(() => stream!.unsent() === 0)
        // meanwhile the client serves the previous state
        expect(yield* isOn(client)).toBe(true)
        yield* Deferred.succeed(gate, undefined)
        yield* untilOf(client.listFlags, (flags) => flags[0]?.key === `flag-${count - 1}`)
        expect((yield* client.status)._tag).toBe("Ready")
        expect(most).toBe(1)
        // the first one, the one that the gate delayed, and those that arrived at the end
        expect(compiled).toBeLessThan(count / 2)
        expect(warnings(log)).toEqual([])
        expect([server.snapshots.length, server.streams.length]).toEqual([1, 1])
      })
  )
)

describe("a stream of garbage", () => {
  const garbage: ReadonlyArray<readonly [string, string | Uint8Array]> = [
    ["text", "<html>\n<h1>Sign in</h1>\n</html>\n"],
    ["bytes", Buffer.concat([Crypto.randomBytes(100_000), Buffer.from("\n")])],
    ["other JSON", '[1,2]\n{"flags":[]}\n"result"\n{"result":}\n'],
    [
      "frames without a document",
      '{"result":{"flags":3}}\n{"result":null}\n{"result":{"namespace":{"key":"default"}\n'
    ],
    ["a frame of another namespace's broken document", '{"result":{"namespace":{"key":"other"},"flags":[{}]}}\n']
  ]

  it.live("is an outage until a request or a good frame ends it, and is never loaded", () =>
    Clients.forEach(Clients.kinds, (kind, log) =>
      Effect.gen(function* () {
        for (const [name, bytes] of garbage) {
          const server = yield* scripted(onDocument(true))
          const client = yield* Clients.make(kind, { url: server.url, updateInterval: seldom })
          yield* until(() => server.streams.length === 1)
          const [stream] = server.streams
          const outages = () => log.filter(({ message }) => message.includes("not up to date")).length
          const before = outages()
          for (let round = 0; round < 3; round++) {
            stream!.write(bytes)
          }
          // the outage may already be over when the status is read
          yield* untilOf(client.status, ({ _tag }) => _tag === "Stale" || outages() > before)
          expect([true, "Unavailable"], name).toContain(yield* isOn(client))
          // repaired by a frame, or by the request that the garbage caused, which returns the same document
          yield* server.setDocument(onDocument(false))
          stream!.push(onDocument(false))
          yield* awaitOn(client, false)
          yield* untilOf(client.status, ({ _tag }) => _tag === "Ready")
          // repaired by the request that the garbage causes
          yield* server.setDocument(onDocument(true))
          stream!.write(bytes)
          yield* awaitOn(client, true)
          yield* untilOf(Effect.zipRight(Effect.ignore(client.refresh), client.status), ({ _tag }) => _tag === "Ready")
          // still the same stream, because bad lines are skipped
          expect(server.streams.length).toBe(1)
        }
      })
    )
  )

  it.live("that continues does not cause a request per frame or more warnings", () =>
    Clients.forEach(Clients.kinds, (kind, log) =>
      Effect.gen(function* () {
        const server = yield* scripted(onDocument(true))
        const client = yield* Clients.make(kind, { url: server.url, updateInterval: seldom })
        yield* until(() => server.streams.length === 1)
        const gets = server.snapshots.length
        for (const bytes of ["garbage\n", '{"result":{}}\n']) {
          for (let frames = 0; frames < 50; frames++) {
            server.streams[0]!.write(bytes)
            yield* turn
          }
        }
        yield* untilOf(client.status, ({ _tag }) => _tag === "Stale")
        // one per kind
        expect(server.snapshots.length - gets).toBeLessThanOrEqual(2)
        expect(warnings(log).length).toBeLessThanOrEqual(3)
        yield* client.refresh
        expect((yield* client.status)._tag).toBe("Ready")
      })
    )
  )

  it.live("without a line break is not buffered beyond maxBodySize", () =>
    Effect.flatMap(afterGc, ({ arrayBuffers: before }) =>
      Clients.forEach(Clients.kinds, (kind, log) =>
        Effect.gen(function* () {
          const server = yield* scripted(onDocument(true))
          const client = yield* Clients.make(kind, { url: server.url, updateInterval: seldom, maxBodySize: 100_000 })
          yield* until(() => server.streams.length === 1)
          const [stream] = server.streams
          const chunk = Buffer.alloc(1_000_000, "x")
          for (let written = 0; written < 30; written++) {
            stream!.write(chunk)
            yield* until(() => stream!.unsent() === 0)
          }
          // more than a hundred million bytes were sent to all four
          yield* untilOf(afterGc, ({ arrayBuffers }) => arrayBuffers < before + 60_000_000)
          stream!.write("\n")
          yield* until(() => warnings(log).length > 0)
          expect(warnings(log)[0]).toContain("maxBodySize")
          yield* server.setDocument(onDocument(false))
          stream!.push(onDocument(false))
          yield* awaitOn(client, false)
          expect(warnings(log)).toHaveLength(1)
        })
      )
    )
  )
})

it.live("a stream refused by a proxy (403) while requests succeed: evaluations continue, with one warning", () =>
  Clients.forEach(Clients.kinds, (kind, log) =>
    Effect.gen(function* () {
      const server = yield* scripted(onDocument(true))
      yield* server.failStreams(
        Fault.status(403, { body: "<html><h1>Blocked</h1></html>", headers: { "content-type": "text/html" } })
      )
      const client = yield* Clients.make(kind, { url: server.url, updateInterval: seldom })
      const seen = yield* watching(client)
      yield* until(() => server.streams.length >= 2)
      yield* server.setDocument(onDocument(false))
      yield* awaitOn(client, false)
      yield* until(() => server.streams.length >= 3)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming", connected: false })
      expect(warnings(log)).toHaveLength(1)
      expect(warnings(log)[0]).toMatch(/status 403/)
      yield* server.failStreams(
        Fault.own(({ proceed }) => {
          proceed()
          server.streams.at(-1)!.push(onDocument(true))
        })
      )
      yield* awaitOn(client, true)
      yield* isConnected(client, true)
      yield* until(() => seen.size > 1)
      expect([...seen].sort()).toEqual([false, true])
      expect(warnings(log)).toHaveLength(1)
      expect(server.streams.length).toBeLessThan(15)
    })
  )
)

it.scoped("a stream that is a proxy's page (200) while requests succeed: evaluations continue, with one warning", () =>
  Effect.forEach(Clients.strategies, (strategy) =>
    captured((log) =>
      Effect.gen(function* () {
        let document = onDocument(true)
        let streams = 0
        const client = yield* scriptedClient((url, known) => {
          if (!url.pathname.endsWith("/stream")) {
            return documentAnswer(document, known)
          }
          streams++
          return new Response("<html>\n<h1>Sign in</h1>\n</html>\n", {
            headers: { "content-type": "text/html; charset=utf-8" }
          })
        }, strategy)
        for (let second = 0; second < 40; second++) {
          yield* HandMade.pass(1, "1 seconds")
          expect(yield* isOn(client)).toBe(true)
          expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming", connected: false })
        }
        document = onDocument(false)
        yield* HandMade.pass(2, "30 seconds")
        expect(yield* isOn(client)).toBe(false)
        expect(streams).toBeGreaterThanOrEqual(3)
        expect(streams).toBeLessThanOrEqual(25)
        expect(warnings(log)).toHaveLength(1)
        expect(warnings(log)[0]).toMatch(/status 200: .*text\/html/)
      })
    )
  )
)

describe("a v1 server without streams", () => {
  it.live("is polled instead, with one warning", () =>
    Clients.forEach(Clients.kinds, (kind, log) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ version: "v1", documents: { default: onDocument(true) } })
        const client = yield* Clients.make(kind, { url: server.url, updateInterval: "100 millis" })
        const seen = yield* watching(client)
        yield* untilOf(client.status, ({ mode }) => mode === "polling")
        expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: true })
        yield* server.setDocument(onDocument(false))
        yield* awaitOn(client, false)
        yield* server.awaitRequests(10)
        const requests = yield* server.requests
        expect(requests.filter(({ path }) => path.endsWith("/stream"))).toHaveLength(1)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "polling", connected: true })
        yield* until(() => seen.size > 1)
        expect([...seen].sort()).toEqual([false, true])
        expect(warnings(log)).toHaveLength(1)
        expect(warnings(log)[0]).toMatch(/has no streams and is polled instead/)
        expect(yield* server.connections).toBeLessThanOrEqual(2)
      })
    )
  )

  it.scoped("is tried again after about an hour, and is streamed from once it can", () =>
    Effect.gen(function* () {
      let streams = 0
      let gets = 0
      let upgraded = false
      const client = yield* scriptedClient((url, known) => {
        if (!url.pathname.endsWith("/stream")) {
          gets++
          return documentAnswer(onDocument(!upgraded), known)
        }
        streams++
        return upgraded
          ? new Response(
              new ReadableStream({ start: (stream) => stream.enqueue(FliptServer.frame(onDocument(false))) })
            )
          : new Response("404 page not found\n", { status: 404 })
      }, "fail")
      yield* HandMade.pass(58, "30 seconds")
      expect(streams).toBe(1)
      // one every two minutes, and a few at the start
      expect(gets).toBeGreaterThan(12)
      expect(gets).toBeLessThan(20)
      yield* HandMade.pass(124, "30 seconds")
      expect(streams).toBeGreaterThanOrEqual(2)
      expect(streams).toBeLessThanOrEqual(4)
      expect((yield* client.status).mode).toBe("polling")
      upgraded = true
      const changes = yield* Effect.fork(Stream.runHead(client.changes))
      yield* HandMade.pass(182, "30 seconds")
      expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming", connected: true })
      expect(yield* isOn(client)).toBe(false)
      expect(yield* Fiber.join(changes)).toMatchObject({ value: { changed: ["on"] } })
    })
  )
})
