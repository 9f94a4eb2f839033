/**
 * A clock for many clients at once. At each wake-up, the TestClock inspects every fiber and waits twice in real time,
 * which is too slow for the hundreds of fibers of a hundred clients. This clock only lets the event loop turn a few times
 * and then assumes that every fiber sleeps, which holds as long as no fiber waits for a socket.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export interface FleetClock {
  readonly clock: Clock.Clock
  /** Wakes all fibers that sleep until that instant, in chronological order, each after earlier ones sleep again. */
  readonly runUntil: (instant: number) => Effect.Effect<void>
}

const TURNS = 3

export const make = (): FleetClock => {
  let now = 0
  const sleepers = new Map<() => void, number>()
  const settle = Effect.promise(async () => {
    for (let turn = 0; turn < TURNS; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
  const clock: Clock.Clock = {
    ...Clock.make(),
    unsafeCurrentTimeMillis: () => now,
    unsafeCurrentTimeNanos: () => BigInt(Math.round(now * 1e6)),
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanos: Effect.sync(() => BigInt(Math.round(now * 1e6))),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        const wake = () => resume(Effect.void)
        sleepers.set(wake, now + Duration.toMillis(duration))
        return Effect.sync(() => sleepers.delete(wake))
      })
  }
  const runUntil = (instant: number): Effect.Effect<void> =>
    Effect.gen(function* () {
      for (;;) {
        yield* settle
        const next = Math.min(...sleepers.values())
        if (next > instant) {
          now = instant
          return
        }
        now = next
        for (const [wake, at] of [...sleepers]) {
          if (at === next) {
            sleepers.delete(wake)
            wake()
          }
        }
      }
    })
  return { clock, runUntil }
}
