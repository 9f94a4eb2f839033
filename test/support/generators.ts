/**
 * Random documents and requests. They share a small vocabulary, so that constraints hold, do not hold, and are malformed
 * about equally often. They also contain known sources of differences between engines: bytes and characters, prototypes,
 * single precision, and the limits of numbers and calendars.
 */
import { crc32 } from "node:zlib"
import * as fc from "fast-check"
import type { EvaluationContext, EvaluationRequest } from "../../src/Model.js"

type Optional<A> = A | null | undefined

export interface Constraint {
  readonly type: string
  readonly property: string
  readonly operator: string
  readonly value: string
}

export interface Segment {
  readonly key: string
  readonly matchType: string
  readonly constraints: ReadonlyArray<Constraint>
}

export interface Distribution {
  readonly variantKey: string
  readonly variantAttachment?: Optional<string>
  readonly rollout: number
}

export interface Rule {
  readonly segmentOperator: string
  readonly segments?: Optional<ReadonlyArray<Segment>>
  readonly distributions: ReadonlyArray<Distribution>
}

export interface Rollout {
  readonly threshold?: Optional<{ readonly percentage: number; readonly value: boolean }>
  readonly segment?: Optional<{
    readonly segmentOperator?: Optional<string>
    readonly segments: ReadonlyArray<Segment>
    readonly value: boolean
  }>
}

export interface Flag {
  readonly key: string
  readonly name: string
  readonly enabled: boolean
  readonly type?: Optional<string>
  readonly description?: Optional<string>
  readonly rules?: Optional<ReadonlyArray<Rule>>
  readonly rollouts?: Optional<ReadonlyArray<Rollout>>
  readonly defaultVariant?: Optional<{
    readonly id: string
    readonly key: string
    readonly attachment?: Optional<string>
  }>
}

export interface Document {
  readonly namespace: { readonly key: string }
  readonly flags: ReadonlyArray<Flag>
  readonly digest?: Optional<string>
}

export interface Drawn {
  readonly document: Document
  readonly requests: ReadonlyArray<EvaluationRequest>
}

const weighted = <A>(...options: ReadonlyArray<readonly [number, fc.Arbitrary<A>]>): fc.Arbitrary<A> =>
  fc.oneof(...options.map(([weight, arbitrary]) => ({ weight, arbitrary })))

const from = <A>(values: ReadonlyArray<A>): fc.Arbitrary<A> => fc.constantFrom(...values)

/** A record in which fields that are not required may be absent. The fields themselves decide about null. */
const record = <A, K extends keyof A>(
  fields: { readonly [P in keyof A]-?: fc.Arbitrary<A[P]> },
  requiredKeys: ReadonlyArray<K>
): fc.Arbitrary<A> =>
  withUnknownFields(
    fc.record(fields as { [P in keyof A]: fc.Arbitrary<A[P]> }, {
      requiredKeys: [...requiredKeys],
      noNullPrototype: true
    }) as unknown as fc.Arbitrary<A>
  )

/** Usually `undefined`. */
const seldom = <A>(arbitrary: fc.Arbitrary<A>): fc.Arbitrary<A | undefined> =>
  fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

const nullable = <A>(arbitrary: fc.Arbitrary<A>): fc.Arbitrary<A | null> => fc.option(arbitrary, { nil: null, freq: 8 })

/** Up to three elements, but usually one, so that other elements do not always mask the effect of a faulty one. */
const listOf = <A>(arbitrary: fc.Arbitrary<A>): fc.Arbitrary<ReadonlyArray<A>> =>
  weighted<ReadonlyArray<A>>(
    [4, fc.tuple(arbitrary)],
    [3, fc.array(arbitrary, { minLength: 2, maxLength: 3 })],
    [1, fc.constant([])]
  )

const unknownFields: ReadonlyArray<ReadonlyArray<readonly [string, unknown]>> = [
  [
    ["id", "0c59"],
    ["rank", 1]
  ],
  [["createdAt", "2024-01-02T03:04:05Z"]],
  [["__proto__", { enabled: true, threshold: { percentage: 100, value: true } }]],
  [["", [[[{}]], -1.5e300, null, "\u0000"]]],
  [["constructor", null]],
  [["Key", 1]]
]

