import type * as Clock from "effect/Clock"
import { monotonicMillisOf } from "./monotonic.js"

/** Measures how long synchronous work holds the event loop, in milliseconds. */
export class HoldTimer {
  /** The time of all work so far. */
  total = 0
  /** The time of the longest piece of work. */
  longest = 0

  constructor(private readonly clock: Clock.Clock) {}

  run<A>(work: () => A): A {
    const start = monotonicMillisOf(this.clock)
    try {
      return work()
    } finally {
      const held = monotonicMillisOf(this.clock) - start
      this.total += held
      this.longest = Math.max(this.longest, held)
    }
  }
}
