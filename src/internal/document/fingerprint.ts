/**
 * The fingerprint of a flag: a hash over every field that affects its evaluation. All engines compute the same value.
 */

import { Hasher } from "../util/hash64.js"
import type * as Definition from "./definition.js"

const addAudience = (hasher: Hasher, audience: Definition.Audience): void => {
  hasher.boolean(audience.and).list(audience.segments, (segment) => {
    hasher
      .text(segment.key)
      .boolean(segment.any)
      .list(segment.constraints, (constraint) => {
        hasher.text(constraint.type).text(constraint.property).text(constraint.operator).text(constraint.value)
      })
  })
}

const addRollout = (hasher: Hasher, rollout: Definition.Rollout): void => {
  switch (rollout._tag) {
    case "Threshold":
      hasher.uint(1).float(rollout.percentage).boolean(rollout.value)
      return
    case "Segment":
      hasher.uint(2).boolean(rollout.value)
      addAudience(hasher, rollout.audience)
      return
    case "Unknown":
      hasher.uint(0)
  }
}

/** The fingerprint of a flag, as 16 hex digits. */
export const fingerprint = (flag: Definition.Flag): string => {
  const hasher = new Hasher()
  hasher
    .text(flag.key)
    .boolean(flag.boolean)
    .boolean(flag.enabled)
    .optional(flag.defaultVariant?.key)
    .optional(flag.defaultVariant?.attachment)
    .list(flag.rules, (rule) => {
      addAudience(hasher, rule)
      hasher.list(rule.distributions, (distribution) => {
        hasher.text(distribution.variantKey).optional(distribution.attachment).float(distribution.rollout)
      })
    })
    .list(flag.rollouts, (rollout) => addRollout(hasher, rollout))
  return hasher.hex
}
