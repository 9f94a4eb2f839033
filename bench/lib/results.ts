import type { Environment } from "./measure.js"

/** The output of `npm run bench:evaluate -- --json`. */
export interface Evaluated extends Environment {
  /** Nanoseconds per evaluation, keyed by `subject workload`. */
  readonly nanos: Readonly<Record<string, number>>
  /** The peer's time divided by ours, keyed by engine, peer and workload. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>
  /** The time of a bound evaluation divided by an unbound one, keyed by engine. */
  readonly bound: Readonly<Record<string, number>>
  /** The ratios that fail `npm run bench:check`. */
  readonly failures: ReadonlyArray<string>
}
