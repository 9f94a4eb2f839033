/**
 * Makes Schedules, and runs them step by step.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleInterval from "effect/ScheduleInterval"
import * as ScheduleIntervals from "effect/ScheduleIntervals"

export interface Step<State, Out> {
  readonly state: State
  readonly output: Out
  /** In milliseconds. */
  readonly delay: number
}

/** Makes a Schedule that never ends from the function that computes its steps. Times are in milliseconds. */
export const makeSchedule = <State, Out, In = unknown>(
  initial: State,
  step: (state: State, input: In, now: number) => Effect.Effect<Step<State, Out>>
): Schedule.Schedule<Out, In> =>
  Schedule.makeWithState(initial, (now, input: In, state) =>
    Effect.map(
      step(state, input, now),
      (next) =>
        [next.state, next.output, ScheduleDecision.continueWith(ScheduleInterval.after(now + next.delay))] as const
    )
  )

/** Waits for the next delay of a Schedule at every call. Dies when the Schedule ends. */
export const makeWaits = <Out, In>(
  schedule: Schedule.Schedule<Out, In>
): Effect.Effect<(input: In) => Effect.Effect<Out>> =>
  Effect.map(Schedule.driver(schedule), (driver) => (input) => Effect.orDie(driver.next(input)))

export interface Steps {
  /** The next delay, in milliseconds. None when the Schedule has ended. */
  readonly next: (now: number) => Effect.Effect<Option.Option<number>>
  /** Begins the Schedule anew. */
  readonly reset: () => void
}

/** Asks a Schedule for its delays, without waiting. */
export const makeSteps = (schedule: Schedule.Schedule<unknown>): Steps => {
  let state = schedule.initial
  return {
    next: (now) =>
      Effect.map(schedule.step(now, undefined, state), ([next, , decision]) => {
        state = next
        return ScheduleDecision.isDone(decision)
          ? Option.none()
          : Option.some(ScheduleIntervals.start(decision.intervals) - now)
      }),
    reset: () => {
      state = schedule.initial
    }
  }
}
