/**
 * All findings of one flag.
 */
import type { Finding } from "../../Lint.js"
import type * as Definition from "../document/definition.js"
import { bucketsOf } from "../explain/explain.js"
import { plain, quote } from "../explain/text.js"
import { isAbsent } from "../flag/attachments.js"
import { checkConstraint, type Fault } from "./constraint.js"
import { Reach } from "./reach.js"
import { checkSegment } from "./segment.js"

/** Half a point of a thousand, which permits thirds with two decimals. */
const TOLERANCE = 0.05

const percent = (share: number): string => `${Number(share.toFixed(2))} %`

type Add = (place: string, fault: Fault | undefined) => void

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const checkAttachment = (place: string, attachment: string | undefined, add: Add): void => {
  if (!isAbsent(attachment) && !isJson(attachment)) {
    add(place, {
      kind: "Attachment",
      here: `results contain the attachment unchanged, and Flag.json cannot decode it: ${plain(attachment, 30)}`,
      server: "returns the attachment unchanged",
      advice: "make the attachment JSON"
    })
  }
}

const checkSegments = (place: string, segments: ReadonlyArray<Definition.Segment>, add: Add): void => {
  for (const segment of segments) {
    const at = `${place}, segment ${quote(segment.key)}`
    for (const fault of checkSegment(segment)) {
      add(at, fault)
    }
    segment.constraints.forEach((constraint, index) => {
      for (const fault of checkConstraint(constraint)) {
        add(`${at}, constraint ${index + 1}`, fault)
      }
    })
  }
}

const sumFault = (sum: number): Fault =>
  sum === 0
    ? {
        kind: "DistributionSum",
        here: "no distribution has a share: the rule gives the default variant",
        server: "the same",
        advice: "give the distributions shares that sum to 100"
      }
    : {
        kind: "DistributionSum",
        here: `the shares sum to ${percent(sum)}, and are scaled to 100 %`,
        server:
          sum < 100
            ? `Flipt before v2.9 gives no variant to the remaining ${percent(100 - sum)}; later versions also scale the shares`
            : "Flipt before v2.9 cuts off shares above 100 %; later versions also scale them",
        advice: "make the shares sum to 100, for example with a distribution for the default variant"
      }

const checkDistributions = (place: string, rule: Definition.Rule, isRepeated: boolean, add: Add): void => {
  const { distributions } = rule
  const sum = distributions.reduce((total, { rollout }) => total + Math.max(rollout, 0), 0)
  if (distributions.length > 0 && !isRepeated && Math.abs(sum - 100) >= TOLERANCE) {
    add(place, sumFault(sum))
  }
  const buckets = bucketsOf(distributions)
  distributions.forEach(({ attachment, rollout, variantKey }, index) => {
    const at = `${place}, distribution ${index + 1} (${quote(variantKey)})`
    const bucket = buckets[index]
    if (rollout < 0 || (rollout > 0 && bucket !== undefined && bucket.last < bucket.first)) {
      add(at, {
        kind: "NoShare",
        here: `no entity gets the variant: ${percent(rollout)} is ${rollout < 0 ? "below 0" : "less than one point of 1000"}`,
        server: rollout < 0 ? "the same" : "about the same; the server rounds bounds down",
        advice: "give the distribution at least 0.1 %, or remove it"
      })
    }
    checkAttachment(at, attachment, add)
  })
}

/** Numbers the rules so that equal rules have equal numbers: rules are compared often, and may be long. */
const numberContents = (rules: ReadonlyArray<Definition.Rule>): ReadonlyArray<number> => {
  const numbers = new Map<string, number>()
  return rules.map((rule) => {
    const content = JSON.stringify(rule)
    const number = numbers.get(content) ?? numbers.size
    numbers.set(content, number)
    return number
  })
}

