/**
 * Matches the segments of rules and rollouts.
 */
import type { Constraint } from "./constraint.js"
import { read, type Subject } from "./subject.js"

export interface Segment {
  readonly any: boolean
  /** The constraints before the first one that aborts. */
  readonly constraints: ReadonlyArray<Constraint>
  /** Whether the segment matches if no constraint decides. */
  readonly otherwise: boolean
}

/**
 * Segments with an outcome for each set of them that can match. Rules and all kinds of rollouts share this one shape, so
 * that evaluation stays monomorphic.
 */
export interface Audience<A> {
  readonly and: boolean
  readonly keys: ReadonlyArray<string>
  readonly segments: ReadonlyArray<Segment>
  /** The segment, if there is exactly one, which is by far the most common case. */
  readonly single: Segment | undefined
  /** The outcome if all segments match. */
  readonly complete: A
  /** The outcomes if only some segments match, made on first use. */
  partial: Map<string, A> | undefined
  readonly makeOutcome: (segmentKeys: ReadonlyArray<string>) => A
  /** For a rule: the upper bound of each distribution out of 1000, ascending. */
  readonly bounds: ReadonlyArray<number>
  /** For a threshold rollout, which has no segments. */
  readonly percentage: number | undefined
}

/** Bounds the cached outcomes per audience: an attacker could produce every set of matching segments. */
const MAX_PARTIAL_OUTCOMES = 256

const matchesSegment = (segment: Segment, subject: Subject): boolean => {
  const { any, constraints } = segment
  for (let i = 0; i < constraints.length; i++) {
    const { matches, property } = constraints[i] as Constraint
    if (matches(property === undefined ? subject.entityId : read(subject, property)) === any) {
      return any
    }
  }
  return segment.otherwise
}

/** Returns the outcome for the segments that match, or `undefined` if the audience does not match. */
export const matchAudience = <A>(audience: Audience<A>, subject: Subject): A | undefined => {
  const { and, single, segments } = audience
  if (single !== undefined) {
    return matchesSegment(single, subject) ? audience.complete : undefined
  }
  let count = 0
  let matched = ""
  for (let i = 0; i < segments.length; i++) {
    if (matchesSegment(segments[i] as Segment, subject)) {
      count++
      if (!and) {
        matched += `${i},`
      }
    } else if (and) {
      return undefined
    }
  }
  if (count === segments.length) {
    return and || count > 0 ? audience.complete : undefined
  }
  return count === 0 ? undefined : partialOutcome(audience, matched)
}

const partialOutcome = <A>(audience: Audience<A>, matched: string): A => {
  audience.partial ??= new Map()
  let outcome = audience.partial.get(matched)
  if (outcome === undefined) {
    outcome = audience.makeOutcome(
      Object.freeze(
        matched
          .slice(0, -1)
          .split(",")
          .map((index) => audience.keys[Number(index)] as string)
      )
    )
    if (audience.partial.size >= MAX_PARTIAL_OUTCOMES) {
      audience.partial.clear()
    }
    audience.partial.set(matched, outcome)
  }
  return outcome
}
