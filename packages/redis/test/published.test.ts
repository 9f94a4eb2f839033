/**
 * The decisions that are made in Redis: who leads, and which states are published.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as connection from "../src/internal/connection.js"
import * as Keys from "../src/internal/keys.js"
import * as Published from "../src/internal/published.js"
import * as RedisServer from "./support/RedisServer.js"

const { missing } = RedisServer

const target = { environment: "default", namespace: "shop" }
const keys = Keys.make("flipt", target)
const lease = Duration.minutes(1)

const setup = Effect.gen(function* () {
  const redis = yield* RedisServer.make()
  const service = yield* connection.make({ url: redis.url })
  return { redis, published: Published.make(service, target, 1000) }
})

const state = (text: string) => Published.hold([Buffer.from(text)], Option.some(`"${text}"`))

const tokenOf = (acquired: Published.Acquired): string => (acquired._tag === "Acquired" ? acquired.token : "none")

const digestIn = (published: Published.Published) =>
  Effect.map(
    published.read,
    Option.map(({ digest }) => digest)
  )

describe.skipIf(missing !== undefined)(`Redis${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  it.scopedLive("grants the lease to one owner at a time, with a greater token each time", () =>
    Effect.gen(function* () {
      const { published, redis } = yield* setup
      const first = tokenOf(yield* published.acquire("a", lease))
      const taken = yield* published.acquire("b", lease)
      expect(taken._tag === "Taken" && Duration.between(taken.left, { minimum: 1, maximum: lease })).toBe(true)
      yield* published.release("b")
      expect((yield* published.acquire("b", lease))._tag).toBe("Taken")
      yield* published.release("a")
      const second = tokenOf(yield* published.acquire("b", lease))
      expect(Number(second)).toBeGreaterThan(Number(first))
      // even if Redis loses its data or its clock was ahead
      yield* Effect.promise(() => redis.client.flushall())
      expect(Number(tokenOf(yield* published.acquire("c", lease)))).toBeGreaterThan(Number(second))
      yield* Effect.promise(() => redis.client.set(keys.token, "9007199254740000"))
      yield* published.release("c")
      expect(tokenOf(yield* published.acquire("d", lease))).toBe("9007199254740001")
    })
  )

  it.scopedLive("rejects a former leader's states, even before its successor has published anything", () =>
    Effect.gen(function* () {
      const { published, redis } = yield* setup
      const [old, recent] = yield* Effect.all([state("old"), state("recent")])
      const first = tokenOf(yield* published.acquire("a", lease))
      expect(yield* published.publish(first, 1, old)).toBe("published")
      yield* Effect.promise(() => redis.client.del(keys.lease))
      const second = tokenOf(yield* published.acquire("b", lease))
      expect(yield* published.publish(first, 2, recent)).toBe("fenced")
      expect(yield* digestIn(published)).toEqual(Option.some(old.digest))
      expect(yield* published.publish(second, 1, recent)).toBe("published")
      expect(yield* published.publish(first, 3, old)).toBe("fenced")
      yield* Effect.promise(() => redis.client.del(keys.token))
      expect(yield* published.publish(first, 4, old)).toBe("fenced")
      expect(yield* published.publish("0", Number.MAX_SAFE_INTEGER, old)).toBe("fenced")
      expect(yield* digestIn(published)).toEqual(Option.some(recent.digest))
    })
  )

  it.scopedLive("rejects a late state of the same leader", () =>
    Effect.gen(function* () {
      const { published } = yield* setup
      const [old, recent] = yield* Effect.all([state("old"), state("recent")])
      const token = tokenOf(yield* published.acquire("a", lease))
      expect(yield* published.publish(token, 2, recent)).toBe("published")
      expect(yield* published.publish(token, 1, old)).toBe("older")
      expect(yield* digestIn(published)).toEqual(Option.some(recent.digest))
    })
  )

  it.scopedLive("renews a lease that no other process has had since, and returns the published state", () =>
    Effect.gen(function* () {
      const { published, redis } = yield* setup
      const held = yield* state("on")
      const token = tokenOf(yield* published.acquire("a", lease))
      const renew = (owner: string, ownToken: string) =>
        published.renew({
          owner,
          token: ownToken,
          lease,
          digest: held.digest,
          isConfirmed: true,
          staleAfter: lease
        })
      expect(yield* renew("a", token)).toEqual({ _tag: "Renewed", digest: "" })
      yield* published.publish(token, 1, held)
      expect(yield* renew("a", token)).toEqual({ _tag: "Renewed", digest: held.digest })
      yield* Effect.promise(() => redis.client.del(keys.body(held.digest)))
      expect(yield* renew("a", token)).toEqual({ _tag: "Renewed", digest: "" })
      yield* Effect.promise(() => redis.client.flushall())
      expect(yield* renew("a", token)).toEqual({ _tag: "Renewed", digest: "" })
      expect((yield* published.acquire("b", lease))._tag).toBe("Taken")
      yield* Effect.promise(() => redis.client.del(keys.lease))
      yield* published.acquire("b", lease)
      expect(yield* renew("a", token)).toEqual({ _tag: "Lost" })
      // b no longer leads, but it may have published
      yield* published.release("b")
      expect(yield* renew("a", token)).toEqual({ _tag: "Lost" })
    })
  )

  it.scopedLive("keeps nothing forever, and replaced documents for a minute", () =>
    Effect.gen(function* () {
      const { published, redis } = yield* setup
      const [old, recent] = yield* Effect.all([state("old"), state("recent")])
      const token = tokenOf(yield* published.acquire("a", lease))
      yield* published.publish(token, 1, old)
      yield* published.publish(token, 2, recent)
      const all = yield* Effect.promise(() => redis.client.keys("*"))
      expect(all.sort()).toEqual(
        [keys.body(old.digest), keys.body(recent.digest), keys.lease, keys.state, keys.token].sort()
      )
      for (const key of all) {
        expect(yield* Effect.promise(() => redis.client.pttl(key)), key).toBeGreaterThan(0)
      }
      expect(yield* Effect.promise(() => redis.client.pttl(keys.body(old.digest)))).toBeLessThanOrEqual(60_000)
      expect(yield* Effect.promise(() => redis.client.pttl(keys.body(recent.digest)))).toBeGreaterThan(86_400_000)
    })
  )

  it.scopedLive("rejects documents that are too large, damaged or missing", () =>
    Effect.gen(function* () {
      const { published, redis } = yield* setup
      const token = tokenOf(yield* published.acquire("a", lease))
      const large = yield* state("x".repeat(1001))
      expect(yield* Effect.flip(published.publish(token, 1, large))).toMatchObject({ reason: "TooLarge" })
      expect(yield* Effect.promise(() => redis.client.keys("*body*"))).toEqual([])

      const held = yield* state("on")
      yield* published.publish(token, 2, held)
      const found = Option.getOrThrow(yield* published.read)
      expect(Buffer.from(yield* published.body(found)).toString()).toBe("on")
      yield* Effect.promise(() => redis.client.set(keys.body(held.digest), "off"))
      expect((yield* Effect.flip(published.body(found))).message).toContain("is damaged")
      yield* Effect.promise(() => redis.client.del(keys.body(held.digest)))
      expect((yield* Effect.flip(published.body(found))).message).toContain("is gone")
      const tooLarge = { ...found, length: 1001 }
      expect(yield* Effect.flip(published.body(tooLarge))).toMatchObject({ reason: "TooLarge" })
      yield* Effect.promise(() => redis.client.hset(keys.state, "length", "many"))
      expect((yield* Effect.flip(published.read)).message).toContain("is damaged")
    })
  )
})

describe("the keys of a namespace", () => {
  const tagOf = (key: string) => /\{(.*?)\}/.exec(key)?.[1]

  it.each([
    ["default", "shop"],
    ["}{", "a/b:c"],
    ["", "\ud800 x"]
  ])("share a non-empty hash tag: %j %j", (environment, namespace) => {
    const made = Keys.make("flipt", { environment, namespace })
    const tags = [made.lease, made.token, made.state, made.body("0"), made.channel].map(tagOf)
    expect(new Set(tags).size).toBe(1)
    expect(tags[0]).toMatch(/^[^{}]+$/)
  })

  it("differ from those of other namespaces", () => {
    const all = [
      ["a/b", "c"],
      ["a", "b/c"],
      ["a", "b"]
    ].map(([environment, namespace]) => Keys.make("flipt", { environment: environment!, namespace: namespace! }).state)
    expect(new Set(all).size).toBe(3)
  })
})
