/**
 * A clock for many clients at once. The TestClock looks at every fiber and waits in real time, twice, at each wake-up;
 * a hundred clients have hundreds of them. This one takes it that everyone sleeps who has had some turns of the event
 * loop, which holds where nobody waits for a socket.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export interface FleetClock {
  readonly clock: Clock.Clock
  /** Wakes all who sleep until that instant, in the order of time, each when the ones before sleep again. */
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
