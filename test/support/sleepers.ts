/**
 * Who sleeps on the TestClock: a sign of how far a fiber has got that waits for the network in between.
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"

/** Lets sockets have their turn; the TestClock does not. */
export const turn: Effect.Effect<void> = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Comes back as soon as the condition holds, whatever the clock says. */
export const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.asVoid(Effect.repeat(Effect.as(turn, condition), { until: (holds) => holds() }))

/** The instants after now at which someone wakes, the earliest first. Who sleeps for ever is left out. */
export const wakeUps: Effect.Effect<ReadonlyArray<number>> = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  const instants = Chunk.toReadonlyArray(yield* TestClock.sleeps())
  return instants.filter((instant) => instant > now && Number.isFinite(instant)).sort((a, b) => a - b)
})

/** The first to wake, as soon as someone sleeps: for how many whole milliseconds yet, and `wake` to end the sleep. */
export const awaitSleep: Effect.Effect<{ readonly millis: number; readonly wake: Effect.Effect<void> }> = Effect.gen(
  function* () {
    const [first] = yield* Effect.repeat(Effect.zipRight(turn, wakeUps), { until: (instants) => instants.length > 0 })
    const millis = Math.round(first! - (yield* Clock.currentTimeMillis))
    // Not by adding to the time of now: what is added up need not come to the same.
    return { millis, wake: TestClock.setTime(first!) }
  }
)

/** Comes back as soon as someone sleeps for exactly so many milliseconds from now. */
export const awaitSleepOf = (millis: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    const instant = (yield* Clock.currentTimeMillis) + millis
    yield* Effect.repeat(Effect.zipRight(turn, wakeUps), { until: (instants) => instants.includes(instant) })
  })
