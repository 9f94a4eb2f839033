/**
 * How a fleet behaves while Redis, its leader or the network between them fails. Leaders that are killed or paused are
 * separate processes, on the build that `npm test` makes first.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { booleanFlag, makeDocument, onDocument, variantFlag } from "../../../test/support/documents.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import { awhile, until, untilOf } from "../../../test/support/wait.js"
import * as Keys from "../src/internal/keys.js"
import * as Child from "./support/Child.js"
import { awaitLeader, awaitMode, awaitOn, awaitStatus, candidate, isOn, reader, readers } from "./support/fleet.js"
import * as HoldingProxy from "./support/HoldingProxy.js"
import * as RedisServer from "./support/RedisServer.js"

const { missing } = RedisServer
const keys = Keys.make("flipt", { environment: "default", namespace: "default" })

const setup = Effect.gen(function* () {
  const redis = yield* RedisServer.make()
  const flipt = yield* FliptServer.make({ documents: { default: onDocument(false) } })
  return { redis, flipt, options: { redis: { url: redis.url }, flipt: { url: flipt.url } } }
})

const publishedToken = (redis: RedisServer.RedisServer) =>
  Effect.map(
    Effect.promise(() => redis.client.hget(keys.state, "token")),
    Number
  )

/** A document of slightly more than this many bytes, with the flag `on`. */
const sized = (bytes: number, enabled: boolean) =>
  makeDocument([variantFlag("large", "a", JSON.stringify("x".repeat(bytes))), booleanFlag("on", enabled)])

