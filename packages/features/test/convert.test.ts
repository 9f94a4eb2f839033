/**
 * Converts the texts of features files, and reports problems in invalid ones.
 */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Features from "@flipt-client-effect/features"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { answering } from "./support/evaluate.js"

const fixture = (name: string): Features.File => ({
  path: name,
  text: readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")
})

const convertText = (text: string, options?: Features.Options) =>
  Features.convert([{ path: "features.yml", text }], options)

/** The document of a namespace, which must exist. */
const documentOf = (text: string, namespace = "default"): { readonly flags: ReadonlyArray<Record<string, unknown>> } =>
  JSON.parse(new TextDecoder().decode(Either.getOrThrow(convertText(text)).documents.get(namespace)))

const problemsOf = (converted: Either.Either<Features.Converted, Features.FeaturesError>) =>
  Either.match(converted, { onLeft: ({ problems }) => problems, onRight: ({ warnings }) => warnings })

/** `line:column reason path` of each problem. */
const placesOf = (converted: Either.Either<Features.Converted, Features.FeaturesError>) =>
  problemsOf(converted).map(({ column, line, path, reason }) => `${line}:${column} ${reason} ${path}`)

const answersOf = (file: Features.File, namespace = "default") =>
  Effect.gen(function* () {
    const { documents } = yield* Features.convert([file])
    return yield* answering(namespace, documents.get(namespace)!)
  })

/** Entities whose hashes spread over all buckets. */
const entities = Array.from({ length: 200 }, (_, index) => `entity-${index}`)

