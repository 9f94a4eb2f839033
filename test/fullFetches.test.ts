/**
 * Servers that wrongly answer "not modified".
 */
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { contentHash } from "../src/internal/document/contentHash.js"
import { withFullFetches } from "../src/internal/fetch/fullFetches.js"
import { decodeFetcher } from "../src/internal/fetch/options.js"
import * as SnapshotStore from "../src/SnapshotStore.js"
import { booleanFlag, makeDocument, onDocument } from "./support/documents.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { makeClient } from "./support/testClient.js"
import { awaitSleepOf, until, untilOf } from "./support/wait.js"

const isOn = (client: FliptClient.Service) =>
  Effect.map(client.evaluateBoolean({ flagKey: "on", entityId: "user-1" }), (result) => result.enabled)

/** A server before v2.11, with a namespace of two files. Its ETag does not depend on the first one. */
const spread = Effect.gen(function* () {
  const server = yield* FliptServer.make({ version: "v2.10" })
  const namespace = { key: "default" }
  const last = { namespace, flags: [booleanFlag("other", true)] }
  const set = (enabled: boolean) => server.setFiles([{ namespace, flags: [booleanFlag("on", enabled)] }, last])
  yield* set(true)
  return { server, set }
})

const manual = { updateInterval: Number.POSITIVE_INFINITY } as const

describe("a server with a wrong ETag", () => {
  it.scopedLive("is detected by refetch, but not by refresh", () =>
    Effect.gen(function* () {
      const { server, set } = yield* spread
      const client = yield* makeClient({ url: server.url, ...manual })
      yield* set(false)
      expect(yield* client.refresh).toBe(false)
      expect(yield* isOn(client)).toBe(true)
      expect(yield* client.refetch).toBe(true)
      expect(yield* isOn(client)).toBe(false)
      expect(yield* client.refetch).toBe(false)
      expect(server.snapshots.map(({ headers }) => "if-none-match" in headers)).toEqual([false, true, false, false])
    })
  )

  it.scopedLive("is detected by a restart, even with a store", () =>
    Effect.gen(function* () {
      const { server, set } = yield* spread
      const store = Context.get(yield* Layer.build(KeyValueStore.layerMemory), KeyValueStore.KeyValueStore)
      const start = FliptClient.make({ url: server.url, errorStrategy: "fallback", ...manual }).pipe(
        Effect.provide(
          SnapshotStore.layerKeyValueStore.pipe(Layer.provide(Layer.succeed(KeyValueStore.KeyValueStore, store)))
        )
      )
      yield* Effect.scoped(start)
      yield* set(false)
      const client = yield* start
      expect(yield* isOn(client)).toBe(false)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", origin: "server" })
    })
  )

  it.scoped("is detected by the next poll after fullFetchInterval", () =>
    Effect.gen(function* () {
      const { server, set } = yield* spread
      const client = yield* makeClient({
        url: server.url,
        updateInterval: "1 minute",
        fullFetchInterval: "2 minutes"
      }).pipe(Effect.withRandom(Random.fixed([0.5])))
      yield* set(false)
      yield* awaitSleepOf(30_000)
      yield* TestClock.adjust(30_000)
      for (const polls of [1, 2]) {
        yield* server.awaitSnapshotRequests(polls + 1)
        yield* awaitSleepOf(60_000)
        expect(yield* isOn(client)).toBe(true)
        yield* TestClock.adjust(60_000)
      }
      yield* untilOf(isOn(client), (enabled) => !enabled)
      expect(server.snapshots.map(({ headers }) => "if-none-match" in headers)).toEqual([false, true, true, false])
    })
  )
})

