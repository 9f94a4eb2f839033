/**
 * The loops of the scale benchmark, without shared code and with a copy of this module per subject, like
 * loops-effect.ts.
 */
import type { Snapshot } from "flipt-client-effect/Snapshot"
import type { Prepared } from "./ours.js"

export const sameFlag = (
  snapshot: Snapshot,
  flagKey: string,
  entities: ReadonlyArray<Prepared>,
  from: number,
  count: number
): number => {
  const mask = entities.length - 1
  let seen = 0
  for (let i = from; i < from + count; i++) {
    const { context, entityId } = entities[i & mask]!
    const result = snapshot.boolean({ flagKey, entityId, context })
    if (result._tag === "Right" && result.right.enabled) {
      seen++
    }
  }
  return seen
}

export const otherFlags = (
  snapshot: Snapshot,
  keys: ReadonlyArray<string>,
  entities: ReadonlyArray<Prepared>,
  from: number,
  count: number
): number => {
  const mask = entities.length - 1
  let seen = 0
  for (let i = from, place = from % keys.length; i < from + count; i++) {
    const { context, entityId } = entities[i & mask]!
    const result = snapshot.boolean({ flagKey: keys[place]!, entityId, context })
    place = place + 1 === keys.length ? 0 : place + 1
    if (result._tag === "Right" && result.right.enabled) {
      seen++
    }
  }
  return seen
}
