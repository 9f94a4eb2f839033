/**
 * Runs schedules without waiting.
 */
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"

export interface Step<Out> {
  readonly out: Out
  /** In milliseconds. */
  readonly delay: number
}

/** A schedule's output and delay for each input, until it is done. */
export const drive = <Out, In>(
  schedule: Schedule.Schedule<Out, In>,
  inputs: Iterable<In>,
  start = 0
): Effect.Effect<ReadonlyArray<Step<Out>>> =>
  Effect.gen(function* () {
    const steps: Array<Step<Out>> = []
    let state = schedule.initial
    let now = start
    for (const input of inputs) {
      const [next, out, decision] = yield* schedule.step(now, input, state)
      if (ScheduleDecision.isDone(decision)) break
      const wakesAt = ScheduleIntervals.start(decision.intervals)
      steps.push({ out, delay: wakesAt - now })
      state = next
      now = wakesAt
    }
    return steps
  })
