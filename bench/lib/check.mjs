/**
 * That every engine does what is meant, before it is timed. Ours must answer as the official one does, field by field;
 * each other SDK hashes in its own way, so of those the shares are checked, and who is let in.
 */
import { deepStrictEqual, ok } from "node:assert/strict"
import * as Either from "effect/Either"
import { groups, variants } from "./workloads.mjs"

const within = (what, share, expected, tolerance) =>
  ok(Math.abs(share - expected) <= tolerance, `${what}: ${(100 * share).toFixed(1)} % instead of ${100 * expected} %`)

/** Shares and segments, by the values alone. */
export const checkValues = (name, subject, flags, entities, outsiders) => {
  const bare = entities.map(subject.bare)
  const all = entities.map(subject.prepare)
  const others = outsiders.map(subject.prepare)
  const share = (list, test) => list.filter(test).length / list.length
  for (const { key, kind } of flags.slice(0, 6)) {
    switch (kind) {
      case "boolean": {
        for (const list of [bare, all]) {
          within(
            `${name}, ${key}`,
            share(list, (it) => subject.boolean(key, it) === true),
            0.5,
            0.04
          )
          within(
            `${name}, ${key}, false`,
            share(list, (it) => subject.boolean(key, it) === false),
            0.5,
            0.04
          )
        }
        break
      }
      case "variant": {
        for (const variant of variants) {
          within(
            `${name}, ${key}, ${variant}`,
            share(all, (it) => subject.variant(key, it) === variant),
            1 / 3,
            0.04
          )
        }
        deepStrictEqual(
          others.map((it) => variants.includes(subject.variant(key, it))),
          outsiders.map(({ attributes }) => attributes.group !== groups.at(-1)),
          `${name}, ${key}: who is in the segment`
        )
        break
      }
      default: {
        ok(
          all.every((it) => subject.boolean(key, it) === true),
          `${name}, ${key}: who is in the last group`
        )
        deepStrictEqual(
          others.map((it) => subject.boolean(key, it)),
          outsiders.map(({ attributes }) => groups.includes(attributes.group)),
          `${name}, ${key}: who is in a group`
        )
      }
    }
  }
}

const fieldsOf = (result) =>
  "variantKey" in result
    ? [result.flagKey, result.match, result.variantKey, result.reason, result.segmentKeys]
    : [result.flagKey, result.enabled, result.reason, result.segmentKeys]

/** One of our engines, bound and unbound, against the official client. */
export const checkSame = (name, { prepare, snapshot }, official, flags, entities) => {
  for (const entity of entities) {
    const { context, entityId } = prepare(entity)
    const bound = snapshot.bind(entityId, context)
    const theirs = official.prepare(entity)
    for (const { key, kind } of flags) {
      const method = kind === "variant" ? "variant" : "boolean"
      const expected = fieldsOf(
        official.client[kind === "variant" ? "evaluateVariant" : "evaluateBoolean"]({ flagKey: key, ...theirs })
      )
      for (const result of [snapshot[method]({ flagKey: key, entityId, context }), bound[method](key)]) {
        deepStrictEqual(fieldsOf(Either.getOrThrow(result)), expected, `${name}, ${key}, ${entityId}`)
      }
    }
  }
}
