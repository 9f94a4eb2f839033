/**
 * Finds rules and rollouts that no entity reaches, or that cannot match.
 */
import type * as Definition from "../document/definition.js"
import { quote } from "../explain/text.js"
import type { Fault } from "./constraint.js"
import { type Fate, fateOfSegment } from "./segment.js"

const contentOf = ({ any, constraints }: Definition.Segment): string => JSON.stringify([any, constraints])

interface Audience extends Definition.Audience {
  readonly fates: ReadonlyArray<Fate>
}

const withFates = (audience: Definition.Audience): Audience => ({
  ...audience,
  fates: audience.segments.map(fateOfSegment)
})

const fateOfAudience = ({ and, fates }: Audience): Fate =>
  and
    ? fates.includes("never")
      ? "never"
      : fates.every((fate) => fate === "always")
        ? "always"
        : "depends"
    : fates.includes("always")
      ? "always"
      : fates.every((fate) => fate === "never")
        ? "never"
        : "depends"

const neverMatches = (kind: "rule" | "rollout", audience: Audience): Fault => {
  const { and, fates, segments } = audience
  const culprit = segments[fates.indexOf("never")]
  return {
    kind: "NeverMatches",
    here:
      culprit === undefined
        ? `the ${kind} never matches: it has no segments, and one must match`
        : `the ${kind} never matches: ${and || segments.length === 1 ? `segment ${quote(culprit.key)}` : "each of its segments"} never does`,
    server: "the same, unless a finding about the segment says otherwise",
    advice: culprit === undefined ? "add a segment" : `correct the segment, or remove the ${kind}`
  }
}

const unreachable = (kind: "rule" | "rollout", by: number, why: string): Fault => ({
  kind: "Unreachable",
  here: `the ${kind} is never reached: ${kind} ${by + 1} ${why}`,
  server: "the same",
  advice: `remove the ${kind}, or move it before ${kind} ${by + 1}`
})

const everyone = "matches everyone before it"
const thoseEntities = "matches all of its entities before it"

/**
 * Tracks the entities for which earlier rules or rollouts decide. If a segment alone is enough for one of them, later ones
 * never see its entities. An entity has the same point for all thresholds of a flag, so only the highest threshold so far
 * matters.
 */
export class Reach {
  private closedBy: number | undefined
  private readonly taken = new Map<string, number>()
  private threshold = 0
  private thresholdBy = 0

  constructor(private readonly kind: "rule" | "rollout") {}

  audience(index: number, definition: Definition.Audience): Fault | undefined {
    const audience = withFates(definition)
    const fate = fateOfAudience(audience)
    if (fate === "never") {
      return neverMatches(this.kind, audience)
    }
    if (this.closedBy !== undefined) {
      return unreachable(this.kind, this.closedBy, everyone)
    }
    const { and, fates, segments } = audience
    const contents = segments.filter((_, at) => fates[at] !== "never").map(contentOf)
    const takers = contents.map((content) => this.taken.get(content))
    const known = takers.filter((taker) => taker !== undefined)
    if (and ? known.length > 0 : known.length === takers.length && known.length > 0) {
      const first = and ? known[0] : known.at(-1)
      return unreachable(this.kind, first as number, thoseEntities)
    }
    if (fate === "always") {
      this.closedBy = index
    } else if (!and || contents.length === 1) {
      for (const content of contents) {
        if (!this.taken.has(content)) {
          this.taken.set(content, index)
        }
      }
    }
    return undefined
  }

  percentage(index: number, percentage: number): Fault | undefined {
    if (percentage <= 0) {
      return undefined
    }
    if (this.closedBy !== undefined) {
      return unreachable(this.kind, this.closedBy, everyone)
    }
    // points are whole numbers
    const end = Math.ceil(percentage)
    if (end <= this.threshold) {
      return unreachable(this.kind, this.thresholdBy, `takes the same entities before it, up to ${this.threshold} %`)
    }
    this.threshold = end
    this.thresholdBy = index
    if (end >= 100) {
      this.closedBy = index
    }
    return undefined
  }
}