/** Adds unknown fields before or after the known ones. */
const withUnknownFields = <A>(arbitrary: fc.Arbitrary<A>): fc.Arbitrary<A> =>
  fc.tuple(arbitrary, seldom(fc.tuple(from(unknownFields), fc.boolean()))).map(([value, extra]) => {
    if (extra === undefined) {
      return value
    }
    const known = Object.entries(value as object)
    return Object.fromEntries(extra[1] ? [...extra[0], ...known] : [...known, ...extra[0]]) as A
  })

// Texts

const plainTexts = ["a", "b", "ab", "abc", "pro", "free"]

const hostileTexts = [
  " ",
  "\u0000",
  "a\u0000",
  "a\u0000b",
  "a\u0000c",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "1",
  "10",
  "-1",
  "\u00e9",
  "e\u0301",
  "Stra\u00dfe",
  "\u65e5\u672c",
  "😀",
  "😀a",
  "\u{10ffff}",
  "\ufffd",
  "a\ufffd",
  "\ufffd\ufffd",
  "\u2028",
  "\ufeff",
  "\ufeffa",
  '"',
  "\\",
  "\n",
  "\u001f",
  "\u007f"
]

/** Also texts with two, three and four bytes per character, to test the sizes of buffers. */
const longTexts = [
  "x".repeat(40_000),
  `${"x".repeat(39_999)}y`,
  "\u00e9".repeat(20_000),
  "\u65e5".repeat(20_000),
  `a${"😀".repeat(10_000)}`
]

const randomText = fc.string({ unit: "binary", minLength: 1, maxLength: 5 })

/** Any text except the empty one. */
const filledText = weighted([300, from(plainTexts)], [90, from(hostileTexts)], [20, randomText], [1, from(longTexts)])

const text = weighted([15, filledText], [1, fc.constant("")])

/** Texts that lone surrogates in a request must equal. */
const replacements = ["\ufffd", "a\ufffd", "\ufffda", "\ufffd\ufffd"]

const loneSurrogates = ["\ud800", "\udc00", "a\ud800", "\ud800a", "\udc00\ud800", "\ud83d\ud83d\ude00"]

// Values, by the type of the constraint

const numberTexts = [
  "0",
  "-0",
  "+0",
  "1",
  "7",
  "+7",
  "007",
  "-7",
  "10",
  "2147483646",
  "2147483647",
  "2147483648",
  "-2147483648",
  "-2147483649",
  `${"0".repeat(400)}7`,
  "9".repeat(400),
  "1.5",
  "1.0",
  "1e3",
  " 1",
  "1 ",
  "1\u0000",
  "+",
  "-",
  "+-1",
  "0x10",
  "1_000",
  "\uff11",
  "\u0661",
  "NaN",
  "Infinity",
  ""
]

const fewNumberTexts = ["0", "1", "7", "10", "-7", "2147483647", "-2147483648"]

const numberText = weighted([3, from(fewNumberTexts)], [2, from(numberTexts)])

const numberLists = [
  "[1,7,10]",
  "[7]",
  "[]",
  " [ 1 ,\n7 ]\t",
  "[0,-7,2147483647,-2147483648]",
  "[1,7,1]",
  "[1,]",
  "[,]",
  "[,1]",
  "[1 7]",
  "[+7]",
  "[007]",
  "[-0]",
  "[0,-0]",
  "[-0.0]",
  "[1.0]",
  "[7.5]",
  "[1e1]",
  "[7e0]",
  "[2147483648]",
  "[-2147483649]",
  "[18446744073709551616]",
  "[1e400]",
  "[1,null]",
  '[1,"7"]',
  "[1,[7]]",
  "[[7]]",
  '{"0":7}',
  "7",
  "1,7",
  "[1]]",
  "[1] x",
  "[1",
  "\u00a0[1]",
  "\ufeff[1]",
  "[1\u000b]",
  "null",
  "[".repeat(200),
  ""
]