describe("an unconditional answer", () => {
  it.scopedLive("with the content of the loaded state confirms it without a load", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* makeClient({ url: server.url, ...manual })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const before = yield* client.snapshot
          const { confirmedAt } = yield* client.status
          yield* until(Effect.sync(() => Date.now() > (confirmedAt?.epochMillis ?? 0)))
          expect(yield* client.refetch).toBe(false)
          expect(yield* client.snapshot).toBe(before)
          expect((yield* client.status).confirmedAt?.epochMillis).toBeGreaterThan(confirmedAt?.epochMillis ?? 0)
        })
      )
      yield* server.setDocument(onDocument(false))
      expect(yield* client.refetch).toBe(true)
      expect(yield* isOn(client)).toBe(false)
    })
  )

  it.scopedLive("is requested after a request in flight, never concurrently", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* makeClient({ url: server.url, ...manual })
      const held: Array<Fault.Exchange> = []
      yield* server.failSnapshots(Fault.own((exchange) => void held.push(exchange)))
      const refresh = yield* Effect.fork(client.refresh)
      yield* until(() => held.length === 1)
      const refetches = yield* Effect.fork(Effect.all([client.refetch, client.refetch], { concurrency: "unbounded" }))
      yield* server.setDocument(onDocument(false))
      yield* Effect.yieldNow()
      expect(held).toHaveLength(1)
      yield* server.failSnapshots(undefined)
      held[0]!.response.writeHead(304).end()
      expect(yield* Fiber.join(refresh)).toBe(false)
      expect(yield* Fiber.join(refetches)).toEqual([true, true])
      expect(server.snapshots).toHaveLength(3)
    })
  )
})

describe("a reference on v1", () => {
  it.scopedLive("is requested without a condition, and an unchanged document is not loaded", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ version: "v1", documents: { default: onDocument(true) } })
      yield* server.setDocument(onDocument(true), { reference: "feature" })
      const client = yield* makeClient({ url: server.url, reference: "feature", ...manual })
      expect(yield* client.refresh).toBe(false)
      yield* server.setDocument(onDocument(false), { reference: "feature" })
      expect(yield* client.refresh).toBe(true)
      expect(yield* isOn(client)).toBe(false)
      // a commit on the default reference changes the ETag
      yield* server.setDocument(makeDocument([]))
      expect(yield* client.refresh).toBe(false)
      for (const { headers } of server.snapshots) {
        expect(headers).not.toHaveProperty("if-none-match")
      }
    })
  )
})

describe("the interval of unconditional fetches", () => {
  const conditions = (options: Fetcher.Options, minutes: ReadonlyArray<number>) =>
    Effect.gen(function* () {
      const asked: Array<boolean> = []
      const fetch = yield* withFullFetches(yield* decodeFetcher(options), (loaded) =>
        Effect.sync(() => {
          asked.push(Option.isSome(loaded))
          return Fetcher.NotModified()
        })
      )
      for (const minute of minutes) {
        yield* TestClock.setTime(Duration.toMillis(Duration.minutes(minute)))
        yield* fetch(Option.some("version"))
      }
      return asked
    })

  it.effect("is an hour by default", () =>
    Effect.gen(function* () {
      expect(yield* conditions({ updateInterval: "1 second" }, [59, 60, 119, 120])).toEqual([true, false, true, false])
    })
  )

  it.effect("is 30 polls if they take longer than an hour", () =>
    Effect.gen(function* () {
      expect(yield* conditions({ updateInterval: "10 minutes" }, [60, 299, 300, 301])).toEqual([
        true,
        true,
        false,
        true
      ])
    })
  )

  it.effect("can be infinite", () =>
    Effect.gen(function* () {
      expect(yield* conditions({ fullFetchInterval: Number.POSITIVE_INFINITY }, [1e6, 2e6])).toEqual([true, true])
    })
  )
})

describe("the hash of a document's content", () => {
  const encode = (text: string) => new TextEncoder().encode(text)
  const text = '{ "a" : ["x y", "\\" \\\\"], "b\\t ": 1 }'

  it.effect("depends neither on white space between tokens nor on chunks", () =>
    Effect.gen(function* () {
      const hash = yield* contentHash([encode(JSON.stringify(JSON.parse(text)))])
      expect(yield* contentHash([encode(text)])).toBe(hash)
      expect(yield* contentHash([encode(`\n ${text} \n`)])).toBe(hash)
      expect(yield* contentHash([encode(JSON.stringify(JSON.parse(text), undefined, 2))])).toBe(hash)
      expect(yield* contentHash([...encode(text)].map((byte) => Uint8Array.of(byte)))).toBe(hash)
    })
  )

  it.effect("depends on everything else", () =>
    Effect.gen(function* () {
      const others = [text, text.replace("x y", "xy"), text.replace('\\" ', '\\"'), text.replace("1", "2"), ""]
      const hashes = yield* Effect.forEach(others, (other) => contentHash([encode(other)]))
      expect(new Set(hashes).size).toBe(others.length)
    })
  )
})
