// Written after sha256:5644038dd005572b of the same path
/**
 * Runs schedules without waiting.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"

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
    const step = yield* Schedule.toStep(schedule)
    const steps: Array<Step<Out>> = []
    let now = start
    for (const input of inputs) {
      const next = yield* Effect.exit(step(now, input))
      if (Exit.isFailure(next)) break
      const [out, duration] = next.value
      const delay = Duration.toMillis(duration)
      steps.push({ out, delay })
      now += delay
    }
    return steps
  })
