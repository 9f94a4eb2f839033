/**
 * The loops that are timed. Each subject gets a copy of this module of its own, by a query in the import's URL: so the
 * call in the loop sees one subject only, as it does in an application.
 *
 * `entities` is as long as a power of two. Each loop gives how many answers were `true` or the first variant, so that no
 * answer can be left out.
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

/** All flags for one entity, and then for the next. */
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

/** Every flag for another entity than the one before it; in time, all pairs. */
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

/** All flags for one entity that is bound once, through `Snapshot.bind`. */
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
