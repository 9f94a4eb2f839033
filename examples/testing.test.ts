/**
 * Tests of a service that depends on flags: they share one kit, and each test sets its own flags.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Flag from "flipt-client-effect/Flag"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as FliptTest from "flipt-client-effect/FliptTest"

const Discount = Flag.boolean("discount", { default: false })

const Rounding = Flag.variant("rounding", ["none", "up", "down"], { default: "none" })

const Rates = Flag.json("rates", Schema.Struct({ percent: Schema.Int }), { default: { percent: 20 } })

interface User {
  readonly entityId: string
  readonly context: { readonly plan: string }
}

const free: User = { entityId: "user-1", context: { plan: "free" } }
const pro: User = { entityId: "user-2", context: { plan: "pro" } }

/** The service under test: its prices depend on flags. */
class Prices extends Context.Tag("Prices")<
  Prices,
  { readonly of: (price: number, user: User) => Effect.Effect<number> }
>() {
  static readonly layer = Layer.effect(
    Prices,
    Effect.map(FliptClient.FliptClient, (client) => ({
      of: (price: number, user: User) =>
        Effect.gen(function* () {
          const { percent } = (yield* Discount.get(user)) ? yield* Rates.get(user) : { percent: 0 }
          const exact = price * (1 - percent / 100)
          const rounding = yield* Rounding.get(user)
          return rounding === "none" ? exact : rounding === "up" ? Math.ceil(exact) : Math.floor(exact)
        }).pipe(Effect.provideService(FliptClient.FliptClient, client))
    }))
  )
}

const priceOf = (price: number, user: User) => Effect.flatMap(Prices, (prices) => prices.of(price, user))

const TestPrices = Prices.layer.pipe(Layer.provideMerge(FliptTest.layer({ flags: { discount: false } })))

describe("prices", () => {
  it.layer(TestPrices)((it) => {
    it.effect("are as they are without a discount", () =>
      Effect.map(priceOf(100, free), (price) => expect(price).toBe(100))
    )

    it.effect("are lower with one", () =>
      Effect.gen(function* () {
        yield* FliptTest.set(Discount, true)
        expect(yield* priceOf(100, free)).toBe(80)
        yield* FliptTest.set(Rates, { percent: 50 })
        expect(yield* priceOf(100, free)).toBe(50)
      }).pipe(FliptTest.isolated)
    )

    it.effect("are lower only for users with the discount", () =>
      Effect.gen(function* () {
        yield* FliptTest.set(Discount, (request) => request.context?.plan === "pro")
        expect(yield* priceOf(100, pro)).toBe(80)
        expect(yield* priceOf(100, free)).toBe(100)
        expect((yield* FliptTest.evaluations).map(({ request, value }) => [request.flagKey, value])).toEqual([
          ["discount", true],
          ["rates", expect.objectContaining({ reason: "FlagNotFound" })],
          ["rounding", expect.objectContaining({ reason: "FlagNotFound" })],
          ["discount", false],
          ["rounding", expect.objectContaining({ reason: "FlagNotFound" })]
        ])
      }).pipe(FliptTest.isolated)
    )

    it.effect("differ by less than one with any rounding", () =>
      FliptTest.forEachValue(Rounding, () =>
        Effect.map(priceOf(99.5, free), (price) => expect(Math.abs(price - 99.5)).toBeLessThan(1))
      )
    )
  })

  it.effect("follow a flag as it changes", () =>
    Effect.gen(function* () {
      const values = yield* Discount.watch(free).pipe(
        Stream.tap((value) => (value ? Effect.void : FliptTest.set(Discount, true))),
        Stream.take(2),
        Stream.runCollect
      )
      expect([...values]).toEqual([false, true])
    }).pipe(Effect.provide(TestPrices))
  )

  it.effect("needs no kit if flags do not change: layerMock is enough", () =>
    Effect.gen(function* () {
      expect(yield* priceOf(100, free)).toBe(80)
    }).pipe(Effect.provide(Prices.layer.pipe(Layer.provideMerge(FliptClient.layerMock({ discount: true })))))
  )
})
