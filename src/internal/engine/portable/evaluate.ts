/**
 * Evaluates compiled flags.
 */
import { matchAudience } from "./audience.js"
import { bucketEntityFirst, bucketKeyFirst, PERCENT_BUCKETS, VARIANT_BUCKETS } from "./bucket.js"
import type { BooleanFlag, BooleanOutcome, Rollout, Rule, VariantFlag, VariantOutcome } from "./compile.js"
import type { Subject } from "./subject.js"

export const evaluateVariant = (flag: VariantFlag, subject: Subject): VariantOutcome => {
  const { rules } = flag
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as Rule
    const outcomes = matchAudience(rule, subject)
    if (outcomes !== undefined) {
      const { bounds } = rule
      let bucket = 0
      if (bounds.length > 1) {
        const point = bucketKeyFirst(subject, flag.keyHash, VARIANT_BUCKETS) + 1
        while ((bounds[bucket] as number) < point) {
          bucket++
        }
      }
      return outcomes[bucket] as VariantOutcome
    }
  }
  return flag.noMatch
}

export const evaluateBoolean = (flag: BooleanFlag, subject: Subject): BooleanOutcome => {
  const { rollouts } = flag
  for (let i = 0; i < rollouts.length; i++) {
    const rollout = rollouts[i] as Rollout
    const { percentage } = rollout
    if (percentage === undefined) {
      const outcome = matchAudience(rollout, subject)
      if (outcome !== undefined) {
        return outcome
      }
    } else if (bucketEntityFirst(subject, flag.keyHash, PERCENT_BUCKETS) < percentage) {
      return rollout.complete
    }
  }
  return flag.noMatch
}
