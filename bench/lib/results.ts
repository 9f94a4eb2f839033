import type { Environment } from "./measure.js"

/** What `npm run bench:evaluate -- --json` prints. */
export interface Evaluated extends Environment {
  /** Nanoseconds for one evaluation, by `subject workload`. */
  readonly nanos: Readonly<Record<string, number>>
  /** The peer's time divided by ours, by engine, peer and workload. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>
  /** Bound evaluation divided by unbound, by engine. */
  readonly bound: Readonly<Record<string, number>>
  /** The ratios that fail `npm run bench:check`. */
  readonly failures: ReadonlyArray<string>
}
