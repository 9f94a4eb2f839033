/**
 * `@effect/vitest` for the tests, with a TestClock that lists its sleeping fibers, which Effect's does not.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as vitest from "#vitest"

export * from "#vitest"

interface Sleep {
  readonly at: number
}

const known = new WeakMap<Clock.Clock, Set<Sleep>>()

/** The instants at which a fiber wakes on the clock of the test. */
export const sleeps = (): Effect.Effect<ReadonlyArray<number>> =>
  Effect.map(Effect.service(Clock.Clock), (clock) => Array.from(known.get(clock) ?? [], ({ at }) => at))

const recording = (clock: Clock.Clock): Clock.Clock => {
  const sleeps = new Set<Sleep>()
  const recorded: Clock.Clock = Object.assign(Object.create(clock), clock, {
    sleep: (duration: Duration.Duration) =>
      Effect.suspend(() => {
        const entry = { at: clock.currentTimeMillisUnsafe() + Duration.toMillis(duration) }
        sleeps.add(entry)
        return Effect.ensuring(
          clock.sleep(duration),
          Effect.sync(() => sleeps.delete(entry))
        )
      })
  })
  known.set(recorded, sleeps)
  return recorded
}

const onRecordingClock = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.service(Clock.Clock), (clock) => Effect.provideService(effect, Clock.Clock, recording(clock)))

type Run = (...args: ReadonlyArray<never>) => Effect.Effect<unknown, unknown, unknown>
type Register = (name: string, run: Run, options?: unknown) => unknown

const wrapped =
  (register: Register): Register =>
  (name, run, options) =>
    register(name, (...args) => onRecordingClock(run(...args)), options)

const { effect } = vitest.it as unknown as {
  readonly effect: Register & {
    readonly each: (cases: unknown) => Register
    readonly only: Register
    readonly runIf: (condition: unknown) => Register
    readonly skip: Register
    readonly skipIf: (condition: unknown) => Register
  }
}

const onClock = Object.assign(wrapped(effect), {
  each: (cases: unknown) => wrapped(effect.each(cases)),
  only: wrapped(effect.only),
  runIf: (condition: unknown) => wrapped(effect.runIf(condition)),
  skip: effect.skip,
  skipIf: (condition: unknown) => wrapped(effect.skipIf(condition))
})

export const it: typeof vitest.it = new Proxy(vitest.it, {
  get: (target, name, receiver) => (name === "effect" ? onClock : Reflect.get(target, name, receiver))
})
