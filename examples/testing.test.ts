/**
 * Testing what depends on flags: the mock engine under the real client, shared by the tests of a block.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"

/** What is tested: a price that depends on a flag. */
const price = (user: { readonly id: string; readonly plan: string }) =>
  Effect.gen(function* () {
    const discount = yield* FliptClient.evaluateBoolean({
      flagKey: "discount",
      entityId: user.id,
      context: { plan: user.plan }
    })
    return discount.enabled ? 80 : 100
  })

const flags = FliptClient.layerWithoutDependencies().pipe(
  Layer.provide([Engine.layerMock({ discount: (request) => request.context?.plan === "pro" }), Fetcher.layerStatic()])
)

describe("price", () => {
  it.layer(flags)((it) => {
    it.effect("is lower for those who pay", () =>
      Effect.gen(function* () {
        expect(yield* price({ id: "user-1", plan: "pro" })).toBe(80)
      })
    )

    it.effect("is full for everyone else", () =>
      Effect.gen(function* () {
        expect(yield* price({ id: "user-1", plan: "free" })).toBe(100)
      })
    )
  })

  it.effect("with one value for everyone: layerMock is the same in one call", () =>
    Effect.gen(function* () {
      expect(yield* price({ id: "user-1", plan: "free" })).toBe(80)
    }).pipe(Effect.provide(FliptClient.layerMock({ discount: true })))
  )
})
