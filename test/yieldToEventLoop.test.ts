/**
 * Yielding to the event loop on every platform: pending events are handled before the caller continues.
 */
import { stat } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { yieldForTurn, yieldToEventLoop } from "../src/internal/util/yieldToEventLoop.js"

/** Whether messages, which need the event loop, arrive while the effect runs repeatedly. */
const lets = (effect: Effect.Effect<void>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new MessageChannel()),
    ({ port1, port2 }) =>
      Effect.gen(function* () {
        let came = 0
        port1.onmessage = () => came++
        port2.postMessage("first")
        yield* Effect.repeatN(effect, 200)
        return came === 1
      }),
    ({ port1 }) => Effect.sync(() => port1.close())
  )

const withoutImmediates = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => globalThis.setImmediate),
    () =>
      Effect.suspend(() => {
        Reflect.deleteProperty(globalThis, "setImmediate")
        return effect
      }),
    (setImmediate) => Effect.sync(() => Object.assign(globalThis, { setImmediate }))
  )

describe("a turn", () => {
  it.live("lets the event loop turn, unlike Effect.yieldNow", () =>
    Effect.gen(function* () {
      expect(yield* lets(yieldToEventLoop)).toBe(true)
      expect(yield* lets(Effect.yieldNow())).toBe(false)
    })
  )

  it.live("yields even without setImmediate, as in browsers", () =>
    Effect.map(withoutImmediates(lets(yieldToEventLoop)), (did) => expect(did).toBe(true))
  )

  it.live("can be interrupted", () => Effect.timeoutOption(Effect.forever(yieldToEventLoop), "20 millis"))
})

describe("a whole turn", () => {
  it.live("lets a timer run that is due, even after an event of a file", () =>
    Effect.gen(function* () {
      let hasRun = false
      yield* Effect.async<void>((resume) => {
        stat(".", () => {
          setTimeout(() => {
            hasRun = true
          }, 1)
          const end = performance.now() + 5
          while (performance.now() < end) {
            // the timer becomes due
          }
          resume(Effect.void)
        })
      })
      yield* yieldForTurn
      expect(hasRun).toBe(true)
    })
  )
})
