/**
 * Waits for conditions instead of amounts of time. Everything here polls in real time, even on the TestClock, and has no
 * time limit of its own: the limit of the test ends a wait whose condition never occurs.
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"

/** One turn of the event loop, in which sockets make progress. Adjusting the TestClock does not give them a turn. */
export const turn: Effect.Effect<void> = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/**
 * Waits for a moment in which something unwanted would happen. On a slow machine it may miss that, but it never fails a
 * test that should pass.
 */
export const awhile: Effect.Effect<void> = Effect.repeatN(turn, 50)

const rest: Effect.Effect<void> = Effect.async<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), 2)
  return Effect.sync(() => clearTimeout(timer))
})

/** How many polls may follow each other before a pause. */
const eagerPolls = 200

/** Repeats the effect until its value is accepted, and returns that value. */
export const untilOf = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  accepts: (value: A) => boolean
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let polls = 0
    const pause = Effect.suspend(() => (polls++ < eagerPolls ? turn : rest))
    return Effect.repeat(Effect.zipRight(pause, effect), { until: accepts })
  })

/** Waits until the condition holds. */
export const until = <E = never, R = never>(
  condition: (() => boolean) | Effect.Effect<boolean, E, R>
): Effect.Effect<void, E, R> =>
  Effect.asVoid(untilOf(Effect.isEffect(condition) ? condition : Effect.sync(condition), (holds) => holds))

/** The future instants at which fibers wake on the TestClock, the earliest first. Omits endless sleeps. */
export const wakeUps: Effect.Effect<ReadonlyArray<number>> = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  const instants = Chunk.toReadonlyArray(yield* TestClock.sleeps())
  return instants.filter((instant) => instant > now && Number.isFinite(instant)).sort((a, b) => a - b)
})

/** Waits until a fiber sleeps. Returns the remaining whole milliseconds of the shortest sleep, and `wake` to end it. */
export const awaitSleep: Effect.Effect<{ readonly millis: number; readonly wake: Effect.Effect<void> }> = Effect.gen(
  function* () {
    const [first] = yield* untilOf(wakeUps, (instants) => instants.length > 0)
    const millis = Math.round(first! - (yield* Clock.currentTimeMillis))
    // Uses the instant, because adding the remaining time to the current time can round differently.
    return { millis, wake: TestClock.setTime(first!) }
  }
)

/** Waits until a fiber sleeps for exactly this many milliseconds from now. */
export const awaitSleepOf = (millis: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    const instant = (yield* Clock.currentTimeMillis) + millis
    yield* untilOf(wakeUps, (instants) => instants.includes(instant))
  })