describe("Flipt's files", () => {
  it.scoped("return the same answers as the state that a server has served for them", () =>
    Effect.gen(function* () {
      const state = readFileSync(new URL("../../../test/fixtures/state.json", import.meta.url), "utf8")
      const served = yield* answering("default", state)
      const converted = yield* answersOf(fixture("features.yml"))
      // For a missing attachment, Flipt 1 serves "" and Flipt 2 "null".
      const withoutAttachment = ({ variantAttachment: _, ...rest }: Record<string, unknown>) => rest
      const kinds = new Set<string>()
      for (const entityId of entities) {
        for (const context of [{ fizz: "buzz" }, { fizz: "other" }, {}]) {
          for (const [kind, flagKey] of [
            ["variant", "flag1"],
            ["boolean", "flag_boolean"],
            ["variant", "flag_boolean"],
            ["boolean", "gone"]
          ] as const) {
            const request = { flagKey, entityId, context }
            const answer = converted(kind, request) as Record<string, unknown>
            expect(withoutAttachment(answer)).toEqual(withoutAttachment(served(kind, request) as typeof answer))
            kinds.add(`${answer.match ?? answer.enabled}`)
          }
        }
      }
      expect([...kinds].sort()).toEqual(["false", "true", "undefined"])
    })
  )

  it.scoped("with rules for undefined variants are evaluated, with warnings", () =>
    Effect.gen(function* () {
      const file = fixture("undefined-variants.yml")
      expect(placesOf(Features.convert([file]))).toEqual([
        "14:72 Reference flags[1].rules[0].distributions[0].variant",
        "15:67 Reference flags[1].rules[1].distributions[0].variant",
        "15:102 Reference flags[1].rules[1].distributions[1].variant",
        "21:77 Value segments[0].constraints[1].value"
      ])
      const answer = yield* answersOf(file, "backend")
      const request = { entityId: "user-1", context: { organization: "internal" } }
      for (const flagKey of ["featureOne", "featureTwo"]) {
        // the first rule's segment has a constraint that Flipt cannot read
        expect(answer("variant", { flagKey, ...request })).toMatchObject({
          match: true,
          segmentKeys: ["all-users"],
          variantKey: expect.stringMatching(/^(?:en|dis)abled$/)
        })
      }
    })
  )

  it.scoped("may have shares with a sum above a hundred, and several namespaces", () =>
    Effect.gen(function* () {
      const file = fixture("over-a-hundred.yml")
      const { documents, warnings } = yield* Features.convert([file])
      expect(warnings).toEqual([])
      expect([...documents.keys()]).toEqual(["default", "newnamespace"])
      const answer = yield* answersOf(file)
      const variants = entities.map(
        (entityId) =>
          (answer("variant", { flagKey: "awesome", entityId }) as { readonly variantKey: string }).variantKey
      )
      const enabled = variants.filter((key) => key === "enabled").length
      // 30 of 110
      expect(enabled).toBeGreaterThan(30)
      expect(enabled).toBeLessThan(80)
      expect(enabled + variants.filter((key) => key === "disabled").length).toBe(entities.length)
      const other = yield* answersOf(file, "newnamespace")
      expect(other("variant", { flagKey: "Another", entityId: "e" })).toMatchObject({ match: false, variantKey: "" })
    })
  )

  it.scoped("ignore rules of boolean flags, with warnings", () =>
    Effect.gen(function* () {
      const file = fixture("rules-of-booleans.yml")
      expect(placesOf(Features.convert([file]))).toEqual([
        "4:95 Value flags[0].rules",
        "4:126 Unknown flags[0].rules[0]",
        "4:172 Unknown flags[0].rules[1]",
        "5:95 Version flags[1].metadata",
        "5:124 Value flags[1].rules",
        "5:155 Unknown flags[1].rules[0]"
      ])
      const answer = yield* answersOf(file)
      for (const flagKey of ["newHome", "oldA"]) {
        expect(answer("boolean", { flagKey, entityId: "client-1", context: { entityId: "client-1" } })).toMatchObject({
          enabled: false,
          reason: "DEFAULT_EVALUATION_REASON"
        })
      }
    })
  )

  it.scoped("support constraints on the entity id, and thresholds", () =>
    Effect.gen(function* () {
      const file = fixture("entity-and-threshold.yml")
      expect(placesOf(Features.convert([file]))).toEqual([])
      const answer = yield* answersOf(file)
      const someone = { entityId: "someone@example.com" }
      expect(answer("variant", { flagKey: "flag1", ...someone })).toMatchObject({ variantKey: "variant1" })
      expect(answer("variant", { flagKey: "flag1", entityId: "else" })).toMatchObject({ match: false })
      expect(answer("boolean", { flagKey: "flag_boolean", ...someone })).toMatchObject({ segmentKeys: ["segment1"] })
      const reasons = entities.map(
        (entityId) => (answer("boolean", { flagKey: "flag_boolean", entityId }) as { readonly reason: string }).reason
      )
      expect(new Set(reasons)).toEqual(new Set(["MATCH_EVALUATION_REASON", "DEFAULT_EVALUATION_REASON"]))
    })
  )

  it.scoped("support list values, defaults and attachments", () =>
    Effect.gen(function* () {
      const file = fixture("list-values.yml")
      expect(placesOf(Features.convert([file]))).toEqual([
        "4:3 Missing flags[0]",
        "5:3 Missing flags[1]",
        "6:3 Missing flags[2]",
        "6:181 Type flags[2].variants[2].attachment",
        "8:3 Missing segments[0]",
        "9:3 Missing segments[1]"
      ])
      const answer = yield* answersOf(file)
      const attachments = entities.map((entityId) => {
        const result = answer("variant", { flagKey: "country", entityId, context: { country: "NL" } })
        const { variantAttachment, variantKey } = result as Record<string, string>
        return `${variantKey} ${variantAttachment}`
      })
      expect([...new Set(attachments)].sort()).toEqual(['a ["X","Y"]', 'b {"n":1,"s":"ü"}', 'c "text"'])
      expect(answer("variant", { flagKey: "country", entityId: "e", context: { country: "FR" } })).toMatchObject({
        reason: "DEFAULT_EVALUATION_REASON",
        variantKey: "b",
        variantAttachment: '{"n":1,"s":"ü"}'
      })
      expect(answer("boolean", { flagKey: "access", entityId: "e" })).toMatchObject({ enabled: false })
      expect(answer("boolean", { flagKey: "threshold", entityId: "e" })).toMatchObject({
        reason: expect.stringMatching(/^(?:MATCH|DEFAULT)_/)
      })
    })
  )
})

