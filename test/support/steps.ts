/**
 * Steps through Schedules in a generator, as the simulation in `bench/` does.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { YieldWrap } from "effect/Utils"

/** A generator that steps through Schedules. Its only effects are their random numbers. */
export type Steps = Generator<YieldWrap<Effect.Effect<unknown>>, void, unknown>

/** Steps through a Schedule. A step returns when to continue and the output, or `undefined` when the Schedule is done. */
export const makeDriver = <Out, In>(schedule: Schedule.Schedule<Out, In>) => {
  let state: unknown = schedule.initial
  return function* (now: number, input: In) {
    const [next, out, decision] = yield* schedule.step(now, input, state)
    state = next
    return ScheduleDecision.isDone(decision) ? undefined : { at: ScheduleIntervals.start(decision.intervals), out }
  }
}

/** A Random that takes each number from the one that is current at that time. */
export const delegate = (current: () => Random.Random): Random.Random => ({
  ...current(),
  [Random.RandomTypeId]: Random.RandomTypeId,
  next: Effect.suspend(() => current().next),
  nextRange: (min, max) => Effect.suspend(() => current().nextRange(min, max))
})
