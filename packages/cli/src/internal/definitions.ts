/**
 * Definitions of flags, read from a seed, which every engine can write and whose format all Flipt clients share.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import type { Snapshot } from "flipt-client-effect/Snapshot"
import { type Failure, fromFlipt } from "./failure.js"

export interface Constraint {
  readonly type: string
  readonly property: string
  readonly operator: string
  readonly value: string
}

export interface Segment {
  readonly key: string
  readonly isAny: boolean
  readonly constraints: ReadonlyArray<Constraint>
}

/** Segments, and whether all of them must match. */
export interface Audience {
  readonly isAnd: boolean
  readonly segments: ReadonlyArray<Segment>
}

export interface Distribution {
  readonly variantKey: string
  readonly attachment: string | undefined
  /** In percent. */
  readonly rollout: number
}

export interface Rule extends Audience {
  readonly distributions: ReadonlyArray<Distribution>
}

export interface Rollout {
  readonly value: boolean | undefined
  readonly percentage: number | undefined
  readonly audience: Audience | undefined
}

export interface Variant {
  readonly key: string
  readonly attachment: string | undefined
}

export interface Definition {
  readonly key: string
  readonly isBoolean: boolean
  readonly enabled: boolean
  readonly description: string | undefined
  readonly defaultVariant: Variant | undefined
  readonly rules: ReadonlyArray<Rule>
  readonly rollouts: ReadonlyArray<Rollout>
}

interface SeedAudience {
  readonly segment_operator: string
  readonly segments: Readonly<
    Record<string, { readonly match_type: string; readonly constraints: ReadonlyArray<Constraint> }>
  >
}

interface Seed {
  readonly namespace: {
    readonly flags: Readonly<
      Record<
        string,
        {
          readonly enabled: boolean
          readonly type: string
          readonly description?: string
          readonly default_variant?: Variant
        }
      >
    >
    readonly eval_rules: Readonly<Record<string, ReadonlyArray<SeedAudience & { readonly id: string }>>>
    readonly eval_rollouts: Readonly<
      Record<
        string,
        ReadonlyArray<{
          readonly threshold?: { readonly percentage: number; readonly value: boolean }
          readonly segment?: SeedAudience & { readonly value: boolean }
        }>
      >
    >
    readonly eval_distributions: Readonly<
      Record<
        string,
        ReadonlyArray<{ readonly variant_key: string; readonly variant_attachment?: string; readonly rollout: number }>
      >
    >
  }
}

const audience = ({ segment_operator, segments }: SeedAudience): Audience => ({
  isAnd: segment_operator === "AND_SEGMENT_OPERATOR",
  segments: Object.entries(segments).map(([key, { constraints, match_type }]) => ({
    key,
    isAny: match_type === "ANY_SEGMENT_MATCH_TYPE",
    constraints: constraints.map(({ operator, property, type, value }) => ({ type, property, operator, value }))
  }))
})

const own = <A>(record: Readonly<Record<string, A>>, key: string): A | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** An attachment. `undefined` for every form in which servers encode a missing one. */
const attachmentOf = (text: string | undefined): string | undefined =>
  text === undefined || text === "" || text === "null" ? undefined : text

/** All flags of a Snapshot, in its order. */
export const definitionsOf = (snapshot: Snapshot): Effect.Effect<ReadonlyArray<Definition>, Failure> =>
  Effect.gen(function* () {
    const list = yield* snapshot.flags
    const text = Either.getOrThrow(Encoding.decodeBase64String(yield* snapshot.seed))
    const { eval_distributions, eval_rollouts, eval_rules, flags } = (JSON.parse(text) as Seed).namespace
    return list.map(({ description, enabled, key, type }): Definition => {
      const variant = own(flags, key)?.default_variant
      return {
        key,
        isBoolean: type === "BOOLEAN_FLAG_TYPE",
        enabled,
        description,
        defaultVariant: variant && { key: variant.key, attachment: attachmentOf(variant.attachment) },
        rules: (own(eval_rules, key) ?? []).map((rule) => ({
          ...audience(rule),
          distributions: (own(eval_distributions, rule.id) ?? []).map((it) => ({
            variantKey: it.variant_key,
            attachment: attachmentOf(it.variant_attachment),
            rollout: it.rollout
          }))
        })),
        rollouts: (own(eval_rollouts, key) ?? []).map(({ segment, threshold }) => ({
          value: threshold?.value ?? segment?.value,
          percentage: threshold?.percentage,
          audience: threshold === undefined && segment !== undefined ? audience(segment) : undefined
        }))
      }
    })
  }).pipe(Effect.mapError(fromFlipt))
