/**
 * Reads the metrics of one namespace from the registry that all tests share.
 */

import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import type * as Fetcher from "../../src/Fetcher.js"
import { source } from "./handed.js"

let count = 0

/** A unique source, so that no other test has metrics for it. */
export const ownSource = (): Fetcher.Source => ({ ...source, namespace: `own-${count++}` })

export interface State {
  readonly count?: number | bigint
  readonly buckets?: ReadonlyArray<readonly [bound: number, count: number]>
}

/** The states of the metrics with this name and these tags. */
export const find = (name: string, tags: Readonly<Record<string, string>>): Effect.Effect<ReadonlyArray<State>> =>
  Effect.map(Metric.snapshot, (pairs) =>
    pairs
      .filter(
        ({ metricKey }) =>
          metricKey.name === name &&
          Object.entries(tags).every(([key, value]) =>
            metricKey.tags.some((tag) => tag.key === key && tag.value === value)
          )
      )
      .map(({ metricState }) => metricState as unknown as State)
  )

/** Metric names, with all tags except environment and namespace, and their values. For a histogram it is the count. */
export const of = ({ namespace }: Fetcher.Source): Effect.Effect<Readonly<Record<string, number>>> =>
  Effect.map(Metric.snapshot, (pairs) => {
    const found: Record<string, number> = {}
    for (const { metricKey, metricState } of pairs) {
      const tags = Object.fromEntries(metricKey.tags.map(({ key, value }) => [key, value]))
      if (tags.namespace === namespace && tags.environment === "default") {
        const others = Object.entries(tags)
          .filter(([key]) => key !== "namespace" && key !== "environment")
          .sort()
          .map(([key, value]) => `${key}=${value}`)
        const name = metricKey.name.replace("flipt_client_", "")
        const value =
          MetricState.isCounterState(metricState) || MetricState.isHistogramState(metricState)
            ? metricState.count
            : MetricState.isGaugeState(metricState)
              ? metricState.value
              : Number.NaN
        found[others.length === 0 ? name : `${name}{${others.join(",")}}`] = Number(value)
      }
    }
    return found
  })
