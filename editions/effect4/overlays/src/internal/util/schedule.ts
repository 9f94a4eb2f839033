// Written after sha256:89e53f4bdac2dc73 of the same path
/**
 * Makes Schedules, and runs them step by step.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"

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
  Schedule.fromStep(
    Effect.sync(() => {
      let state = initial
      return (now: number, input: In) =>
        Effect.map(step(state, input, now), (next): [Out, Duration.Duration] => {
          state = next.state
          return [next.output, Duration.millis(next.delay)]
        })
    })
  )

/** Waits for the next delay of a Schedule at every call. Dies when the Schedule ends. */
export const makeWaits = <Out, In>(
  schedule: Schedule.Schedule<Out, In>
): Effect.Effect<(input: In) => Effect.Effect<Out>> =>
  Effect.map(Schedule.toStepWithSleep(schedule), (next) => (input) => Effect.orDie(next(input)))

export interface Steps {
  /** The next delay, in milliseconds. None when the Schedule has ended. */
  readonly next: (now: number) => Effect.Effect<Option.Option<number>>
  /** Begins the Schedule anew. */
  readonly reset: () => void
}

/** Asks a Schedule for its delays, without waiting. */
export const makeSteps = (schedule: Schedule.Schedule<unknown>): Steps => {
  const begin = Schedule.toStep(schedule)
  let step: Effect.Success<typeof begin> | undefined
  return {
    next: (now) =>
      Effect.flatMap(step === undefined ? begin : Effect.succeed(step), (running) => {
        step = running
        return Pull.matchEffect(running(now, undefined), {
          onSuccess: ([, delay]) => Effect.succeed(Option.some(Duration.toMillis(delay))),
          onFailure: Effect.failCause,
          onDone: () => Effect.succeedNone
        })
      }),
    reset: () => {
      step = undefined
    }
  }
}
