import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"

/** Lets the event loop turn: the default scheduler runs what follows a yield in a microtask. */
export const turn: Effect.Effect<void> = Effect.yieldNow().pipe(Effect.withScheduler(Scheduler.timerBatched(0)))