const flag = (fields: string) => `flags:\n  - key: f\n    name: F\n${fields}`
const segment = (fields: string) => `segments:\n  - key: s\n    name: S\n    match_type: ALL_MATCH_TYPE\n${fields}`
const constraint = (fields: string) => segment(`    constraints:\n      - {${fields}}\n`)

describe("a document", () => {
  it("omits what only a server knows", () => {
    expect(documentOf(`${flag("    rules: [{segment: s, distributions: []}]\n")}${segment("")}`)).toEqual({
      namespace: { key: "default", name: "" },
      flags: [
        {
          key: "f",
          name: "F",
          description: "",
          enabled: false,
          type: "VARIANT_FLAG_TYPE",
          rules: [
            {
              rank: 1,
              segmentOperator: "OR_SEGMENT_OPERATOR",
              segments: [{ key: "s", matchType: "ALL_SEGMENT_MATCH_TYPE", constraints: [] }],
              distributions: []
            }
          ],
          rollouts: []
        }
      ]
    })
  })

  it("has the namespace that is given as a string or a mapping, or else `default`", () => {
    for (const [text, key] of [
      ["namespace: shop", "shop"],
      ["namespace: {key: shop, name: Shop, description: null}", "shop"],
      ["flags: []", "default"]
    ] as const) {
      expect([...Either.getOrThrow(convertText(text)).documents.keys()]).toEqual([key])
    }
  })

  it("contains all YAML documents and files of a namespace, in order", () => {
    const { documents } = Either.getOrThrow(
      Features.convert([
        { path: "a.yml", text: "flags: [{key: a, name: A}]\n---\nflags: [{key: b, name: B}]" },
        { path: "b.json", text: '{"namespace": "default", "flags": [{"key": "c", "name": "C"}]}' }
      ])
    )
    const { flags } = JSON.parse(new TextDecoder().decode(documents.get("default")))
    expect(flags.map(({ key }: { readonly key: string }) => key)).toEqual(["a", "b", "c"])
  })

  it("has an audience's operator, and its segments given as key, keys or string", () => {
    const [{ rollouts, rules }] = documentOf(
      `${flag(`    type: BOOLEAN_FLAG_TYPE
    rules: [{segment: {keys: [s], operator: AND_SEGMENT_OPERATOR}, distributions: []}]
    rollouts: [{segment: {key: s, value: true}}, {segment: {keys: [s, s], operator: null}}, {}]
`)}${segment("")}`
    ).flags as unknown as [Record<string, ReadonlyArray<unknown>>]
    expect(rules).toMatchObject([{ segmentOperator: "AND_SEGMENT_OPERATOR", segments: [{ key: "s" }] }])
    expect(rollouts).toMatchObject([
      { segment: { value: true, segmentOperator: "OR_SEGMENT_OPERATOR", segments: [{ key: "s" }] } },
      { segment: { value: false, segmentOperator: "OR_SEGMENT_OPERATOR", segments: [{ key: "s" }, { key: "s" }] } },
      { type: "UNKNOWN_ROLLOUT_TYPE", rank: 3 }
    ])
  })

  it("has attachments like Go's encoder: with sorted keys, and escaped for HTML in defaults", () => {
    const [it] = documentOf(
      `${flag(`    variants:
      - {key: v, default: true, attachment: {"\u{1f600}": 1, "\uff5e": [1.50, 1e3, true, null], a: "<&\\u2028>"}}
    rules: [{segment: s, distributions: [{variant: v, rollout: 100}]}]
`)}${segment("")}`
    ).flags as unknown as [{ readonly defaultVariant: object; readonly rules: ReadonlyArray<object> }]
    expect(it.rules).toMatchObject([
      { distributions: [{ variantAttachment: '{"a":"<&\u2028>","\uff5e":[1.5,1000,true,null],"\u{1f600}":1}' }] }
    ])
    expect(it.defaultVariant).toEqual({
      id: "f/v",
      key: "v",
      attachment: '{"a":"\\u003c\\u0026\\u2028\\u003e","\uff5e":[1.5,1000,true,null],"\u{1f600}":1}'
    })
  })

  it("has the values of constraints in Flipt's form", () => {
    const value = (fields: string) => {
      const text = `${flag("    rules: [{segment: s, distributions: []}]\n")}${constraint(`property: p, ${fields}`)}`
      const [{ rules }] = documentOf(text).flags as unknown as [
        {
          readonly rules: ReadonlyArray<{
            readonly segments: ReadonlyArray<{ readonly constraints: [{ value: string }] }>
          }>
        }
      ]
      return rules[0]?.segments[0]?.constraints[0].value
    }
    expect(value("type: STRING_COMPARISON_TYPE, operator: eq")).toBe("")
    expect(value('type: STRING_COMPARISON_TYPE, operator: eq, value: "<"')).toBe("<")
    expect(value("type: STRING_COMPARISON_TYPE, operator: eq, value: 1.50")).toBe("1.5")
    expect(value("type: STRING_COMPARISON_TYPE, operator: eq, value: true")).toBe("true")
    expect(value('type: STRING_COMPARISON_TYPE, operator: isoneof, value: ["<", b]')).toBe('["\\u003c","b"]')
    expect(value("type: NUMBER_COMPARISON_TYPE, operator: isoneof, value: [1, 9007199254740993, 1.5]")).toBe(
      "[1,9007199254740993,1.5]"
    )
    expect(value(`type: STRING_COMPARISON_TYPE, operator: isoneof, value: '["a"]'`)).toBe('["a"]')
  })

  it("resolves aliases and merge keys", () => {
    const [first, second] = documentOf(`
flags:
  - &base {key: a, name: A, enabled: true, variants: &variants [{key: v}]}
  - {<<: *base, key: b, variants: *variants, rules: [{segment: s, distributions: [{variant: v, rollout: 100}]}]}
${segment("")}`).flags
    expect(first).toMatchObject({ key: "a", enabled: true })
    expect(second).toMatchObject({
      key: "b",
      name: "A",
      enabled: true,
      rules: [{ distributions: [{ variantKey: "v" }] }]
    })
  })

  it("omits segments of earlier documents like Flipt 2, with a warning", () => {
    const text = `${segment("")}---\n${flag("    rules: [{segment: s, distributions: []}]\n")}`
    expect(placesOf(convertText(text))).toEqual(["9:23 Reference flags[0].rules[0].segment"])
    expect(documentOf(text).flags).toMatchObject([{ rules: [{ segments: [] }] }])
  })
})

