// Written after sha256:7fb0b1bf8246ba8e of the same path
/**
 * Metrics of Effect, in the registry of the process.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"

export type Counter = Metric.Counter<number>
export type Gauge = Metric.Gauge<number>
export type Histogram = ReturnType<typeof Metric.histogram>

export type Tags = Readonly<Record<string, string>>

/** The first bound, the factor between two bounds, and the number of bounds. The last one is infinity. */
export interface Bounds {
  readonly start: number
  readonly factor: number
  readonly count: number
}

export const makeCounter = (name: string, description: string, tags: Tags): Counter =>
  Metric.counter(name, { description, incremental: true, attributes: tags })

export const makeGauge = (name: string, description: string, tags: Tags): Gauge =>
  Metric.gauge(name, { description, attributes: tags })

export const makeHistogram = (name: string, description: string, bounds: Bounds, tags: Tags): Histogram =>
  Metric.histogram(name, { description, boundaries: Metric.exponentialBoundaries(bounds), attributes: tags })

/** Without a registry of its own, a metric is in the one of the process. */
const context: Context.Context<never> = Context.empty()

export const increment = (counter: Counter | undefined): void => {
  counter?.updateUnsafe(1, context)
}

export const set = (gauge: Gauge, value: number): void => gauge.updateUnsafe(value, context)

/** Adds to the value of a gauge. */
export const change = (gauge: Gauge, by: number): void => gauge.modifyUnsafe(by, context)

export const observe = (histogram: Histogram, value: number): void => histogram.updateUnsafe(value, context)