const stringLists = [
  '["a","b"]',
  '["pro"]',
  "[]",
  ' [ "a" ,\n"ab" ]\t',
  '["a","a"]',
  '[""]',
  '["\u00e9","e\u0301","\u65e5\u672c","😀"]',
  '["\ufffd","a\ufffd","\u2028","\ufeff","\u007f"]',
  '["__proto__","constructor","toString"]',
  '["1","10"]',
  '["a",]',
  "[,]",
  '["a" "b"]',
  '["\\u0061"]',
  '["a","\\n"]',
  '["a","\\""]',
  '["\\\\"]',
  '["\\x"]',
  '["\\ud800"]',
  '["a\u0000b"]',
  '["\n"]',
  '["\u001f"]',
  '["a",1]',
  '["a",null]',
  '["a",["b"]]',
  '["a",{}]',
  "[1]",
  '"a"',
  "a",
  "a,b",
  "['a']",
  '{"0":"a"}',
  '["a"]]',
  '["a"] x',
  '["a"',
  '["a',
  '\ufeff["a"]',
  '\u00a0["a"]',
  "null",
  "[".repeat(200),
  ""
]

const stringList = weighted(
  [4, from(stringLists)],
  [2, fc.array(from(plainTexts), { maxLength: 4 }).map((values) => JSON.stringify(values))],
  [1, fc.array(filledText, { maxLength: 3 }).map((values) => JSON.stringify(values))]
)

/** A few instants, written in many ways. */
const instants = [
  "2024-02-29T00:00:00Z",
  "2024-02-28T23:59:59Z",
  "2024-02-29t00:00:00z",
  "2024-02-29 00:00:00Z",
  "2024-02-29T00:00:00.000Z",
  "2024-02-29T00:00:00.999999999Z",
  "2024-02-29T00:00:00.9999999999999999999999Z",
  "2024-02-28T23:59:59.999Z",
  "2024-02-28T23:59:60Z",
  "2024-02-28T23:59:60.5Z",
  "2024-02-28T23:59:60z",
  "2024-02-29T05:29:60+05:30",
  "2024-02-29T00:00:01Z",
  "2024-02-29T00:00:00+00:00",
  "2024-02-29T00:00:00-00:00",
  "2024-02-29T23:59:00+23:59",
  "2024-02-28T00:01:00-23:59",
  "2024-02-28T00:01:00\u221223:59",
  "2024-02-28T19:00:00-05:00",
  "2024-02-29T05:30:00+05:30",
  "2024-02-29T05:30:01+05:30",
  "1900-02-28T23:59:59Z",
  "1900-02-29T00:00:00Z",
  "1900-03-01T00:00:00Z",
  "1900-03-01T01:00:00+01:00"
]

const pad = (value: number, length: number): string => String(value).padStart(length, "0")

/** Texts that resemble RFC 3339 dates, most of them invalid. */
const dateTime = fc
  .tuple(
    weighted(
      [4, from(["2023", "2024", "1900", "2000"])],
      [1, from(["0000", "0001", "1969", "1970", "9999", "10000", "-001", "24", "+2024"])]
    ),
    weighted(
      [4, from(["-01-31", "-02-28", "-02-29", "-12-31", "-03-01"])],
      [1, from(["-02-30", "-04-31", "-00-01", "-13-01", "-01-00", "-1-1", "-12-32"])]
    ),
    weighted([6, from(["T", "t", " "])], [1, from(["_", "", "  ", "\u00a0"])]),
    weighted(
      [5, fc.tuple(from([0, 23]), from([0, 59]), from([0, 59, 60])).map((t) => t.map((n) => pad(n, 2)).join(":"))],
      [1, from(["24:00:00", "23:60:00", "23:59:61", "00:00", "00:00:0", "0:00:00", "00-00-00"])]
    ),
    weighted([4, from(["", ".0", ".5", ".999999999", ".1234567890123456789"])], [1, from([".", ",5", ".-5", ".5.5"])]),
    weighted(
      [6, from(["Z", "z", "+00:00", "-00:00", "+23:59", "-23:59", "+14:00", "\u221201:00"])],
      [1, from(["", "+24:00", "-24:00", "+23:60", "+1:00", "+0100", "+01", " Z", "Z ", "+00:0", "UTC", "+99:59"])]
    )
  )
  .map((parts) => parts.join(""))

