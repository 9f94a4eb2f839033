// Written after sha256:4f47d76f3c8b923a of the same path
/**
 * Steps of Schedules that are taken one by one in a generator, such as those of the simulation in `bench/`.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"

/** What takes steps. Its effects are those of the Schedules: random numbers. */
export type Steps = Generator<Effect.Effect<unknown>, void, unknown>

/** A Schedule that is asked step by step: until when it would wait and what it gives; nothing when it is done. */
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

/** Takes each number from the Random of that time. */
export const delegate = (current: () => Random.Random): Random.Random => ({
  nextDoubleUnsafe: () => current().nextDoubleUnsafe(),
  nextIntUnsafe: () => current().nextIntUnsafe()
})
