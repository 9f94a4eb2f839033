/**
 * The flags of the workloads, and entities that no engine has seen before. The flags alternate between three kinds:
 * `boolean-0`, `variant-1`, `segments-2`, and so on.
 *
 * - (a) `boolean-*`: true for half of the entities.
 * - (b) `variant-*`: a three-way split for entities with the plan `pro`, an age above 18 and one of ten countries.
 * - (c) `segments-*`: true for entities in one of five groups, with a segment for each group.
 * - (d) 100 flags of all kinds for one entity; (e) the same flags, each for a different one of 100 entities.
 */
import { randomUUID } from "node:crypto"

export const FLAGS = 1_000
export const MIXED = 100

export const countries = ["us", "de", "fr", "uk", "it", "es", "nl", "se", "no", "dk"]
export const groups = ["group-0", "group-1", "group-2", "group-3", "group-4"]
export const variants = ["red", "green", "blue"]

export type Kind = "boolean" | "variant" | "segments"

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
/** Interns a text, like the literals in a program, because flag keys usually are literals. */
const literal = (text: string): string => Object.keys({ [text]: true })[0]!

/** The kinds and keys of the flags of a document. */
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

/** A snapshot document, as Flipt's server sends it. */
export interface Document {
  readonly namespace: { readonly key: string }
  readonly flags: ReadonlyArray<object>
}

export const documentOf = (flags: ReadonlyArray<FlagOfKind>): Document => ({
  namespace: { key: "default" },
  flags: flags.map(({ key, kind }, index) => ({ key, name: key, description: "", ...parts[kind](index) }))
})

/** Flattens a string: V8 would join the parts of `randomUUID`'s result at the first read, inside the timing. */
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

/** Entities that each miss a segment in a different way, to check the answers. */
export const makeOutsiders = (): ReadonlyArray<Entity> => {
  const { attributes } = makeEntity(0)
  return [{ plan: "free" }, { age: 18 }, { country: "at" }, { group: "group-9" }, { group: "group-0" }].map(
    (other) => ({
      id: flat(randomUUID()),
      attributes: { ...attributes, ...other }
    })
  )
}
