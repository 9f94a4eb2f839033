import type { Entity } from "./workloads.js"

/** An SDK with the flags loaded. `Prepared` is an entity in the SDK's own form. */
export interface Subject<Prepared = unknown> {
  prepare(entity: Entity): Prepared
  /** The entity without attributes, for workload (a). */
  bare(entity: Entity): Prepared
  boolean(flagKey: string, prepared: Prepared): unknown
  /** The variant's key, or anything else if no segment matches. */
  variant(flagKey: string, prepared: Prepared): unknown
  close?(): unknown
}
