// Written after sha256:98d54eeefc8a191b of the same path
/**
 * Steps through Schedules in a generator, as the simulation in `bench/` does.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"

/** A generator that steps through Schedules. Its only effects are their random numbers. */
export type Steps = Generator<Effect.Effect<unknown>, void, unknown>

/** Steps through a Schedule. A step returns when to continue and the output, or `undefined` when the Schedule is done. */
export const makeDriver = <Out, In>(schedule: Schedule.Schedule<Out, In>) => {
  const begin = Schedule.toStep(schedule)
  let step: Effect.Success<typeof begin> | undefined
  return function* (now: number, input: In) {
    step ??= yield* begin
    return yield* Pull.matchEffect(step(now, input), {
      onSuccess: ([out, delay]) => Effect.succeed({ at: now + Duration.toMillis(delay), out }),
      onFailure: Effect.failCause,
      onDone: () => Effect.undefined
    })
  }
}

/** A Random that takes each number from the one that is current at that time. */
export const delegate = (current: () => Random.Random): Random.Random => ({
  nextDoubleUnsafe: () => current().nextDoubleUnsafe(),
  nextIntUnsafe: () => current().nextIntUnsafe()
})