const otherDates = ["2024-02-29", "2024-02-29T00:00:00", "1709164800", "Thu, 29 Feb 2024 00:00:00 GMT", "now", " ", ""]

const dateText = weighted([6, from(instants)], [3, dateTime], [1, from(otherDates)])

const booleanText = weighted(
  [4, from(["true", "false"])],
  [1, from(["TRUE", "True", "1", "0", "t", " true", "yes", ""])]
)

// Constraints. Each type has its own properties, so that it usually reads values of its kind.

const kinds = ["STRING", "ENTITY_ID", "NUMBER", "BOOLEAN", "DATETIME"] as const

type Kind = (typeof kinds)[number]

const hostileNames = [
  "",
  "__proto__",
  "constructor",
  "toString",
  "1",
  "10",
  "\u0000",
  "plan\u0000",
  "\u00e9",
  "e\u0301",
  "😀",
  "\ufffd",
  "plan\ufffd",
  "\u2028",
  "\ufeff"
]

const names: { readonly [K in Kind]: ReadonlyArray<string> } = {
  STRING: ["plan", "region"],
  ENTITY_ID: ["plan", ""],
  NUMBER: ["age", "1"],
  BOOLEAN: ["beta"],
  DATETIME: ["since"]
}

const orderings = ["eq", "neq", "lt", "lte", "gt", "gte"]
const textOperators = ["empty", "notempty", "eq", "neq", "prefix", "suffix", "contains", "notcontains"]
const presences = ["present", "notpresent"]
const memberships = ["isoneof", "isnotoneof"]

const operators: { readonly [K in Kind]: ReadonlyArray<string> } = {
  STRING: [...textOperators, ...memberships],
  ENTITY_ID: [...textOperators, ...memberships],
  NUMBER: [...orderings, ...presences, ...memberships, ...memberships, ...memberships],
  BOOLEAN: ["true", "false", ...presences],
  DATETIME: [...orderings, ...presences]
}

const allOperators = [...new Set([...Object.values(operators).flat(), "regex", "", "EQ", " eq"])]

/** Inherited names, which a table of operators must not find. */
const inheritedNames = ["toString", "constructor", "__proto__", "valueOf"]

const valueOf = (kind: Kind, operator: string): fc.Arbitrary<string> => {
  switch (kind) {
    case "STRING":
    case "ENTITY_ID":
      return memberships.includes(operator) ? stringList : text
    case "NUMBER":
      return memberships.includes(operator)
        ? weighted([2, from(numberLists.slice(0, 6))], [3, from(numberLists)])
        : numberText
    case "BOOLEAN":
      return booleanText
    case "DATETIME":
      return dateText
  }
}

const constraintOf = (kind: Kind): fc.Arbitrary<Constraint> =>
  weighted([12, from(operators[kind])], [1, from(allOperators)], [1, from(inheritedNames)]).chain((operator) =>
    record<Constraint, keyof Constraint>(
      {
        type: fc.constant(`${kind}_CONSTRAINT_COMPARISON_TYPE`),
        property: weighted([5, from(names[kind])], [2, from(hostileNames)]),
        operator: fc.constant(operator),
        value: weighted([12, valueOf(kind, operator)], [1, text], [1, from(replacements)])
      },
      ["type", "property", "operator", "value"]
    )
  )

const unknownTypes = ["UNKNOWN_CONSTRAINT_COMPARISON_TYPE", "VERSION_CONSTRAINT_COMPARISON_TYPE", "constructor", ""]

const constraint: fc.Arbitrary<Constraint> = weighted(
  [8, constraintOf("STRING")],
  [4, constraintOf("ENTITY_ID")],
  [8, constraintOf("NUMBER")],
  [4, constraintOf("BOOLEAN")],
  [8, constraintOf("DATETIME")],
  [2, fc.tuple(constraintOf("STRING"), from(unknownTypes)).map(([known, type]) => ({ ...known, type }))]
)

