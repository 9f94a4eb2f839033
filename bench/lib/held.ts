/**
 * Measures how long code blocks the event loop, with a timer that fires every millisecond. `late` is the timer's delay in
 * wall time, which other processes can cause too. `held` is the processor time that the thread spent between two firings,
 * which they cannot. Both are in milliseconds.
 */
import { now, quantile } from "./measure.js"

export interface Spread {
  readonly max: number
  readonly p99: number
}

export interface Watched<A> {
  readonly value: A
  readonly millis: number
  readonly late: Spread
  readonly held: Spread
}

export const watch = async <A>(run: () => Promise<A>): Promise<Watched<A>> => {
  const late: Array<number> = []
  const held: Array<number> = []
  let wall = performance.now()
  let own = now()
  const timer = setInterval(() => {
    const wallNow = performance.now()
    const ownNow = now()
    late.push(wallNow - wall - 1)
    held.push((ownNow - own) / 1e6)
    wall = wallNow
    own = ownNow
  }, 1)
  const start = wall
  const value = await run()
  const millis = performance.now() - start
  // only a timer that fires after the run sees the last time that the loop was blocked
  await new Promise((resolve) => setTimeout(resolve, 2))
  clearInterval(timer)
  return {
    value,
    millis,
    late: { max: Math.max(...late), p99: quantile(late, 0.99) },
    held: { max: Math.max(...held), p99: quantile(held, 0.99) }
  }
}
