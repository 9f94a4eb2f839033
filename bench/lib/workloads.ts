/**
 * What is evaluated: the flags of the workloads, and entities that are new to every engine. The flags alternate between
 * three kinds, so that `boolean-0`, `variant-1`, `segments-2` and so on are what there is.
 *
 * - (a) `boolean-*`: true for half of the entities.
 * - (b) `variant-*`: for those with the plan `pro`, an age above 18 and one of ten countries, a three-way split.
 * - (c) `segments-*`: true for those in one of five groups, which are asked for one after the other.
 * - (d) 100 flags of all kinds, one entity; (e) the same, each with another one of 100 entities.
 */
import { randomUUID } from "node:crypto"

export const FLAGS = 1_000
export const MIXED = 100

export const countries = ["us", "de", "fr", "uk", "it", "es", "nl", "se", "no", "dk"]
export const groups = ["group-0", "group-1", "group-2", "group-3", "group-4"]
export const variants = ["red", "green", "blue"]

export type Kind = "boolean" | "variant" | "segments"

/** A flag of a document. */
export interface FlagOfKind {
  readonly kind: Kind
  readonly key: string
}

export interface Entity {
  readonly id: string
  readonly attributes: {
    readonly plan: string
    readonly age: number
    readonly country: string
    readonly group: string
    readonly beta: boolean
  }
}

const kinds: ReadonlyArray<Kind> = ["boolean", "variant", "segments"]
/** The text as V8 keeps the literals of a program, which keys of flags are. */
const literal = (text: string): string => Object.keys({ [text]: true })[0]!

/** The flags of a document, as kind and key. */
export const flagsOf = (count: number): ReadonlyArray<FlagOfKind> =>
  Array.from({ length: count }, (_, index) => {
    const kind = kinds[index % kinds.length]!
    return { kind, key: literal(`${kind}-${index}`) }
  })

const constraint = (type: string, property: string, operator: string, value: string) => ({
  type: `${type}_CONSTRAINT_COMPARISON_TYPE`,
  property,
  operator,
  value
})

const segment = (key: string, constraints: ReadonlyArray<unknown>) => ({
  key,
  matchType: "ALL_SEGMENT_MATCH_TYPE",
  constraints
})

const parts: Readonly<Record<Kind, (index: number) => object>> = {
  boolean: () => ({
    enabled: false,
    type: "BOOLEAN_FLAG_TYPE",
    rules: [],
    rollouts: [{ type: "THRESHOLD_ROLLOUT_TYPE", rank: 1, threshold: { percentage: 50, value: true } }]
  }),
  variant: (index) => ({
    enabled: true,
    type: "VARIANT_FLAG_TYPE",
    rollouts: [],
    rules: [
      {
        id: `rule-${index}`,
        rank: 1,
        segmentOperator: "OR_SEGMENT_OPERATOR",
        segments: [
          segment("grown-up-pros", [
            constraint("STRING", "plan", "eq", "pro"),
            constraint("NUMBER", "age", "gt", "18"),
            constraint("STRING", "country", "isoneof", JSON.stringify(countries))
          ])
        ],
        distributions: variants.map((variantKey, place) => ({
          ruleId: `rule-${index}`,
          variantKey,
          variantAttachment: "",
          rollout: place === 2 ? 33.34 : 33.33
        }))
      }
    ]
  }),
  segments: () => ({
    enabled: false,
    type: "BOOLEAN_FLAG_TYPE",
    rules: [],
    rollouts: groups.map((group, place) => ({
      type: "SEGMENT_ROLLOUT_TYPE",
      rank: place + 1,
      segment: {
        value: true,
        segmentOperator: "OR_SEGMENT_OPERATOR",
        segments: [segment(group, [constraint("STRING", "group", "eq", group)])]
      }
    }))
  })
}

/** A state of Flipt's server. */
export interface Document {
  readonly namespace: { readonly key: string }
  readonly flags: ReadonlyArray<object>
}

export const documentOf = (flags: ReadonlyArray<FlagOfKind>): Document => ({
  namespace: { key: "default" },
  flags: flags.map(({ key, kind }, index) => ({ key, name: key, description: "", ...parts[kind](index) }))
})

/** In one piece: `randomUUID` leaves a rope of its parts, which the first one to read it would have to join. */
const flat = (text: string): string => Buffer.from(text, "latin1").toString("latin1")

/** An entity that every segment of the workloads matches. */
export const makeEntity = (index: number): Entity => ({
  id: flat(randomUUID()),
  attributes: {
    plan: "pro",
    age: 19 + (index % 50),
    country: countries[index % countries.length]!,
    group: groups[groups.length - 1]!,
    beta: index % 2 === 0
  }
})

/** Entities that miss a segment each in its own way, for the check of the answers. */
export const makeOutsiders = (): ReadonlyArray<Entity> => {
  const { attributes } = makeEntity(0)
  return [{ plan: "free" }, { age: 18 }, { country: "at" }, { group: "group-9" }, { group: "group-0" }].map(
    (other) => ({
      id: flat(randomUUID()),
      attributes: { ...attributes, ...other }
    })
  )
}
