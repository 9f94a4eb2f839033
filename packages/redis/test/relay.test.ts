/**
 * A fleet with a real Redis: one process fetches from Flipt, all others read from Redis.
 */
import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Auth from "flipt-client-effect/Auth"
import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
import { booleanFlag, makeDocument, onDocument } from "../../../test/support/documents.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import { captured } from "../../../test/support/logs.js"
import { awhile, until, untilOf } from "../../../test/support/wait.js"
import { Connection, RedisSnapshotStore } from "../src/index.js"
import * as Keys from "../src/internal/keys.js"
import { awaitLeader, awaitMode, awaitOn, awaitStatus, candidate, isOn, reader } from "./support/fleet.js"
import * as RedisServer from "./support/RedisServer.js"

const { missing } = RedisServer
const keys = Keys.make("flipt", { environment: "default", namespace: "default" })

/** A lease that is longer than any pause of a busy machine. */
const steady = { leaseDuration: "10 minutes", staleAfter: "30 minutes" } as const

const setup = Effect.gen(function* () {
  const redis = yield* RedisServer.make()
  const flipt = yield* FliptServer.make({ documents: { default: onDocument(false) } })
  return { redis, flipt, options: { redis: { url: redis.url }, flipt: { url: flipt.url } } }
})

describe.skipIf(missing !== undefined)(`a relay${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  it.scopedLive("lets one process fetch, and the others read each change from Redis", () =>
    Effect.gen(function* () {
      const { flipt, options } = yield* setup
      const first = yield* candidate({ ...options, relay: steady })
      const second = yield* candidate({ ...options, relay: steady })
      const third = yield* reader(options.redis)
      expect(yield* Effect.all([isOn(first), isOn(second), isOn(third)])).toEqual([false, false, false])
      expect(yield* awaitLeader([first, second])).toBe(first)
      yield* flipt.awaitStreams(1)
      for (const enabled of [true, false, true]) {
        yield* flipt.setDocument(onDocument(enabled))
        yield* Effect.all([awaitOn(first, enabled), awaitOn(second, enabled), awaitOn(third, enabled)])
      }
      expect(yield* awaitStatus(second, "Ready")).toMatchObject({ mode: "redis", connected: true, origin: "server" })
      expect(yield* awaitStatus(third, "Ready")).toMatchObject({ mode: "redis", connected: true })
      // the version is Flipt's, so a reader that becomes the leader can send conditional requests
      expect((yield* third.client.status).version).toBe((yield* first.client.status).version)
      // Flipt sees a single client
      expect(flipt.streams).toHaveLength(1)
    })
  )

  it.scopedLive("passes the lead on immediately when the leader closes", () =>
    Effect.gen(function* () {
      const { flipt, options } = yield* setup
      const first = yield* candidate({ ...options, relay: steady })
      const second = yield* candidate({ ...options, relay: steady })
      yield* awaitMode(second, "redis")
      yield* first.close
      yield* awaitMode(second, "streaming")
      yield* flipt.setDocument(onDocument(true))
      yield* awaitOn(second, true)
    })
  )

  it.scopedLive("starts processes from the last state, as Stale, while Flipt is down", () =>
    Effect.gen(function* () {
      const { flipt, options } = yield* setup
      yield* flipt.setDocument(onDocument(true))
      const first = yield* candidate(options)
      yield* flipt.stop
      yield* awaitStatus(first, "Stale")
      const started = yield* Effect.all([candidate(options), reader(options.redis)], { concurrency: 2 })
      for (const member of started) {
        expect(yield* isOn(member)).toBe(true)
        yield* awaitStatus(member, "Stale")
      }
      yield* flipt.setDocument(onDocument(false))
      yield* flipt.start
      for (const member of [first, ...started]) {
        yield* awaitOn(member, false)
        yield* awaitStatus(member, "Ready")
      }
    })
  )

  it.scopedLive("passes the lead to a process that can reach Flipt if the leader cannot", () =>
    Effect.gen(function* () {
      const { flipt, options } = yield* setup
      const unreachable = { ...options, flipt: { url: "http://127.0.0.1:1" } }
      const relay = { leaseDuration: "1500 millis", staleAfter: "2 seconds" } as const
      const first = yield* candidate({ ...unreachable, relay })
      yield* awaitStatus(first, "Failed")
      const second = yield* candidate({ ...options, relay })
      yield* awaitMode(second, "streaming")
      yield* awaitOn(first, false)
      yield* flipt.setDocument(onDocument(true))
      yield* awaitOn(first, true)
    })
  )

  it.scopedLive("falls back to Flipt after fallbackAfter while Redis is down, and returns", () =>
    Effect.gen(function* () {
      const { flipt, options, redis } = yield* setup
      const relay = { fallbackAfter: "1 second", lead: false } as const
      const leader = yield* candidate(options)
      const follower = yield* candidate({ ...options, relay })
      yield* awaitMode(follower, "redis")
      yield* redis.kill
      // a process that starts meanwhile does not wait
      const started = yield* candidate({ ...options, relay })
      expect(yield* isOn(started)).toBe(false)
      yield* awaitMode(follower, "streaming")
      yield* flipt.setDocument(onDocument(true))
      yield* Effect.all([awaitOn(follower, true), awaitOn(started, true)])
      yield* awaitStatus(follower, "Ready")
      yield* redis.start
      yield* Effect.all([awaitMode(follower, "redis"), awaitMode(started, "redis")])
      yield* awaitStatus(follower, "Ready")
      yield* awaitLeader([leader])
    })
  )

  it.scopedLive("neither publishes nor reads a document larger than maxBodySize, and reports that", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const { flipt, options, redis } = yield* setup
        const leader = yield* candidate({ ...options, relay: { maxBodySize: 1000 } })
        const follower = yield* reader(options.redis)
        const digest = yield* Effect.promise(() => redis.client.hget(keys.state, "digest"))
        yield* flipt.setDocument(
          makeDocument([
            ...Array.from({ length: 20 }, (_, n) => booleanFlag(`flag-${n}`, true)),
            booleanFlag("on", true)
          ])
        )
        yield* awaitOn(leader, true)
        yield* until(() => lines.some(({ message }) => message.includes("maxBodySize is 1000")))
        // the others have an older state, and their status says so
        const status = yield* awaitStatus(follower, "Stale")
        expect(status._tag === "Stale" && status.error.message).toContain("last confirmed at")
        expect(yield* isOn(follower)).toBe(false)
        expect(yield* Effect.promise(() => redis.client.hget(keys.state, "digest"))).toBe(digest)
        // a smaller document ends the outage
        yield* flipt.setDocument(onDocument(true))
        yield* awaitOn(follower, true)
        yield* awaitStatus(follower, "Ready")

        const strict = yield* reader(options.redis, { maxBodySize: 10 })
        expect(yield* strict.client.status).toMatchObject({ _tag: "Failed", error: { reason: "TooLarge" } })
      })
    )
  )

  it.scopedLive("does not publish a document that does not load", () =>
    Effect.gen(function* () {
      const { flipt, options, redis } = yield* setup
      const leader = yield* candidate(options)
      yield* untilOf(
        Effect.promise(() => redis.client.hget(keys.state, "digest")),
        (digest) => digest !== null
      )
      const before = yield* Effect.promise(() => redis.client.keys("*body*"))
      yield* flipt.setDocument('{"flags":')
      yield* awaitStatus(leader, "Stale")
      yield* awhile
      expect(yield* Effect.promise(() => redis.client.keys("*body*"))).toEqual(before)
    })
  )

  it.scopedLive("writes no credential to Redis, and logs none", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const secrets = ["fl1pt-t0ken", "h3ader-secret", "r3dis-passw0rd"]
        const redis = yield* RedisServer.make({ args: ["--requirepass", secrets[2]!], password: secrets[2]! })
        const flipt = yield* FliptServer.make({
          documents: { default: onDocument(true) },
          token: { kind: "client", value: secrets[0]! }
        })
        const url = (password: string) => Redacted.make(`redis://:${password}@127.0.0.1:${redis.port}`)
        const options = {
          flipt: { url: flipt.url, headers: { "x-key": Redacted.make(secrets[1]!) } },
          auth: Auth.layerClientToken(Redacted.make(secrets[0]!))
        }
        const member = yield* candidate({ ...options, redis: { url: url(secrets[2]!) } })
        expect(yield* isOn(member)).toBe(true)
        yield* until(
          Effect.map(
            Effect.promise(() => redis.client.exists(keys.state)),
            (count) => count === 1
          )
        )
        const wrong = yield* reader({ url: url("wr0ng-passw0rd") })
        const status = yield* wrong.client.status
        expect(status).toMatchObject({ _tag: "Failed", error: { message: expect.stringContaining("WRONGPASS") } })

        const texts = [JSON.stringify(status), ...lines.map(({ message }) => message)]
        for (const key of yield* Effect.promise(() => redis.client.keys("*"))) {
          texts.push(key, (yield* Effect.promise(() => redis.client.dump(key))) ?? "")
          const type = yield* Effect.promise(() => redis.client.type(key))
          texts.push(
            type === "hash"
              ? JSON.stringify(yield* Effect.promise(() => redis.client.hgetall(key)))
              : ((yield* Effect.promise(() => redis.client.get(key))) ?? "")
          )
        }
        expect(texts.length).toBeGreaterThan(10)
        for (const secret of [...secrets, "wr0ng-passw0rd"]) {
          expect(texts.filter((text) => text.includes(secret))).toEqual([])
        }
      })
    )
  )

  it.scopedLive("leaves no connection behind", () =>
    Effect.gen(function* () {
      const { options, redis } = yield* setup
      const connections = Effect.map(
        Effect.promise(() => redis.client.client("LIST")),
        (list) => String(list).trim().split("\n").length
      )
      const before = yield* connections
      const members = yield* Effect.all([candidate(options), reader(options.redis)])
      expect(yield* connections).toBe(before + 4)
      for (const member of members) yield* member.close
      yield* untilOf(connections, (count) => count === before)
      expect(yield* Effect.promise(() => redis.client.exists(keys.lease))).toBe(0)
      yield* redis.kill
      const away = yield* reader({ ...options.redis, requestTimeout: "1 second" })
      yield* away.close
    })
  )

  it.scopedLive("also uses another store, and reads it if Redis is down", () =>
    Effect.gen(function* () {
      const { flipt, options, redis } = yield* setup
      const entries = new Map<string, SnapshotStore.Entry>()
      const below = Layer.succeed(SnapshotStore.SnapshotStore, {
        load: ({ namespace }) => Effect.sync(() => Option.fromNullable(entries.get(namespace))),
        save: ({ namespace }, entry) => Effect.sync(() => void entries.set(namespace, entry))
      })
      const first = yield* candidate({ ...options, below })
      yield* until(() => entries.has("default"))
      yield* first.close
      yield* Effect.all([redis.kill, flipt.stop])
      const second = yield* candidate({ ...options, below })
      expect(yield* isOn(second)).toBe(false)
      expect(yield* second.client.status).toMatchObject({ _tag: "Stale", origin: "store" })
    })
  )
})

