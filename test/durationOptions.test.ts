/**
 * Plain numbers as durations: the official SDKs use seconds, Effect uses milliseconds.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Auth from "../src/Auth.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import * as FliptClients from "../src/FliptClients.js"
import { AuthError, ValidationError } from "../src/FliptError.js"
import * as Tls from "../src/Tls.js"

const acquire = Effect.succeed({ clientToken: Redacted.make("token") })

const build = <A, E>(layer: Layer.Layer<A, E, never>) => Effect.scoped(Effect.asVoid(Layer.build(layer)))

const places: Readonly<Record<string, (duration: number) => Effect.Effect<void, unknown>>> = {
  updateInterval: (updateInterval) => build(FliptClient.layer({ updateInterval })),
  requestTimeout: (requestTimeout) => build(FliptClient.layer({ requestTimeout })),
  reloadInterval: (reloadInterval) => build(Tls.layer({ reloadInterval })),
  "tlsConfig.reloadInterval": (reloadInterval) => build(FliptClient.layer({ tlsConfig: { reloadInterval } })),
  idleTimeToLive: (idleTimeToLive) => build(FliptClients.layer({ idleTimeToLive })),
  renewBefore: (renewBefore) => build(Auth.layerProvider({ acquire, renewBefore })),
  "updateInterval of Fetcher.layerEffect": (updateInterval) =>
    build(Fetcher.layerEffect({ fetch: () => Effect.succeed("{}"), updateInterval })),
  expiresIn: (expiresIn) => build(Auth.layerProvider({ acquire: Effect.map(acquire, (it) => ({ ...it, expiresIn })) }))
}

describe("a plain number below 1,000", () => {
  for (const [place, use] of Object.entries(places)) {
    it.live(`is rejected as a duration: ${place}`, () =>
      Effect.gen(function* () {
        for (const duration of [0.5, 30, 999]) {
          const error = (yield* Effect.flip(use(duration))) as Error
          expect(error).toBeInstanceOf(place === "expiresIn" ? AuthError : ValidationError)
          expect(error.message).toContain(place.split(" ")[0])
          expect(error.message).toContain("plain numbers are milliseconds, but seconds in Flipt's official SDKs")
          expect(error.message).toContain('"30 seconds"')
        }
      })
    )
  }

  it.live("is not the only form: larger numbers and strings with a unit are accepted", () =>
    Effect.gen(function* () {
      for (const reloadInterval of [1000, 30_000, "30 seconds", "20 millis", Number.POSITIVE_INFINITY] as const) {
        yield* build(Tls.layer({ reloadInterval }))
      }
    })
  )
})
