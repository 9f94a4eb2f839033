/**
 * Metrics of Effect with their tags built in: tags that are added to each update would cost many times the update.
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"

export type Counter = Metric.Metric.Counter<number>
export type Gauge = Metric.Metric.Gauge<number>
export type Histogram = ReturnType<typeof Metric.histogram>

export type Tags = Readonly<Record<string, string>>

/** The first bound, the factor between two bounds, and the number of bounds. The last one is infinity. */
export interface Bounds {
  readonly start: number
  readonly factor: number
  readonly count: number
}

const labels = (tags: Tags): ReadonlyArray<MetricLabel.MetricLabel> =>
  Object.entries(tags).map(([key, value]) => MetricLabel.make(key, value))

export const makeCounter = (name: string, description: string, tags: Tags): Counter =>
  Metric.fromMetricKey(
    MetricKey.taggedWithLabels(MetricKey.counter(name, { description, incremental: true }), labels(tags))
  )

export const makeGauge = (name: string, description: string, tags: Tags): Gauge =>
  Metric.fromMetricKey(MetricKey.taggedWithLabels(MetricKey.gauge(name, { description }), labels(tags)))

export const makeHistogram = (name: string, description: string, bounds: Bounds, tags: Tags): Histogram =>
  Metric.fromMetricKey(
    MetricKey.taggedWithLabels(
      MetricKey.histogram(name, MetricBoundaries.exponential(bounds), description),
      labels(tags)
    )
  )

const noTags: ReadonlyArray<MetricLabel.MetricLabel> = []

export const increment = (counter: Counter | undefined): void => {
  counter?.unsafeUpdate(1, noTags)
}

export const set = (gauge: Gauge, value: number): void => gauge.unsafeUpdate(value, noTags)

/** Adds to the value of a gauge. */
export const change = (gauge: Gauge, by: number): void => gauge.unsafeModify(by, noTags)

export const observe = (histogram: Histogram, value: number): void => histogram.unsafeUpdate(value, noTags)
