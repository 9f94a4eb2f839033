/**
 * The loops that are timed. Each subject gets its own copy of this module, through a query in the import's URL, so that
 * the call in a loop sees only one subject, as in an application.
 *
 * The length of `entities` is a power of two. A loop returns how many answers were `true` or the first variant, so that
 * V8 cannot optimize the evaluations away.
 */
import type { Ours, Prepared } from "./ours.js"
import type { Subject } from "./subject.js"

/** A flag that a loop evaluates. */
export interface Asked {
  readonly key: string
  readonly isVariant: boolean
}

export const boolean = (
  subject: Subject,
  key: string,
  entities: ReadonlyArray<unknown>,
  from: number,
  count: number
): number => {
  const mask = entities.length - 1
  let seen = 0
  for (let i = from; i < from + count; i++) {
    if (subject.boolean(key, entities[i & mask]) === true) {
      seen++
    }
  }
  return seen
}

export const variant = (
  subject: Subject,
  key: string,
  entities: ReadonlyArray<unknown>,
  from: number,
  count: number
): number => {
  const mask = entities.length - 1
  let seen = 0
  for (let i = from; i < from + count; i++) {
    if (subject.variant(key, entities[i & mask]) === "red") {
      seen++
    }
  }
  return seen
}

/** All flags for one entity, then all flags for the next. */
export const oneEntity = (
  subject: Subject,
  flags: ReadonlyArray<Asked>,
  entities: ReadonlyArray<unknown>,
  from: number,
  count: number
): number => {
  const mask = entities.length - 1
  let seen = 0
  for (let done = 0, place = from; done < count; done += flags.length, place++) {
    const entity = entities[place & mask]
    for (let i = 0; i < flags.length; i++) {
      const { isVariant, key } = flags[i]!
      if (isVariant ? subject.variant(key, entity) === "red" : subject.boolean(key, entity) === true) {
        seen++
      }
    }
  }
  return seen
}

/** Each flag for a different entity than the flag before. Over time this covers all pairs. */
export const manyEntities = (
  subject: Subject,
  flags: ReadonlyArray<Asked>,
  entities: ReadonlyArray<unknown>,
  from: number,
  count: number
): number => {
  let seen = 0
  for (let done = 0, place = from % entities.length; done < count; done += flags.length) {
    for (let i = 0; i < flags.length; i++) {
      const { isVariant, key } = flags[i]!
      const entity = entities[place]
      place = place + 1 === entities.length ? 0 : place + 1
      if (isVariant ? subject.variant(key, entity) === "red" : subject.boolean(key, entity) === true) {
        seen++
      }
    }
    place = place + 1 === entities.length ? 0 : place + 1
  }
  return seen
}

/** All flags for one entity, which `Snapshot.bind` binds once. */
export const bound = (
  subject: Ours,
  flags: ReadonlyArray<Asked>,
  entities: ReadonlyArray<Prepared>,
  from: number,
  count: number
): number => {
  const mask = entities.length - 1
  let seen = 0
  for (let done = 0, place = from; done < count; done += flags.length, place++) {
    const entity = subject.bind(entities[place & mask]!)
    for (let i = 0; i < flags.length; i++) {
      const { isVariant, key } = flags[i]!
      if (isVariant ? subject.boundVariant(entity, key) === "red" : subject.boundBoolean(entity, key)) {
        seen++
      }
    }
  }
  return seen
}