const segment = record<Segment, keyof Segment>(
  {
    key: weighted([6, from(["seg-a", "seg-b", "seg-c"])], [2, from(hostileTexts)], [1, fc.constant("")]),
    matchType: weighted([8, from(["ALL_SEGMENT_MATCH_TYPE", "ANY_SEGMENT_MATCH_TYPE"])], [1, from(["", "toString"])]),
    constraints: listOf(constraint)
  },
  ["key", "matchType", "constraints"]
)

const segments = listOf(segment)

const segmentOperator = weighted(
  [8, from(["OR_SEGMENT_OPERATOR", "AND_SEGMENT_OPERATOR"])],
  [1, from(["XOR_SEGMENT_OPERATOR", ""])]
)

const attachment = weighted([3, from(['{"a":1}', "null", "", '{"text":"\u65e5 \\"q\\""}'])], [1, text])

const variantKey = weighted([3, from(["v1", "v2", "v3", ""])], [1, text])

/**
 * The bucket bounds of a split, computed independently of the engines. `undefined` if two bounds are equal, because then
 * the official engine's choice depends on the steps of its binary search.
 */
const bounds = (distributions: ReadonlyArray<Distribution>): ReadonlyArray<number> | undefined => {
  const shares = distributions.map(({ rollout }) => Math.fround(rollout)).filter((rollout) => rollout > 0)
  let sum = 0
  for (const share of shares) {
    sum = Math.fround(sum + share)
  }
  let total = 0
  const points = shares.map((share, index) => {
    total = Math.fround(total + Math.fround(Math.fround(share / sum) * 100))
    const point = Math.fround(total * 10)
    return index === shares.length - 1 ? 1000 : Math.floor(point) + (point - Math.floor(point) >= 0.5 ? 1 : 0)
  })
  return new Set(points).size === points.length ? points : undefined
}

const rollout = weighted(
  [4, from([100, 50, 25, 33.33, 33.34, 14.29, 66.6, 99.95, 10, 1, 33.333333333])],
  // many of these lead to bounds half way between two points
  [4, fc.integer({ min: 1, max: 2000 }).map((n) => n / 20)],
  [1, from([0, -1, -0.5, 0.05, 1e-7, 1e-45, 1e-46, 16777217, 1e10, 3.4028234663852886e38])]
)

/** Shares of 100 with bounds half way between two points, where single and double precision differ. */
const halfWayRollouts = fc
  .uniqueArray(fc.integer({ min: 1, max: 1999 }), { minLength: 1, maxLength: 3 })
  .map((cuts) => [...cuts.sort((a, b) => a - b), 2000].map((cut, index, all) => (cut - (all[index - 1] ?? 0)) / 20))

const distribution = (rollout: fc.Arbitrary<number>): fc.Arbitrary<Distribution> =>
  record<Distribution, "variantKey" | "rollout">({ variantKey, variantAttachment: nullable(attachment), rollout }, [
    "variantKey",
    "rollout"
  ])

const distributions = weighted<ReadonlyArray<Distribution>>(
  [1, fc.array(distribution(from([0, -1, -0.5, 1e-46])), { minLength: 1, maxLength: 2 })],
  [8, fc.array(distribution(rollout), { maxLength: 4 })],
  [4, halfWayRollouts.chain((rollouts) => fc.tuple(...rollouts.map((rollout) => distribution(fc.constant(rollout)))))]
).filter((split) => bounds(split) !== undefined)

const rule = record<Rule, "segmentOperator" | "distributions">(
  { segmentOperator, segments: nullable(segments), distributions },
  ["segmentOperator", "distributions"]
)

const threshold = record<NonNullable<Rollout["threshold"]>, "percentage" | "value">(
  {
    percentage: weighted(
      [3, from([0, 0.5, 50, 99.99, 100, 150, -1, 1, 99, 33.333333333, 1e-45])],
      [1, fc.integer({ min: 0, max: 1000 }).map((n) => n / 10)]
    ),
    value: fc.boolean()
  },
  ["percentage", "value"]
)

