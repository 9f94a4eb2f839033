/**
 * A clock that the test controls. It simulates days, for which the TestClock would need minutes, because each of its
 * wake-ups waits in real time. It can also jump, like a machine's time of day, without waking sleeping fibers.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { turn } from "./wait.js"

export interface HandClock {
  readonly clock: Clock.Clock
  /** Lets time pass, one wake-up after the other. Between two sleeps, a fiber must not wait for sockets or timers. */
  readonly advance: (duration: Duration.DurationInput) => Effect.Effect<void>
  /** Moves the time of day forward or back. Sleeping fibers do not notice. */
  readonly jump: (by: number) => Effect.Effect<void>
  /** The number of sleeping fibers. */
  readonly sleepers: Effect.Effect<number>
}

/** Turns of the event loop without a new sleep. After them, every fiber that woke has finished its work. */
const CALM_TURNS = 20

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

export const make: Effect.Effect<HandClock> = Effect.sync(() => {
  let elapsed = 0
  let offset = Date.UTC(2026, 2, 1, 12)
  const sleepers = new Set<Sleeper>()
  let fallenAsleep = 0
  const now = () => offset + elapsed
  const nanos = () => BigInt(Math.round(now() * 1e6))

  const earliest = () => {
    let found: Sleeper | undefined
    for (const sleeper of sleepers) {
      if (found === undefined || sleeper.at < found.at) found = sleeper
    }
    return found
  }

  const calm = Effect.gen(function* () {
    for (let turns = 0; turns < CALM_TURNS; turns++) {
      const before = fallenAsleep
      yield* turn
      if (fallenAsleep !== before) turns = 0
    }
  })

  return {
    clock: {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: now,
      unsafeCurrentTimeNanos: nanos,
      currentTimeMillis: Effect.sync(now),
      currentTimeNanos: Effect.sync(nanos),
      sleep: (duration) =>
        Effect.async<void>((resume) => {
          const millis = Duration.toMillis(duration)
          // like the real clock, which never ends a longer sleep
          if (millis >= 2 ** 31) return
          const sleeper = { at: elapsed + millis, wake: () => resume(Effect.void) }
          sleepers.add(sleeper)
          fallenAsleep++
          return Effect.sync(() => sleepers.delete(sleeper))
        })
    },
    advance: (duration) =>
      Effect.gen(function* () {
        const end = elapsed + Duration.toMillis(duration)
        for (;;) {
          yield* calm
          const next = earliest()
          if (next === undefined || next.at > end) break
          elapsed = Math.max(elapsed, next.at)
          sleepers.delete(next)
          next.wake()
        }
        elapsed = end
      }),
    jump: (by) =>
      Effect.sync(() => {
        offset += by
      }),
    sleepers: Effect.sync(() => sleepers.size)
  }
})