describe.skipIf(missing !== undefined)(`a fleet${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  it.scopedLive("keeps the last state while Redis is down, and is current once it is back, empty", () =>
    Effect.gen(function* () {
      const { flipt, options, redis } = yield* setup
      const leader = yield* candidate(options)
      const others = [yield* candidate(options), yield* reader(options.redis)]
      yield* redis.kill
      for (const member of others) {
        // a read in progress fails first, with another message
        yield* untilOf(
          member.client.status,
          (found) =>
            found._tag === "Stale" &&
            found.error.message.includes("Redis cannot be reached: connect ECONNREFUSED") &&
            !found.connected
        )
        expect(yield* isOn(member)).toBe(false)
      }
      yield* flipt.setDocument(onDocument(true))
      yield* awaitOn(leader, true)
      yield* redis.start
      for (const member of [leader, ...others]) {
        yield* awaitOn(member, true)
        yield* awaitStatus(member, "Ready")
      }
    })
  )

  it.scopedLive("publishes the last state again if Redis lost it while Flipt is down", () =>
    Effect.gen(function* () {
      const { flipt, options, redis } = yield* setup
      const leader = yield* candidate(options)
      yield* untilOf(
        Effect.promise(() => redis.client.exists(keys.state)),
        (count) => count === 1
      )
      yield* flipt.stop
      yield* redis.kill
      yield* redis.start
      yield* untilOf(
        Effect.promise(() => redis.client.exists(keys.state)),
        (count) => count === 1
      )
      const started = yield* reader(options.redis)
      expect(yield* isOn(started)).toBe(false)
      yield* awaitStatus(leader, "Stale")
    })
  )

  it.scopedLive("gets a new leader when the leader is killed", () =>
    Effect.gen(function* () {
      const { flipt, options, redis } = yield* setup
      const child = yield* Child.make(redis.url, flipt.url)
      yield* child.awaitReport(({ mode, status }) => mode === "streaming" && status === "Ready")
      const follower = yield* candidate(options)
      const third = yield* reader(options.redis)
      yield* awaitMode(follower, "redis")
      child.signal("SIGKILL")
      yield* child.awaitExit
      yield* awaitLeader([follower])
      yield* flipt.setDocument(onDocument(true))
      yield* Effect.all([awaitOn(follower, true), awaitOn(third, true)])
      yield* awaitStatus(third, "Ready")
    })
  )

  it.scopedLive("ignores a leader that wakes up after a pause", () =>
    Effect.gen(function* () {
      const { flipt, options, redis } = yield* setup
      const child = yield* Child.make(redis.url, flipt.url)
      yield* child.awaitReport(({ mode, status }) => mode === "streaming" && status === "Ready")
      yield* flipt.awaitStreams(1)
      const third = yield* reader(options.redis)
      const before = yield* publishedToken(redis)
      child.signal("SIGSTOP")
      const follower = yield* candidate(options)
      yield* awaitLeader([follower])
      // the paused process will read all of these from its stream
      for (const enabled of [true, false, true]) {
        yield* flipt.setDocument(onDocument(enabled))
        yield* awaitOn(third, enabled)
      }
      const token = yield* publishedToken(redis)
      expect(token).toBeGreaterThan(before)
      child.signal("SIGCONT")
      yield* child.awaitReport(({ mode, on, status }) => mode === "redis" && status === "Ready" && on === true)
      expect(yield* publishedToken(redis)).toBe(token)
      expect(yield* Effect.all([isOn(follower), isOn(third)])).toEqual([true, true])
      yield* flipt.setDocument(onDocument(false))
      yield* child.awaitReport(({ on }) => on === false)
    })
  )

  it.scopedLive("survives a partition between a reader and Redis", () =>
    Effect.gen(function* () {
      const { flipt, options, redis } = yield* setup
      const proxy = yield* HoldingProxy.make(redis.port)
      const leader = yield* candidate(options)
      const apart = yield* reader({ url: proxy.url })
      yield* awaitStatus(apart, "Ready")
      proxy.hold()
      yield* flipt.setDocument(onDocument(true))
      yield* awaitOn(leader, true)
      yield* awaitStatus(apart, "Stale")
      expect(yield* isOn(apart)).toBe(false)
      proxy.release()
      yield* awaitOn(apart, true)
      yield* awaitStatus(apart, "Ready")
    })
  )

  it.scopedLive("replaces a leader that is partitioned while publishing, and rejects what it sends later", () =>
    Effect.gen(function* () {
      const { flipt, options, redis } = yield* setup
      const proxy = yield* HoldingProxy.make(redis.port)
      const apart = yield* candidate({ ...options, redis: { url: proxy.url } })
      const third = yield* reader(options.redis)
      yield* flipt.awaitStreams(1)

      proxy.holdAfter(100_000)
      yield* flipt.setDocument(sized(1_000_000, true))
      yield* until(proxy.isHolding)
      yield* awaitOn(apart, true)
      const follower = yield* candidate(options)
      yield* awaitMode(follower, "streaming")
      yield* awaitOn(third, true)
      yield* flipt.setDocument(sized(10, false))
      yield* Effect.all([awaitOn(follower, false), awaitOn(third, false)])
      const token = yield* publishedToken(redis)

      proxy.release()
      yield* awaitMode(apart, "redis")
      yield* awaitStatus(apart, "Ready")
      yield* awhile
      expect(yield* publishedToken(redis)).toBe(token)
      expect(yield* Effect.all([apart, follower, third].map(isOn))).toEqual([false, false, false])
    })
  )

  it.scopedLive(
    "delivers a document of 16 MB to every process",
    () =>
      Effect.gen(function* () {
        const { flipt, options, redis } = yield* setup
        yield* candidate(options)
        const others = [yield* candidate(options), yield* reader(options.redis)]
        yield* flipt.awaitStreams(1)
        yield* flipt.setDocument(sized(16_000_000, true))
        for (const member of others) {
          yield* awaitOn(member, true)
          yield* awaitStatus(member, "Ready")
        }
        expect(Number(yield* Effect.promise(() => redis.client.hget(keys.state, "length")))).toBeGreaterThan(16_000_000)
      }),
    300_000
  )

  it.scopedLive(
    "of 200 readers follows every change, and sends as many requests to Flipt as one client",
    () =>
      Effect.gen(function* () {
        const { flipt, options, redis } = yield* setup
        yield* candidate(options)
        const all = yield* readers(200, options.redis, { updateInterval: "1 minute", staleAfter: "5 minutes" })
        const awaitAll = (enabled: boolean) =>
          until(() => all.every(({ text }) => text().includes(`"enabled":${enabled}`)))
        yield* flipt.awaitStreams(1)
        for (const enabled of [true, false]) {
          yield* flipt.setDocument(onDocument(enabled))
          yield* awaitAll(enabled)
        }
        expect(flipt.streams).toHaveLength(1)
        yield* redis.kill
        yield* redis.start
        yield* flipt.setDocument(onDocument(true))
        yield* awaitAll(true)
      }),
    300_000
  )
})