const segmentRollout = record<NonNullable<Rollout["segment"]>, "segments" | "value">(
  { segmentOperator: nullable(segmentOperator), segments, value: fc.boolean() },
  ["segments", "value"]
)

const rolloutOfFlag: fc.Arbitrary<Rollout> = weighted(
  [4, record<Rollout, "threshold">({ threshold, segment: fc.constant(null) }, ["threshold"])],
  [5, record<Rollout, "segment">({ threshold: fc.constant(null), segment: segmentRollout }, ["segment"])],
  [2, record<Rollout, never>({ threshold: nullable(threshold), segment: nullable(segmentRollout) }, [])]
)

const flagKey = weighted(
  [10, from(["flag", "other", "checkout", "theme"])],
  [5, from(hostileTexts)],
  [1, from(["flag-1", "flag-1-1", "", "😀\u0000flag\ufffd", "x".repeat(1024)])]
)

const flag: fc.Arbitrary<Flag> = record<Flag, "key" | "name" | "enabled">(
  {
    key: flagKey,
    name: text,
    enabled: weighted([6, fc.constant(true)], [1, fc.constant(false)]),
    type: weighted(
      [4, from<string | null>(["VARIANT_FLAG_TYPE"])],
      [5, from<string | null>(["BOOLEAN_FLAG_TYPE"])],
      [1, from<string | null>(["PERCENT_FLAG_TYPE", "constructor", "", null])]
    ),
    description: nullable(text),
    rules: nullable(listOf(rule)),
    rollouts: nullable(listOf(rolloutOfFlag)),
    defaultVariant: nullable(
      record<NonNullable<Flag["defaultVariant"]>, "id" | "key">(
        { id: text, key: variantKey, attachment: nullable(attachment) },
        ["id", "key"]
      )
    )
  },
  ["key", "name", "enabled"]
)

const document: fc.Arbitrary<Document> = record<Document, "namespace" | "flags">(
  {
    namespace: record<Document["namespace"], "key">(
      {
        key: weighted(
          [2, fc.constant("default")],
          [1, from(["\u043a\u043e\u043c\u0430\u043d\u0434\u0430", "__proto__", "a/b ?", "😀", "n\u0000"])]
        )
      },
      ["key"]
    ),
    flags: fc.array(flag, { minLength: 1, maxLength: 5 }),
    digest: nullable(text)
  },
  ["namespace", "flags"]
)

// Requests

/** The last definition of a flag, which is the one that counts. */
const definitionOf = (drawn: Document, key: string): Flag | undefined =>
  drawn.flags.findLast((flag) => flag.key === key)

/** The audiences that matter for a flag's type: boolean flags ignore rules, and variant flags ignore rollouts. */
const audiencesOf = (flag: Flag): ReadonlyArray<ReadonlyArray<Segment>> =>
  flag.type === "BOOLEAN_FLAG_TYPE"
    ? (flag.rollouts ?? []).flatMap(({ segment, threshold }) => (segment && !threshold ? [segment.segments] : []))
    : (flag.rules ?? []).map((rule) => rule.segments ?? [])

const constraintsOf = (flag: Flag): ReadonlyArray<Constraint> =>
  audiencesOf(flag).flatMap((audience) => audience.flatMap((segment) => segment.constraints))

const isKind = (constraint: Constraint, kind: Kind): boolean => constraint.type.startsWith(`${kind}_`)

/** A value that is likely to make a constraint hold. `how` varies it. */
const likelyValue = (constraint: Constraint, how: number): string | number | boolean | Date => {
  const { operator, value } = constraint
  if (isKind(constraint, "BOOLEAN")) {
    return how % 2 === 0 ? operator : operator === "true"
  }
  if (isKind(constraint, "DATETIME") && how === 1) {
    const date = new Date(value)
    return Number.isNaN(date.getTime()) ? value : date
  }
  if (isKind(constraint, "NUMBER") && how === 1) {
    return Number.isFinite(Number(value)) ? Number(value) : value
  }
  if (memberships.includes(operator)) {
    const element = /"([^"]*)"|(-?\d+)/.exec(value)
    return element?.[1] ?? element?.[2] ?? value
  }
  // engines read a lone surrogate in a request as U+FFFD
  return how === 2 ? value.replaceAll("\ufffd", "\ud800") : how === 3 ? `${value}a` : value
}