/** How often Flipt v1 has sent a rule: once per segment, each time with all distributions repeated as often. */
const repetitions = (rules: ReadonlyArray<Definition.Rule>, contents: ReadonlyArray<number>, index: number): number => {
  const { distributions, segments } = rules[index] as Definition.Rule
  const count = segments.length
  const length = distributions.length / count
  const isRepeated =
    count > 1 &&
    Number.isInteger(length) &&
    contents.slice(index, index + count).every((content) => content === contents[index]) &&
    index + count <= contents.length &&
    distributions.every((distribution, at) => {
      const first = distributions[at % length] as Definition.Distribution
      return distribution.variantKey === first.variantKey && distribution.rollout === first.rollout
    })
  return isRepeated ? count : 1
}

const repeatedRule = (count: number): Fault => ({
  kind: "RepeatedRule",
  here: `the rule and its distributions occur ${count} times, because Flipt v1 sent a rule with ${count} segments: the rule splits ${count} times, and many entities get another variant`,
  server: "splits once",
  advice: "use one segment with all constraints, or upgrade to Flipt v2"
})

const checkRules = (rules: ReadonlyArray<Definition.Rule>, add: Add): void => {
  const reach = new Reach("rule")
  const contents = numberContents(rules)
  for (let index = 0; index < rules.length; ) {
    const rule = rules[index] as Definition.Rule
    const place = `rule ${index + 1}`
    const count = repetitions(rules, contents, index)
    const round = rule.distributions.slice(0, rule.distributions.length / count)
    if (count > 1 && round.filter(({ rollout }) => rollout > 0).length > 1) {
      add(place, repeatedRule(count))
    }
    add(place, reach.audience(index, rule))
    checkSegments(place, rule.segments, add)
    checkDistributions(place, rule, count > 1, add)
    index += count
  }
}

const checkPercentage = (percentage: number): Fault | undefined =>
  percentage < 0 || percentage > 100
    ? {
        kind: "Percentage",
        here: `${percent(percentage)} counts as ${percentage < 0 ? 0 : 100} %`,
        server: "the same",
        advice: "use a percentage from 0 to 100"
      }
    : Number.isInteger(percentage)
      ? undefined
      : {
          kind: "Percentage",
          here: `${percent(percentage)} counts as ${Math.ceil(percentage)} %, since entities fall on whole percents`,
          server: "the same",
          advice: "use a whole percentage, or a variant flag, which splits by tenths of a percent"
        }

const checkRollouts = (rollouts: ReadonlyArray<Definition.Rollout>, add: Add): void => {
  const reach = new Reach("rollout")
  rollouts.forEach((rollout, index) => {
    const place = `rollout ${index + 1}`
    switch (rollout._tag) {
      case "Threshold":
        add(place, checkPercentage(rollout.percentage))
        add(place, reach.percentage(index, rollout.percentage))
        return
      case "Segment":
        add(place, reach.audience(index, rollout.audience))
        checkSegments(place, rollout.audience.segments, add)
        return
      case "Unknown":
        add(place, {
          kind: "Ignored",
          here: "the rollout is ignored: it has neither a threshold nor segments",
          server: "the same",
          advice: "remove the rollout, or complete it"
        })
    }
  })
}

const ignored = (type: string, parts: string): Fault => ({
  kind: "Ignored",
  here: `the ${parts} are ignored: the flag is a ${type} flag`,
  server: "the same",
  advice: `correct the flag's type, or remove its ${parts}`
})

export const checkFlag = (flag: Definition.Flag): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const add: Add = (place, fault) => {
    if (fault !== undefined) {
      findings.push({ ...fault, flag: flag.key, place })
    }
  }
  if (flag.defaultVariant !== undefined) {
    checkAttachment("default variant", flag.defaultVariant.attachment, add)
  }
  if (flag.boolean) {
    if (flag.rules.length > 0) {
      add("rules", ignored("boolean", "rules"))
    }
    checkRollouts(flag.rollouts, add)
  } else {
    if (flag.rollouts.length > 0) {
      add("rollouts", ignored("variant", "rollouts"))
    }
    checkRules(flag.rules, add)
  }
  return findings
}
