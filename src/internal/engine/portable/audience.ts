import { aborts, type Constraint, holds } from "./constraint.js"
import { read, type Subject } from "./subject.js"

export interface Segment {
  readonly any: boolean
  readonly constraints: ReadonlyArray<Constraint>
}

/**
 * Segments, with an outcome for each set of them that can match. Rules and rollouts of all kinds have this one shape, so
 * that what goes through them need not look at shapes.
 */
export interface Audience<A> {
  readonly and: boolean
  readonly keys: ReadonlyArray<string>
  readonly segments: ReadonlyArray<Segment>
  /** The one segment, where there is one: nearly always. */
  readonly only: Segment | undefined
  /** When all segments match. */
  readonly all: A
  /** When only some do: each made when it first happens. */
  some: Map<string, A> | undefined
  readonly make: (segmentKeys: ReadonlyArray<string>) => A
  /** Of a rule: the last point of each bucket, out of 1000; ascending. */
  readonly bounds: ReadonlyArray<number>
  /** Of a threshold, which has no segments. */
  readonly percentage: number | undefined
}

/** Of one audience. Some sets of segments are rare, and an attacker could ask for all of them. */
export const MAX_COMBINATIONS = 256

export const matchesSegment = (segment: Segment, subject: Subject): boolean => {
  const { any, constraints } = segment
  for (let i = 0; i < constraints.length; i++) {
    const constraint = constraints[i] as Constraint
    if (aborts(constraint)) {
      return false
    }
    const value = constraint.property === undefined ? subject.entityId : read(subject, constraint.property)
    if (holds(constraint, value) === any) {
      return any
    }
  }
  return !any || constraints.length === 0
}

/** The outcome for the segments that match, or `undefined` when the audience does not. */
export const matchAudience = <A>(audience: Audience<A>, subject: Subject): A | undefined => {
  const { and, only, segments } = audience
  if (only !== undefined) {
    return matchesSegment(only, subject) ? audience.all : undefined
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
    return and || count > 0 ? audience.all : undefined
  }
  return count === 0 ? undefined : someOutcome(audience, matched)
}

export const someOutcome = <A>(audience: Audience<A>, matched: string): A => {
  audience.some ??= new Map()
  let outcome = audience.some.get(matched)
  if (outcome === undefined) {
    outcome = audience.make(
      Object.freeze(
        matched
          .slice(0, -1)
          .split(",")
          .map((index) => audience.keys[Number(index)] as string)
      )
    )
    if (audience.some.size >= MAX_COMBINATIONS) {
      audience.some.clear()
    }
    audience.some.set(matched, outcome)
  }
  return outcome
}