describe.skipIf(missing !== undefined)("the store", () => {
  const target = { environment: "default", namespace: "default" }
  const entry = (text: string, seconds: number): SnapshotStore.Entry => ({
    bytes: [Buffer.from(text)],
    version: Option.none(),
    storedAt: DateTime.unsafeMake(seconds * 1000)
  })

  const use = <A, E>(url: string, run: (store: SnapshotStore.Service) => Effect.Effect<A, E, Scope.Scope>) =>
    Effect.flatMap(SnapshotStore.SnapshotStore, run).pipe(
      Effect.scoped,
      Effect.provide(RedisSnapshotStore.layer()),
      Effect.provide(Connection.layer({ url, requestTimeout: "1 second" }))
    )

  const textOf = (store: SnapshotStore.Service) =>
    Effect.map(
      store.load(target),
      Option.map(({ bytes }) => Buffer.concat(bytes).toString())
    )

  it.scopedLive("keeps the latest state, sends a stored one only once, and never replaces what a relay publishes", () =>
    Effect.gen(function* () {
      const { options, redis } = yield* setup
      yield* use(redis.url, (store) =>
        Effect.gen(function* () {
          expect(yield* store.load(target)).toEqual(Option.none())
          yield* store.save(target, entry("two", 2))
          yield* store.save(target, entry("one", 1))
          expect(yield* textOf(store)).toEqual(Option.some("two"))
          yield* Effect.promise(() => redis.client.config("RESETSTAT"))
          yield* store.save(target, entry("two", 3))
          const stats = String(yield* Effect.promise(() => redis.client.info("commandstats")))
          expect(stats).toContain("cmdstat_evalsha")
          expect(stats).not.toContain("cmdstat_set:")

          const leader = yield* candidate(options)
          yield* untilOf(
            textOf(store),
            Option.exists((text) => text.includes('"on"'))
          )
          yield* store.save(target, entry("three", 4))
          expect(Option.exists(yield* textOf(store), (text) => text.includes('"on"'))).toBe(true)
          yield* leader.close
        })
      )
    })
  )

  it.live("logs a warning and returns nothing if Redis is down", () =>
    captured((lines) =>
      use("redis://127.0.0.1:1", (store) =>
        Effect.gen(function* () {
          expect(yield* store.load(target)).toEqual(Option.none())
          yield* store.save(target, entry("one", 1))
          expect(lines.filter(({ level }) => level === "WARN").map(({ message }) => message)).toEqual([
            expect.stringContaining("the state in Redis is ignored: Redis cannot be reached: connect ECONNREFUSED"),
            expect.stringContaining("could not be stored in Redis: Redis cannot be reached")
          ])
        })
      )
    )
  )
})