/** A name, the text, the expected place, reason and path of the problem, and a part of the message. */
const wrong: ReadonlyArray<readonly [what: string, text: string, place: string, message: string]> = [
  ["text that is not YAML", "flags: [\nsegments: []\n", "2:1 Syntax ", "the YAML is not valid"],
  ["an alias without an anchor", "flags: []\nsegments: *s\n", "2:11 Syntax ", "the alias *s has no anchor"],
  ["an alias within itself", "flags: &a\n  - *a\n", "2:5 Syntax ", "refers to a value that contains it"],
  ["a key twice", "flags: []\nflags: []\n", "2:1 Duplicate ", 'the key "flags" occurs twice'],
  ["a key that is not a string", "flags: []\n1: x\n", "2:1 Type ", "a key must be a string"],
  ["a document that is not a mapping", "- a\n", "1:1 Type ", "the document must be a mapping, not a list"],
  ["an unknown version", 'version: "2.0"\n', "1:10 Value version", 'version must be "1.0" to "1.6", not "2.0"'],
  ["a namespace that is a list", "namespace: [a]\n", "1:12 Type namespace", "namespace must be a mapping, not a list"],
  ["a namespace without a key", "namespace: {name: a}\n", "1:12 Missing namespace", "the field key is missing"],
  ["an invalid namespace key", "namespace: a b\n", "1:12 Value namespace", 'but "a b" does not'],
  ["flags that are a mapping", "flags: {a: b}\n", "1:8 Type flags", "flags must be a list, not a mapping"],
  ["a flag that is a string", "flags:\n  - a\n", "2:5 Type flags[0]", 'a flag must be a mapping, not the string "a"'],
  ["a flag without a key", "flags:\n  - name: a\n", "2:5 Missing flags[0]", "the field key is missing"],
  ["a flag's key", flag("").replace("key: f", "key: f.g"), "2:10 Value flags[0].key", 'but "f.g" does not'],
  ["a flag's key that is a number", flag("").replace("key: f", "key: 1"), "2:10 Type flags[0].key", "put it in quotes"],
  [
    "enabled: yes",
    flag("    enabled: yes\n"),
    "4:14 Type flags[0].enabled",
    'must be true or false, not the string "yes"'
  ],
  ["a flag's type", flag("    type: BOOLEAN\n"), "4:11 Value flags[0].type", "type must be one of VARIANT_FLAG_TYPE"],
  [
    "a variant without a key",
    flag("    variants:\n      - {}\n"),
    "5:9 Missing flags[0].variants[0]",
    "key is missing"
  ],
  [
    "a variant's empty key",
    flag('    variants: [{key: ""}]\n'),
    "4:22 Value flags[0].variants[0].key",
    "must not be empty"
  ],
  [
    "an attachment that is not JSON",
    flag("    variants: [{key: v, attachment: [.inf]}]\n"),
    "4:38 Value flags[0].variants[0].attachment[0]",
    "JSON has no number"
  ],
  [
    "a rule without a segment",
    flag("    rules:\n      - {distributions: []}\n"),
    "5:9 Missing flags[0].rules[0]",
    "the field segment is missing"
  ],
  [
    "a rule's segments as a list",
    flag("    rules: [{segment: [s]}]\n"),
    "4:23 Type flags[0].rules[0].segment",
    "must be a mapping, not a list"
  ],
  [
    "an unknown segment",
    flag("    rules: [{segment: s}]\n"),
    "4:23 Reference flags[0].rules[0].segment",
    'no segment "s" is defined'
  ],
  [
    "an unknown segment of a rollout",
    flag("    type: BOOLEAN_FLAG_TYPE\n    rollouts:\n      - segment: {keys: [s]}\n"),
    "6:26 Reference flags[0].rollouts[0].segment.keys[0]",
    'no segment "s" is defined'
  ],
  [
    "a segment operator",
    flag("    rules: [{segment: {keys: [], operator: XOR}}]\n"),
    "4:44 Value flags[0].rules[0].segment.operator",
    "operator must be one of OR_SEGMENT_OPERATOR"
  ],
  [
    "a share above 100",
    flag("    variants: [{key: v}]\n    rules: [{segment: {keys: []}, distributions: [{variant: v, rollout: 101}]}]\n"),
    "5:73 Value flags[0].rules[0].distributions[0].rollout",
    "from 0 to 100, not 101"
  ],
  [
    "a share that is a string",
    flag("    variants: [{key: v}]\n    rules: [{segment: {keys: []}, distributions: [{variant: v, rollout: all}]}]\n"),
    "5:73 Type flags[0].rules[0].distributions[0].rollout",
    'must be a number, not the string "all"'
  ],
  [
    "a missing share",
    flag("    variants: [{key: v}]\n    rules: [{segment: {keys: []}, distributions: [{variant: v}]}]\n"),
    "5:51 Missing flags[0].rules[0].distributions[0]",
    "the field rollout is missing"
  ],
  [
    "a threshold beyond single precision",
    flag("    type: BOOLEAN_FLAG_TYPE\n    rollouts: [{threshold: {percentage: 1e39}}]\n"),
    "5:41 Type flags[0].rollouts[0].threshold.percentage",
    "single precision"
  ],
  [
    "a threshold without a percentage",
    flag("    type: BOOLEAN_FLAG_TYPE\n    rollouts: [{threshold: {}}]\n"),
    "5:28 Missing flags[0].rollouts[0].threshold",
    "percentage is missing"
  ],
  [
    "a rollout of two kinds",
    flag("    type: BOOLEAN_FLAG_TYPE\n    rollouts: [{threshold: {percentage: 1}, segment: {keys: []}}]\n"),
    "5:16 Value flags[0].rollouts[0]",
    "cannot have both a segment and a threshold"
  ],
  [
    "a segment without a match type",
    "segments: [{key: s, name: S}]\n",
    "1:12 Missing segments[0]",
    "match_type is missing"
  ],
  [
    "a segment's match type",
    segment("").replace("ALL_", "SOME_"),
    "4:17 Value segments[0].match_type",
    "match_type must be one of"
  ],
  [
    "a constraint's type",
    constraint("type: STRING, property: p, operator: eq"),
    "6:16 Value segments[0].constraints[0].type",
    "type must be one of STRING_COMPARISON_TYPE"
  ],
  [
    "a constraint's operator",
    constraint("type: BOOLEAN_COMPARISON_TYPE, property: p, operator: eq"),
    "6:64 Value segments[0].constraints[0].operator",
    "operator must be one of true, false"
  ],
  [
    "a constraint without a property",
    constraint("type: STRING_COMPARISON_TYPE, operator: eq"),
    "6:9 Missing segments[0].constraints[0]",
    "property is missing"
  ],
  [
    "a list instead of a string",
    constraint("type: STRING_COMPARISON_TYPE, property: p, operator: eq, value: [a]"),
    "6:74 Type segments[0].constraints[0].value",
    "a string with eq, not a list"
  ],
  [
    "a number instead of a list",
    constraint("type: STRING_COMPARISON_TYPE, property: p, operator: isoneof, value: 1"),
    "6:79 Type segments[0].constraints[0].value",
    "a list with isoneof"
  ],
  [
    "a list of numbers instead of strings",
    constraint("type: STRING_COMPARISON_TYPE, property: p, operator: isoneof, value: [a, 1]"),
    "6:83 Type segments[0].constraints[0].value[1]",
    "must be a string, not the number 1; put it in quotes"
  ],
  [
    "a list of strings instead of numbers",
    constraint('type: NUMBER_COMPARISON_TYPE, property: p, operator: isoneof, value: ["1"]'),
    "6:80 Type segments[0].constraints[0].value[0]",
    'must be a number, not the string "1"'
  ],
  [
    "values nested too deeply",
    `flags: ${"[".repeat(150)}${"]".repeat(150)}`,
    "1:108 Limit ",
    "nested deeper than 100 levels"
  ]
]

