// Written after sha256:1bbb073d45f50cc3 of the same path
/**
 * Reads the metrics of one namespace from the registry that all tests share.
 */

import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
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
  Effect.map(Metric.snapshot, (metrics) =>
    metrics
      .filter(
        ({ attributes, id }) => id === name && Object.entries(tags).every(([key, value]) => attributes?.[key] === value)
      )
      .map(({ state }) => state as unknown as State)
  )

/** Metric names, with all tags except environment and namespace, and their values. For a histogram it is the count. */
export const of = ({ namespace }: Fetcher.Source): Effect.Effect<Readonly<Record<string, number>>> =>
  Effect.map(Metric.snapshot, (pairs) => {
    const found: Record<string, number> = {}
    for (const { attributes, id, state } of pairs) {
      const tags: Readonly<Record<string, string | undefined>> = { ...attributes }
      if (tags.namespace === namespace && tags.environment === "default") {
        const others = Object.entries(tags)
          .filter(([key]) => key !== "namespace" && key !== "environment")
          .sort()
          .map(([key, value]) => `${key}=${value}`)
        const name = id.replace("flipt_client_", "")
        const value = "count" in state ? state.count : "value" in state ? state.value : Number.NaN
        found[others.length === 0 ? name : `${name}{${others.join(",")}}`] = Number(value)
      }
    }
    return found
  })