/** An entity at the edge of a bucket or percentage, to find off-by-one errors. */
const entityAtEdge = (flag: Flag, nth: number): string => {
  const isBoolean = flag.type === "BOOLEAN_FLAG_TYPE"
  const end = isBoolean ? 100 : 1000
  const edges = isBoolean
    ? (flag.rollouts ?? []).flatMap(({ threshold }) => (threshold ? [Math.ceil(threshold.percentage)] : []))
    : (flag.rules ?? []).flatMap((rule) => bounds(rule.distributions) ?? [])
  const points = edges.flatMap((edge) => [edge, edge + 1]).filter((point) => point > 0 && point <= end)
  const wanted = points[nth % points.length]
  const start = crc32(flag.key)
  for (let n = 0; wanted !== undefined && n < 5000; n++) {
    const entityId = `user-${n}`
    if (((isBoolean ? crc32(flag.key, crc32(entityId)) : crc32(entityId, start)) % end) + 1 === wanted) {
      return entityId
    }
  }
  return `user-${nth}`
}

/** A value for the property that one of the flag's constraints reads. */
interface Aim {
  readonly nth: number
  /** If small, the value is likely to make the constraint hold; otherwise it is any value of the constraint's kind. */
  readonly how: number
  readonly values: { readonly [K in Kind]: EvaluationContext[string] }
}

/** A random choice that becomes a request once the document is known. */
interface Draft {
  readonly flag: number
  /** Requested instead of a flag of the document. */
  readonly otherFlag: string | undefined
  readonly entity:
    | { readonly _tag: "Text"; readonly text: string }
    | { readonly _tag: "Edge"; readonly nth: number }
    | { readonly _tag: "Constraint"; readonly nth: number; readonly how: number }
  readonly aims: ReadonlyArray<Aim>
  readonly values: ReadonlyArray<readonly [string, EvaluationContext[string]]>
  readonly shape: "none" | "plain" | "null prototype" | "inheriting"
}

const contextValue: fc.Arbitrary<EvaluationContext[string]> = weighted<EvaluationContext[string]>(
  [6, text],
  [1, from(loneSurrogates)],
  [1, from([0, -0, 7, 10, 1.5, 1e21, 1e-7, -7, 2147483647, 2147483648, -2147483648, Number.MAX_VALUE])],
  [1, fc.boolean()],
  [
    1,
    from([new Date("2024-02-29T00:00:00.000Z"), new Date("2024-02-28T23:59:59.999Z"), new Date(-1), new Date(8.64e15)])
  ],
  [1, fc.constant(undefined)]
)

const contextEntry: fc.Arbitrary<readonly [string, EvaluationContext[string]]> = weighted(
  [4, fc.tuple(from(names.STRING), contextValue)],
  [4, fc.tuple(from(names.NUMBER), weighted<EvaluationContext[string]>([4, numberText], [1, contextValue]))],
  [2, fc.tuple(from(names.BOOLEAN), weighted<EvaluationContext[string]>([3, booleanText], [1, contextValue]))],
  [4, fc.tuple(from(names.DATETIME), weighted<EvaluationContext[string]>([4, dateText], [1, contextValue]))],
  [
    4,
    fc.tuple(
      weighted([5, from(hostileNames)], [1, randomText], [1, from([...loneSurrogates, "plan\ud800"])]),
      contextValue
    )
  ]
)

const anyText = weighted([6, text], [1, from(loneSurrogates)])

const aim: fc.Arbitrary<Aim> = fc.record({
  nth: fc.nat(1000),
  how: fc.nat(9),
  values: fc.record({
    STRING: anyText,
    ENTITY_ID: anyText,
    NUMBER: numberText,
    BOOLEAN: booleanText,
    DATETIME: dateText
  })
})

