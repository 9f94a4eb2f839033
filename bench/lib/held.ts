/**
 * For how long the event loop is held while something runs: a timer of 1 ms looks at the clocks each time that it comes.
 * `late` is by how much it came too late, in wall time, which another process on the machine can cause as well; `held` is
 * the processor time that the thread has spent since the timer came before, which nothing else can. In milliseconds.
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
  // what has held the loop last is only seen by a timer behind it
  await new Promise((resolve) => setTimeout(resolve, 2))
  clearInterval(timer)
  return {
    value,
    millis,
    late: { max: Math.max(...late), p99: quantile(late, 0.99) },
    held: { max: Math.max(...held), p99: quantile(held, 0.99) }
  }
}