/** Problems that do not prevent the conversion. */
const unusual: typeof wrong = [
  ["an unknown field", flag("    enabeld: true\n"), "4:5 Unknown flags[0]", 'a flag has no field "enabeld"'],
  ["a version without quotes", "version: 1.4\n", "1:10 Type version", "put it in quotes"],
  ["an empty document", "flags: []\n---\n", "2:4 Type ", "the document is empty"],
  ["an empty list", "flags:\n", "1:7 Type flags", "has no value"],
  ["a flag without a name", "flags:\n  - key: f\n", "2:5 Missing flags[0]", "the field name is missing"],
  ["an empty name", 'flags: [{key: f, name: ""}]\n', "1:24 Value flags[0].name", "name is empty"],
  [
    "a flag's description",
    flag("    description: 1\n"),
    "4:18 Type flags[0].description",
    "should be a string, not the number 1"
  ],
  [
    "metadata that is a list",
    flag("    metadata: []\n"),
    "4:15 Type flags[0].metadata",
    "metadata should be a mapping"
  ],
  [
    "a field of a later version",
    `version: "1.2"\n${flag("    variants: [{key: v, default: true}]\n")}`,
    "5:34 Version flags[0].variants[0].default",
    'version "1.3"'
  ],
  [
    "a list before version 1.6",
    `version: "1.5"\n${constraint("type: STRING_COMPARISON_TYPE, property: p, operator: isoneof, value: [a]")}`,
    "7:79 Version segments[0].constraints[0].value",
    'version "1.6"'
  ],
  [
    "a list as text since version 1.6",
    constraint("type: STRING_COMPARISON_TYPE, property: p, operator: isoneof, value: '[]'"),
    "6:79 Version segments[0].constraints[0].value",
    "write a list"
  ],
  [
    "a value without quotes",
    constraint("type: NUMBER_COMPARISON_TYPE, property: p, operator: eq, value: 18"),
    "6:74 Type segments[0].constraints[0].value",
    "put it in quotes"
  ],
  [
    "a time without quotes",
    constraint("type: DATETIME_COMPARISON_TYPE, property: p, operator: eq, value: 2026-01-02"),
    "6:76 Value segments[0].constraints[0].value",
    "reads this as a time"
  ],
  [
    "a value that is not a number",
    constraint("type: NUMBER_COMPARISON_TYPE, property: p, operator: lt, value: ten"),
    "6:74 Value segments[0].constraints[0].value",
    "from every rule"
  ],
  [
    "a value that is not a time",
    constraint("type: DATETIME_COMPARISON_TYPE, property: p, operator: lt, value: '2026-02-30T00:00:00Z'"),
    "6:76 Value segments[0].constraints[0].value",
    "from every rule"
  ],
  [
    "a flag twice",
    "flags: [{key: f, name: F}, {key: f, name: F}]\n",
    "1:34 Duplicate flags[1].key",
    "clients use the last"
  ],
  [
    "a segment twice",
    `${segment("")}  - {key: s, name: S, match_type: ANY_MATCH_TYPE}\n`,
    "5:11 Duplicate segments[1].key",
    "defined twice"
  ],
  [
    "a variant twice",
    flag("    variants: [{key: v}, {key: v}]\n"),
    "4:32 Duplicate flags[0].variants[1].key",
    "use the first"
  ],
  [
    "two defaults",
    flag("    variants: [{key: v, default: true}, {key: w, default: true}]\n"),
    "4:41 Duplicate flags[0].variants[1]",
    "uses the last"
  ],
  [
    "a variant flag with rollouts",
    flag("    rollouts: [{threshold: {percentage: 1}}]\n"),
    "4:15 Value flags[0].rollouts",
    "ignores its rollouts"
  ],
  [
    "a rollout without a segment or threshold",
    flag("    type: BOOLEAN_FLAG_TYPE\n    rollouts: [{}]\n"),
    "5:16 Missing flags[0].rollouts[0]",
    "neither a segment nor a threshold"
  ],
  [
    "a threshold above 100",
    flag("    type: BOOLEAN_FLAG_TYPE\n    rollouts: [{threshold: {percentage: 101}}]\n"),
    "5:41 Value flags[0].rollouts[0].threshold.percentage",
    "from 0 to 100"
  ],
  ["an unknown YAML tag", "flags: !x []\n", "1:8 Syntax ", "unusual"]
]