const draft: fc.Arbitrary<Draft> = fc.record(
  {
    flag: fc.nat(1000),
    otherFlag: seldom(
      weighted(
        [4, flagKey],
        [1, from(["nope", "Flag", "flag ", "flag\u0000"])],
        [1, from(loneSurrogates)],
        [1, from(["", " ", "\ufeff"])]
      )
    ),
    entity: weighted<Draft["entity"]>(
      [6, fc.record({ _tag: fc.constant("Edge" as const), nth: fc.nat(1000) })],
      [2, fc.record({ _tag: fc.constant("Constraint" as const), nth: fc.nat(1000), how: fc.nat(3) })],
      [
        4,
        fc.record({
          _tag: fc.constant("Text" as const),
          text: weighted(
            [20, fc.nat(999).map((n) => `user-${n}`)],
            [4, fc.nat(999).map((n) => `user\u0000${n}`)],
            [10, filledText],
            [4, fc.uuid()],
            [3, from(loneSurrogates)],
            [1, from(["", " ", "\u3000"])]
          )
        })
      ]
    ),
    aims: fc.array(aim, { minLength: 1, maxLength: 4 }),
    values: fc.array(contextEntry, { maxLength: 5 }),
    shape: weighted<Draft["shape"]>([12, fc.constant("plain")], [1, from(["none", "null prototype", "inheriting"])])
  },
  { noNullPrototype: true }
)

/** Inherited properties, which do not count. Some would match, some would be invalid. */
const inherited = { plan: "pro", age: 7, beta: true, region: null }

const makeContext = (shape: Draft["shape"], entries: Iterable<readonly [string, EvaluationContext[string]]>) => {
  const own = Object.getOwnPropertyDescriptors(Object.fromEntries(entries))
  switch (shape) {
    case "plain":
      return Object.defineProperties({}, own)
    case "null prototype":
      return Object.defineProperties(Object.create(null), own)
    case "inheriting":
      return Object.defineProperties(Object.create(inherited), own)
    case "none":
      return undefined
  }
}

const makeRequest = (drawn: Document, draft: Draft): EvaluationRequest => {
  const { key } = drawn.flags[draft.flag % drawn.flags.length]!
  const flagKey = draft.otherFlag ?? (draft.flag % 5 === 0 ? key.replaceAll("\ufffd", "\udfff") : key)
  const flag = definitionOf(drawn, key)!
  const constraints = constraintsOf(flag)
  // Keeps one of several names that differ only in lone surrogates, because it is undefined which of them counts.
  const entries = new Map<string, readonly [string, EvaluationContext[string]]>()
  const put = (name: string, value: EvaluationContext[string]) => entries.set(name.toWellFormed(), [name, value])
  for (const [name, value] of draft.values) {
    put(name, value)
  }
  for (const { how, nth, values } of draft.aims) {
    const constraint = constraints[nth % constraints.length]
    if (constraint !== undefined) {
      const kind = kinds.find((kind) => isKind(constraint, kind)) ?? "STRING"
      const name = constraint.property.replaceAll("\ufffd", how === 2 ? "\udbff" : "\ufffd")
      put(name, how > (kind === "DATETIME" ? 1 : 3) ? values[kind] : likelyValue(constraint, how))
    }
  }
  const entityOf = (entity: Draft["entity"]): string => {
    switch (entity._tag) {
      case "Text":
        return entity.text
      case "Edge":
        return entityAtEdge(flag, entity.nth)
      case "Constraint": {
        const candidates = constraints.filter((constraint) => isKind(constraint, "ENTITY_ID"))
        const constraint = candidates[entity.nth % candidates.length]
        return String(constraint === undefined ? "user" : likelyValue(constraint, entity.how))
      }
    }
  }
  const context = makeContext(draft.shape, entries.values())
  return { flagKey, entityId: entityOf(draft.entity), ...(context === undefined ? {} : { context }) }
}

/** A document, and `count` requests for it. */
export const drawn = (requests: number): fc.Arbitrary<Drawn> =>
  fc
    .tuple(document, fc.array(draft, { minLength: requests, maxLength: requests }))
    .map(([drawn, drafts]) => ({ document: drawn, requests: drafts.map((draft) => makeRequest(drawn, draft)) }))
