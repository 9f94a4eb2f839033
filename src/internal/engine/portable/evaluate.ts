/**
 * Evaluates a compiled flag: reads, compares and picks.
 */
import { matchAudience } from "./audience.js"
import { BUCKETS, PERCENT, placeAfter, placeBefore } from "./bucket.js"
import type { Boolean, BooleanFlag, Rollout, Rule, Variant, VariantFlag } from "./compile.js"
import type { Subject } from "./subject.js"

/** Evaluates a variant flag. */
export const evaluateVariant = (flag: VariantFlag, subject: Subject): Variant => {
  const { rules } = flag
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as Rule
    const outcomes = matchAudience(rule, subject)
    if (outcomes !== undefined) {
      const { bounds } = rule
      let bucket = 0
      if (bounds.length > 1) {
        const point = placeAfter(subject, flag.hashedKey, BUCKETS) + 1
        while ((bounds[bucket] as number) < point) {
          bucket++
        }
      }
      return outcomes[bucket] as Variant
    }
  }
  return flag.otherwise
}

/** Evaluates a boolean flag. */
export const evaluateBoolean = (flag: BooleanFlag, subject: Subject): Boolean => {
  const { rollouts } = flag
  for (let i = 0; i < rollouts.length; i++) {
    const rollout = rollouts[i] as Rollout
    const { percentage } = rollout
    if (percentage === undefined) {
      const outcome = matchAudience(rollout, subject)
      if (outcome !== undefined) {
        return outcome
      }
    } else if (placeBefore(subject, flag.hashedKey, PERCENT) < percentage) {
      return rollout.all
    }
  }
  return flag.otherwise
}