describe("a problem", () => {
  it.each(wrong)("that is %s is an error with its place", (_, text, place, message) => {
    const converted = convertText(text)
    expect(Either.isLeft(converted)).toBe(true)
    const found = problemsOf(converted).filter(({ severity }) => severity === "error")
    expect(found.map(({ column, line, path, reason }) => `${line}:${column} ${reason} ${path}`)).toContain(place)
    const [line, column] = place.split(/[: ]/).map(Number)
    const problem = found.find((it) => it.line === line && it.column === column)
    expect(problem).toMatchObject({ file: "features.yml", message: expect.stringContaining(message) })
  })

  it.each(unusual)("that is %s is a warning with its place, and an error when strict", (_, text, place, message) => {
    const converted = convertText(text)
    expect(Either.isRight(converted), String(converted)).toBe(true)
    expect(placesOf(converted)).toEqual([place])
    expect(problemsOf(converted)[0]).toMatchObject({
      severity: "warning",
      file: "features.yml",
      message: expect.stringContaining(message)
    })
    const strict = convertText(text, { strict: true })
    expect(Either.isLeft(strict)).toBe(true)
    expect(placesOf(strict)).toEqual([place])
  })

  it("is reported together with all others of all files, by file and line, and the message shows the first ones", () => {
    const converted = Features.convert([
      { path: "b.yml", text: "flags:\n  - key: f.g\n    enabled: maybe\nsegments: [a]\n" },
      { path: "a.yml", text: "namespace: 1\nflags: 1\n" }
    ])
    expect(problemsOf(converted).map(Features.formatProblem)).toEqual([
      expect.stringMatching(/^b\.yml:2:5: warning: the field name is missing/),
      expect.stringMatching(/^b\.yml:2:10: error: a key must consist of/),
      expect.stringMatching(/^b\.yml:3:14: error: enabled must be true or false/),
      expect.stringMatching(/^b\.yml:4:12: error: a segment must be a mapping/),
      expect.stringMatching(/^a\.yml:1:12: error: namespace must be a string/),
      expect.stringMatching(/^a\.yml:2:8: error: flags must be a list/)
    ])
    expect(Either.getOrThrow(Either.flip(converted)).message).toMatch(
      /^the flag files cannot be used: b\.yml:2:10: error: .* b\.yml:4:12: .*; and 2 more$/
    )
  })

  it("quotes shortened parts of the file, without control characters", () => {
    const hostile = `"\\e[31m\\u202e${"x".repeat(500)}"`
    for (const text of [`flags: ${hostile}`, `${hostile}: 1`, `namespace: ${hostile}`, `version: ${hostile}`]) {
      for (const { message } of problemsOf(convertText(text))) {
        expect(message).not.toMatch(/\p{C}/u)
        expect(message.length).toBeLessThan(250)
      }
    }
    const [problem] = problemsOf(convertText(`flags: *${"x".repeat(5000)}`))
    expect(problem?.message).toMatch(/^the alias \*x{300}… has no anchor/)
  })
})

