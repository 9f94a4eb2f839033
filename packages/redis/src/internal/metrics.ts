/**
 * The metrics of a relay, with the tags `environment` and `namespace`. They change rarely, so they are always on.
 */
import * as Metric from "effect/Metric"
import type { Target } from "flipt-client-effect/SnapshotStore"

export interface Metrics {
  readonly setLeading: (leading: boolean) => void
  readonly setBytes: (bytes: number) => void
  readonly countPublished: (outcome: string) => void
}

const leading = Metric.gauge("flipt_relay_leading", { description: "1 while this process leads, otherwise 0" })
const bytes = Metric.gauge("flipt_relay_document_bytes", { description: "Size of the last published document" })
const published = Metric.counter("flipt_relay_publishes", {
  description: "States to be published, by outcome",
  incremental: true
})

export const make = ({ environment, namespace }: Target): Metrics => {
  const tagged = <Type, In, Out>(metric: Metric.Metric<Type, In, Out>) =>
    metric.pipe(Metric.tagged("environment", environment), Metric.tagged("namespace", namespace))
  return {
    setLeading: (isLeading) => tagged(leading).unsafeUpdate(isLeading ? 1 : 0, []),
    setBytes: (size) => tagged(bytes).unsafeUpdate(size, []),
    countPublished: (outcome) => tagged(published).pipe(Metric.tagged("outcome", outcome)).unsafeUpdate(1, [])
  }
}
