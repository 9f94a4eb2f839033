// Written after sha256:6f130348caeca37a of the same path
/**
 * The metrics of one namespace, out of the registry that all tests share.
 */

import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Fetcher from "../../src/Fetcher.js"
import { source } from "./handed.js"

let count = 0

/** A source of which no other test has metrics. */
export const ownSource = (): Fetcher.Source => ({ ...source, namespace: `own-${count++}` })

export interface State {
  readonly count?: number | bigint
  readonly buckets?: ReadonlyArray<readonly [bound: number, count: number]>
}

/** The states of the metrics of a name whose tags include these. */
export const find = (name: string, tags: Readonly<Record<string, string>>): Effect.Effect<ReadonlyArray<State>> =>
  Effect.map(Metric.snapshot, (metrics) =>
    metrics
      .filter(
        ({ attributes, id }) => id === name && Object.entries(tags).every(([key, value]) => attributes?.[key] === value)
      )
      .map(({ state }) => state as unknown as State)
  )

/** Names with their tags, but for environment and namespace, and their values: a histogram's count. */
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
