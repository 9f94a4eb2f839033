/**
 * Steps of Schedules that are taken one by one in a generator, such as those of the simulation in `bench/`.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { YieldWrap } from "effect/Utils"

/** What takes steps. Its effects are those of the Schedules: random numbers. */
export type Steps = Generator<YieldWrap<Effect.Effect<unknown>>, void, unknown>

/** A Schedule that is asked step by step: until when it would wait and what it gives; nothing when it is done. */
export const makeDriver = <Out, In>(schedule: Schedule.Schedule<Out, In>) => {
  let state: unknown = schedule.initial
  return function* (now: number, input: In) {
    const [next, out, decision] = yield* schedule.step(now, input, state)
    state = next
    return ScheduleDecision.isDone(decision) ? undefined : { at: ScheduleIntervals.start(decision.intervals), out }
  }
}

/** Takes each number from the Random of that time. */
export const delegate = (current: () => Random.Random): Random.Random => ({
  ...current(),
  [Random.RandomTypeId]: Random.RandomTypeId,
  next: Effect.suspend(() => current().next),
  nextRange: (min, max) => Effect.suspend(() => current().nextRange(min, max))
})
