/**
 * Checks the answers of every engine before timing it. Ours must match the official client's, field by field. The other
 * SDKs hash differently, so for them it checks the shares and which entities match a segment.
 */
import { deepStrictEqual, ok } from "node:assert/strict"
import type { FliptClient as Official } from "@flipt-io/flipt-client-js"
import * as Either from "effect/Either"
import type { EvaluateError } from "flipt-client-effect/FliptError"
import type { Ours } from "./ours.js"
import type { Subject } from "./subject.js"
import { type Entity, type FlagOfKind, groups, variants } from "./workloads.js"

const within = (what: string, share: number, expected: number, tolerance: number): void =>
  ok(Math.abs(share - expected) <= tolerance, `${what}: ${(100 * share).toFixed(1)} % instead of ${100 * expected} %`)

const isVariant = (value: unknown): boolean => variants.some((variant) => variant === value)

/** Checks shares and segments by the returned values. */
export const checkValues = (
  name: string,
  subject: Subject,
  flags: ReadonlyArray<FlagOfKind>,
  entities: ReadonlyArray<Entity>,
  outsiders: ReadonlyArray<Entity>
): void => {
  const bare = entities.map((it) => subject.bare(it))
  const all = entities.map((it) => subject.prepare(it))
  const others = outsiders.map((it) => subject.prepare(it))
  const share = (list: ReadonlyArray<unknown>, test: (prepared: unknown) => boolean) =>
    list.filter(test).length / list.length
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
          others.map((it) => isVariant(subject.variant(key, it))),
          outsiders.map(({ attributes }) => attributes.group !== groups.at(-1)),
          `${name}, ${key}: entities in the segment`
        )
        break
      }
      default: {
        ok(
          all.every((it) => subject.boolean(key, it) === true),
          `${name}, ${key}: entities in the last group`
        )
        deepStrictEqual(
          others.map((it) => subject.boolean(key, it)),
          outsiders.map(({ attributes }) => groups.some((group) => group === attributes.group)),
          `${name}, ${key}: entities in any group`
        )
      }
    }
  }
}

/** The fields that results of both clients have. */
interface Fields {
  readonly flagKey: string
  readonly reason: string
  readonly segmentKeys: ReadonlyArray<string>
  readonly enabled?: boolean
  readonly match?: boolean
  readonly variantKey?: string
}

const fieldsOf = ({ enabled, flagKey, match, reason, segmentKeys, variantKey }: Fields): Fields => ({
  flagKey,
  reason,
  segmentKeys,
  ...(variantKey === undefined ? { enabled: enabled! } : { match: match!, variantKey })
})

/** Compares one of our engines, bound and unbound, with the official client. */
export const checkSame = (
  name: string,
  { prepare, snapshot }: Ours,
  official: Subject & { readonly client: Official },
  flags: ReadonlyArray<FlagOfKind>,
  entities: ReadonlyArray<Entity>
): void => {
  for (const entity of entities) {
    const { context, entityId } = prepare(entity)
    const bound = snapshot.bind(entityId, context)
    const theirs = official.prepare(entity) as { readonly entityId: string; readonly context: Record<string, string> }
    for (const { key, kind } of flags) {
      const method = kind === "variant" ? "variant" : "boolean"
      const expected: Fields = official.client[kind === "variant" ? "evaluateVariant" : "evaluateBoolean"]({
        flagKey: key,
        ...theirs
      })
      const results: ReadonlyArray<Either.Either<Fields, EvaluateError>> = [
        snapshot[method]({ flagKey: key, entityId, context }),
        bound[method](key)
      ]
      for (const result of results) {
        deepStrictEqual(fieldsOf(Either.getOrThrow(result)), fieldsOf(expected), `${name}, ${key}, ${entityId}`)
      }
    }
  }
}
