/**
 * How many requests are refused during a day of expiring tokens, if the issuer's clock may be wrong.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Auth from "../src/Auth.js"
import * as Fetcher from "../src/Fetcher.js"
import * as HandClock from "./support/HandClock.js"
import * as Issuer from "./support/Issuer.js"

const DAY = 24 * 60 * 60 * 1000

type Kind = "opaque" | "JWT with iat" | "JWT without iat"

interface Day {
  readonly polls: number
  /** The number of answers with status 401. */
  readonly refusedRequests: number
  readonly failedPolls: number
  readonly renewals: number
}

/** Polls for a day. The server and the issuer share one clock, which is ahead of the client's by `skew` milliseconds. */
const simulate = (kind: Kind, lifetime: number, skew: number): Effect.Effect<Day, never, never> =>
  Effect.gen(function* () {
    const hand = yield* HandClock.make
    return yield* Effect.withClock(pollForADay(hand, kind, lifetime, skew), hand.clock)
  })

const pollForADay = (hand: HandClock.HandClock, kind: Kind, lifetime: number, skew: number) =>
  Effect.gen(function* () {
    const expiries = new Map<string, number>()
    let refusedRequests = 0
    const acquire = Effect.map(Clock.currentTimeMillis, (now): Auth.Credential => {
      const issuedAt = (now + skew) / 1000
      const claims = { jti: expiries.size, exp: issuedAt + lifetime / 1000 }
      const token =
        kind === "opaque"
          ? `token-${expiries.size}`
          : Issuer.jwt(kind === "JWT with iat" ? { ...claims, iat: issuedAt } : claims)
      expiries.set(token, now + lifetime)
      return kind === "opaque" ? { clientToken: Redacted.make(token) } : { jwtToken: Redacted.make(token) }
    })
    const server = HttpClient.make((request) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const expiresAt = expiries.get(request.headers.authorization?.split(" ")[1] ?? "") ?? 0
        if (now >= expiresAt) {
          refusedRequests++
        }
        const unmodified = request.headers["if-none-match"] !== undefined
        const response =
          now >= expiresAt
            ? new Response(null, { status: 401 })
            : unmodified
              ? new Response(null, { status: 304 })
              : new Response("{}", { status: 200, headers: { etag: '"1"' } })
        return HttpClientResponse.fromWeb(request, response)
      })
    )
    const context = yield* Layer.build(
      Fetcher.layerPolling({ url: "http://localhost" }).pipe(
        Layer.provide([Layer.succeed(HttpClient.HttpClient, server), Auth.layerProvider({ acquire })])
      )
    )
    const fetcher = Context.get(context, Fetcher.Fetcher)
    let polls = 0
    let failedPolls = 0
    const end = (yield* Clock.currentTimeMillis) + DAY
    while ((yield* Clock.currentTimeMillis) < end) {
      polls++
      failedPolls += yield* Effect.match(fetcher.fetch(Option.some('"1"')), { onFailure: () => 1, onSuccess: () => 0 })
      yield* hand.advance(Duration.millis(yield* Random.nextIntBetween(27_000, 33_000)))
    }
    return { polls, refusedRequests, failedPolls, renewals: expiries.size }
  }).pipe(Effect.scoped, Effect.orDie, Effect.withRandom(Random.make("lifetimes")))

const minutes = (count: number) => count * 60_000

describe("a day of polls", { timeout: 600_000 }, () => {
  const cases: ReadonlyArray<readonly [Kind, lifetime: number, skew: number]> = [
    ["opaque", 8_000, 0],
    ["opaque", minutes(5), 0],
    ["JWT with iat", 8_000, -290_000],
    ["JWT with iat", minutes(5), 200_000],
    ["JWT without iat", 5_000, -290_000],
    ["opaque", minutes(60), 0],
    ["JWT without iat", minutes(5), 200_000],
    ["JWT without iat", minutes(60), minutes(5)]
  ]
  // FLIPT_TESTS=all also runs the others, which takes minutes
  const chosen = process.env.FLIPT_TESTS === "all" ? cases : [cases[4]!, cases[7]!]
  for (const [kind, lifetime, skew] of chosen) {
    it.effect(`has few refusals: ${kind}, ${lifetime / 1000} s, issuer ${skew / 1000} s ahead`, () =>
      Effect.gen(function* () {
        const day = yield* simulate(kind, lifetime, skew)
        expect(day.polls).toBeGreaterThan(2500)
        expect(day.refusedRequests / day.polls).toBeLessThan(0.01)
        expect(day.failedPolls).toBe(0)
      })
    )
  }

  it.effect("does not renew more often than the lifetime requires, and has few refusals: opaque, 300 s", () =>
    Effect.gen(function* () {
      const day = yield* simulate("opaque", minutes(5), 0)
      expect(day.refusedRequests / day.polls).toBeLessThan(0.01)
      expect(day.failedPolls).toBe(0)
      expect(day.renewals).toBeLessThan((1.5 * DAY) / minutes(5))
    })
  )
})