describe("a text that is designed to take long", () => {
  const repeated = (count: number, line: (index: number) => string) =>
    Array.from({ length: count }, (_, i) => line(i)).join("\n")

  const bombs: { readonly [what: string]: string } = {
    "aliases of aliases": `a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n${repeated(30, (i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join()}]`)}`,
    "merge keys of merge keys": `a0: &a0 {x: 1}\n${repeated(3000, (i) => `a${i + 1}: &a${i + 1} {<<: *a${i}, k${i}: 1}`)}`,
    "many aliases of a long text": `a: &a ${"x".repeat(10_000)}\nb: [${Array(200).fill("*a").join()}]`
  }

  it.each(Object.entries(bombs))("with %s is refused", (_, text) => {
    const converted = convertText(text)
    expect(problemsOf(converted).filter(({ severity }) => severity === "error")).toEqual([
      expect.objectContaining({
        reason: "Limit",
        line: 1,
        column: 1,
        message: expect.stringContaining("aliases repeat")
      })
    ])
  })

  it.each([
    ["[", "flags: "],
    ["- ", ""],
    ["? ", ""]
  ])("with many repetitions of %j is refused", (opening, start) => {
    const converted = convertText(start + opening.repeat(20_000))
    expect(problemsOf(converted)[0]).toMatchObject({
      reason: "Limit",
      line: 1,
      message: expect.stringContaining("nested")
    })
  })

  it("with a large segment in many rules is refused before the document is written", () => {
    const text = `flags:
${repeated(3000, (i) => `  - {key: f${i}, name: F, rules: [{segment: s}]}`)}
segments:
  - {key: s, name: S, match_type: ANY_MATCH_TYPE, constraints: [{type: STRING_COMPARISON_TYPE, property: p, operator: eq, value: ${"x".repeat(100_000)}}]}
`
    expect(problemsOf(convertText(text))).toEqual([
      expect.objectContaining({ reason: "Limit", message: expect.stringContaining("rules repeat segments") })
    ])
  })

  it("that is too large, including all files, is refused", () => {
    const files = ["a.yml", "b.yml"].map((path) => ({ path, text: "flags: []\n" }))
    expect(Either.isRight(Features.convert(files, { maxSize: 20 }))).toBe(true)
    expect(problemsOf(Features.convert(files, { maxSize: 19 }))).toEqual([
      expect.objectContaining({ reason: "Limit", file: "b.yml", message: expect.stringContaining("raise maxSize") })
    ])
  })
})
