import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fc from "fast-check"
import * as Engine from "../src/Engine.js"
import * as Explain from "../src/Explain.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import * as Lint from "../src/Lint.js"
import { warnings } from "./support/clients.js"
import { corpus, encode } from "./support/corpus.js"
import { booleanFlag, makeDocument } from "./support/documents.js"
import { engines } from "./support/engines.js"
import * as Generators from "./support/generators.js"
import { captured } from "./support/logs.js"
import { constraint, distribution, type Rule, segment, variantFlagOf } from "./support/rules.js"

const portable = Engine.Engine.pipe(Effect.provide(Engine.layerPortable))

const findingsOf = (flags: ReadonlyArray<object>) =>
  Effect.gen(function* () {
    const { compile } = yield* portable
    return yield* Lint.check(yield* compile("default", encode(makeDocument(flags))))
  }).pipe(Effect.scoped)

const brief = ({ kind, place }: Lint.Finding): string => `${kind}: ${place}`

const everyone = segment("everyone", "ALL", [])

/** A reachable rule, to contain what is tested. */
const ruleOf = (...segments: ReadonlyArray<object>): Rule => ({ segments, distributions: [distribution("a", 100)] })

const text = (operator: string, value: string) => constraint("STRING", "p", operator, value)
const number = (operator: string, value: string) => constraint("NUMBER", "p", operator, value)
const date = (operator: string, value: string) => constraint("DATETIME", "p", operator, value)
const entity = (operator: string, value: string) => constraint("ENTITY_ID", "id", operator, value)

/** The kind and `server` text of every finding for one constraint, in a segment that also matches by another one. */
const ofConstraint = (definition: object) =>
  Effect.map(
    findingsOf([variantFlagOf("f", [ruleOf(segment("s", "ANY", [definition, text("prefix", "x")]))])]),
    (findings) =>
      findings.filter(({ place }) => place.endsWith("constraint 1")).map(({ kind, server }) => [kind, server])
  )

const float = "compares it as a 64-bit floating-point number"
const floats = "compares the elements as 64-bit floating-point numbers"
const neither = "the constraint never holds either"
const never = "the constraint never holds"
const unreadable = "the constraint never holds: the server does not read the value as a date"

describe("a constraint", () => {
  it.effect.each<readonly [definition: object, ...expected: ReadonlyArray<readonly [Lint.Kind, string]>]>([
    [number("gte", "1.5"), ["Number", float]],
    [number("eq", "1e3"), ["Number", float]],
    [number("lt", "3000000000"), ["Number", float]],
    [number("lt", "1_000"), ["Number", float]],
    [number("lt", "0x1p4"), ["Number", float]],
    [number("lt", ".5"), ["Number", float]],
    [number("lt", "5."), ["Number", float]],
    [number("lt", "-Inf"), ["Number", float]],
    [number("lt", "NaN"), ["Number", float]],
    [number("lt", " 1"), ["Number", neither]],
    [number("lt", "ten"), ["Number", neither]],
    [number("lt", "007")],
    [number("present", "ten")],
    [number("isoneof", "[1,2.5]"), ["Number", floats]],
    [number("isnotoneof", "1,2"), ["Number", neither]],
    [number("isoneof", "[]"), ["EmptyList", "the same"]],
    [number("isoneof", "[1,2]")],
    [date("lt", "2024-01-02"), ["Date", "reads it as midnight UTC"]],
    [date("lt", "2024-01-02T03:04:05,5Z"), ["Date", "reads it as a date and time"]],
    [date("lt", "2024-01-02T3:04:05Z"), ["Date", "reads it as a date and time"]],
    [date("lt", "2024-01-02T03:04:05+24:00"), ["Date", "reads it as a date and time"]],
    [date("lt", "2024-02-30"), ["Date", neither]],
    [date("lt", "yesterday"), ["Date", neither]],
    [date("lt", "2024-01-02t03:04:05z"), ["Date", unreadable]],
    [date("lt", "2024-01-02 03:04:05Z"), ["Date", unreadable]],
    [date("lt", "2024-01-02T03:04:60Z"), ["Date", unreadable]],
    [date("lt", "2024-01-02T03:04:05.5Z"), ["DateFraction", "compares with the fraction"]],
    [date("lt", "2024-01-02T03:04:05.000Z")],
    [date("lt", "2024-01-02T03:04:05+02:00")],
    [date("notpresent", "2024-01-02")],
    [text("isoneof", '["R\\u0026D","Sales"]'), ["ListEscape", "reads the list as JSON"]],
    [text("isnotoneof", '["a\\"b"]'), ["ListEscape", "reads the list as JSON"]],
    [text("isoneof", "a,b"), ["List", never]],
    [text("isoneof", '["a",1]'), ["List", never]],
    [text("isoneof", "[ ]"), ["EmptyList", "the same"]],
    [text("isoneof", '["R&D"]')],
    [entity("isoneof", "a,b"), ["List", never]],
    [text("eq", ""), ["EmptyValue", "the same"]],
    [text("contains", ""), ["EmptyValue", "the same"]],
    [text("empty", "")],
    [text("eq", "pro "), ["Blanks", "the same"]],
    [text("suffix", " x"), ["Blanks", "the same"]],
    [
      text("prefix", " x"),
      ["Blanks", "the constraint never holds, because the server removes blanks around the request's value"]
    ],
    [constraint("STRING", "plan ", "eq", "pro"), ["Blanks", "the same"]],
    [number("contains", "1"), ["UnknownOperator", "the same"]],
    [constraint("BOOLEAN", "p", "eq", "true"), ["UnknownOperator", "the same"]],
    [constraint("BOOLEAN", "p", "true", "")],
    [
      constraint("FUTURE", "p", "eq", "x"),
      ["UnknownType", "evaluations of the flag fail, if the server does not know the type either"]
    ],
    [text("eq", "pro")]
  ])("has its findings: %j", ([definition, ...expected]) =>
    Effect.map(ofConstraint(definition), (found) => expect(found).toEqual(expected))
  )
})

const boolean = (...rollouts: ReadonlyArray<object>) => ({ ...booleanFlag("f", false), rollouts })
const threshold = (percentage: number) => ({ threshold: { percentage, value: true } })
const rollout = (...segments: ReadonlyArray<object>) => ({ segment: { value: true, segments } })
const rules = (...some: ReadonlyArray<Rule>) => variantFlagOf("f", some)
const pro = segment("pro", "ALL", [text("eq", "pro")])
const free = segment("free", "ALL", [text("eq", "free")])
const impossible = segment("impossible", "ALL", [number("eq", "1.5")])
const split = (...shares: ReadonlyArray<number>): Rule => ({
  segments: [pro],
  distributions: shares.map((share, index) => distribution(`v${index}`, share))
})
/** A rule with these segments, in the form of Flipt v1. */
const repeated = (...shares: ReadonlyArray<number>): ReadonlyArray<Rule> => {
  const round = shares.map((share, index) => distribution(`v${index}`, share))
  const rule: Rule = { segments: [pro, free], distributions: [...round, ...round] }
  return [rule, rule]
}

describe("a flag", () => {
  it.effect.each<readonly [name: string, flag: object, ...expected: ReadonlyArray<string>]>([
    [
      "two values for one property",
      rules(ruleOf(segment("s", "ALL", [text("eq", "a"), text("eq", "b")]))),
      "NeverMatches: rule 1",
      'Contradiction: rule 1, segment "s"'
    ],
    ["one value twice", rules(ruleOf(segment("s", "ALL", [text("eq", "a"), text("eq", "a")])))],
    [
      "an empty range",
      rules(ruleOf(segment("s", "ALL", [number("gt", "5"), number("lt", "6")]))),
      "NeverMatches: rule 1",
      'Contradiction: rule 1, segment "s"'
    ],
    ["a range of one", rules(ruleOf(segment("s", "ALL", [number("gte", "5"), number("lt", "6")])))],
    [
      "an empty time",
      rules(ruleOf(segment("s", "ALL", [date("gt", "2024-01-02T00:00:00Z"), date("lt", "2024-01-01T00:00:00Z")]))),
      "NeverMatches: rule 1",
      'Contradiction: rule 1, segment "s"'
    ],
    [
      "absent, and compared",
      rules(ruleOf(segment("s", "ALL", [text("empty", ""), text("neq", "b")]))),
      "NeverMatches: rule 1",
      'Contradiction: rule 1, segment "s"'
    ],
    [
      "unequal to one or to another",
      rules(ruleOf(segment("s", "ANY", [text("neq", "a"), text("neq", "b")]))),
      'Tautology: rule 1, segment "s"'
    ],
    ["unequal to one and to another", rules(ruleOf(segment("s", "ALL", [text("neq", "a"), text("neq", "b")])))],
    [
      "present or absent",
      rules(ruleOf(segment("s", "ANY", [number("present", ""), text("empty", "")]))),
      'Tautology: rule 1, segment "s"'
    ],
    [
      "a rule that cannot match",
      rules(ruleOf(impossible)),
      "NeverMatches: rule 1",
      'Number: rule 1, segment "impossible", constraint 1'
    ],
    ["a rule without segments", rules(ruleOf()), "NeverMatches: rule 1"],
    [
      "one segment of two cannot match",
      rules(ruleOf(impossible, pro)),
      'Number: rule 1, segment "impossible", constraint 1'
    ],
    ["a rule after one for everyone", rules(ruleOf(everyone), ruleOf(pro)), "Unreachable: rule 2"],
    [
      "a rule after one for every id",
      rules(ruleOf(segment("s", "ANY", [entity("notempty", "")])), ruleOf(pro)),
      "Unreachable: rule 2"
    ],
    ["a rule with an earlier rule's segment", rules(ruleOf(pro, free), ruleOf(free)), "Unreachable: rule 2"],
    [
      "the segment under another key",
      rules(ruleOf(pro), ruleOf({ ...pro, key: "professional" })),
      "Unreachable: rule 2"
    ],
    [
      "a rule that needs an earlier rule's segment",
      rules(ruleOf(pro), { ...ruleOf(pro, free), segmentOperator: "AND_SEGMENT_OPERATOR" }),
      "Unreachable: rule 2"
    ],
    ["a rule with one segment that is new", rules(ruleOf(pro), ruleOf(pro, free))],
    [
      "a segment that an earlier rule needs with another",
      rules({ ...ruleOf(pro, free), segmentOperator: "AND_SEGMENT_OPERATOR" }, ruleOf(pro))
    ],
    ["a rule for everyone at the end", rules(ruleOf(pro), ruleOf(everyone))],
    ["a lower threshold after a higher", boolean(threshold(30), threshold(20)), "Unreachable: rollout 2"],
    ["a higher threshold after a lower", boolean(threshold(20), threshold(30))],
    ["a threshold of 0", boolean(threshold(0), threshold(30))],
    ["a segment after 100 %", boolean(threshold(100), rollout(pro)), "Unreachable: rollout 2"],
    ["a segment twice", boolean(rollout(pro), threshold(10), rollout(pro)), "Unreachable: rollout 3"],
    ["a fraction of a percent", boolean(threshold(12.5)), "Percentage: rollout 1"],
    ["a percentage above 100", boolean(threshold(120)), "Percentage: rollout 1"],
    ["a percentage below 0", boolean(threshold(-1)), "Percentage: rollout 1"],
    ["a rollout of nothing", boolean({}), "Ignored: rollout 1"],
    ["a boolean flag with rules", { ...boolean(), rules: rules(ruleOf(pro)).rules }, "Ignored: rules"],
    ["a variant flag with rollouts", { ...rules(), rollouts: [threshold(10)] }, "Ignored: rollouts"],
    ["shares below 100", rules(split(30, 30)), "DistributionSum: rule 1"],
    ["shares above 100", rules(split(80, 80)), "DistributionSum: rule 1"],
    ["no share", rules(split(0, 0)), "DistributionSum: rule 1"],
    ["thirds", rules(split(33.33, 33.33, 33.33))],
    ["no distributions", rules(split())],
    ["a share without a point", rules(split(99.99, 0.01)), 'NoShare: rule 1, distribution 2 ("v1")'],
    ["a share below 0", rules(split(100, -5)), 'NoShare: rule 1, distribution 2 ("v1")'],
    ["a rule of v1 with several segments", rules(...repeated(50, 50)), "RepeatedRule: rule 1"],
    ["a rule of v1 with several segments and one variant", rules(...repeated(100))],
    [
      "an attachment",
      rules({ segments: [pro], distributions: [distribution("a", 100, "{accent: teal}")] }),
      'Attachment: rule 1, distribution 1 ("a")'
    ],
    [
      "no attachment",
      rules({ segments: [pro], distributions: [distribution("a", 50, "null"), distribution("b", 50, "")] })
    ],
    [
      "a default variant's attachment",
      variantFlagOf("f", [], { id: "1", key: "d", attachment: "teal" }),
      "Attachment: default variant"
    ]
  ])("has its findings: %s", ([, flag, ...expected]) =>
    Effect.map(findingsOf([flag]), (found) => expect(found.map(brief)).toEqual(expected))
  )

  it.effect.each<readonly [flag: object, by: string, why: string]>([
    [rules(ruleOf(pro), ruleOf(everyone), ruleOf(free)), "rule 2", "matches everyone before it"],
    [rules(ruleOf(free), ruleOf(pro), ruleOf(pro)), "rule 2", "matches all of its entities before it"],
    [boolean(rollout(pro), threshold(30), threshold(20)), "rollout 2", "takes the same entities before it, up to 30 %"]
  ])("names what takes the entities of something that is never reached: %#", ([flag, by, why]) =>
    Effect.map(findingsOf([flag]), (found) => {
      const [finding] = found.filter(({ kind }) => kind === "Unreachable")
      expect(finding?.here).toContain(` is never reached: ${by} ${why}`)
      expect(finding?.advice).toMatch(new RegExp(`or move it before ${by}$`))
    })
  )
})

/** Checks findings against evaluations: a rule that lint calls unreachable must never decide. */
const expectTrue = (explanation: Explain.Explanation, findings: ReadonlyArray<Lint.Finding>): void => {
  const mine = findings.filter(({ flag }) => flag === explanation.flag.key)
  const kind = explanation._tag === "Variant" ? "rule" : "rollout"
  const dead = mine.filter(({ kind }) => kind === "NeverMatches" || kind === "Unreachable").map(({ place }) => place)
  expect(dead).not.toContain(`${kind} ${(explanation.decidedBy ?? -1) + 1}`)
  const steps = explanation._tag === "Variant" ? explanation.rules : explanation.rollouts
  for (const { here, place } of mine) {
    const match = /^(?:rule|rollout) (\d+), segment (".*"), constraint (\d+)$/.exec(place)
    const step = steps[Number(match?.[1]) - 1]
    if (match !== null && step !== undefined && "segments" in step) {
      const constraints = step.segments.flatMap((it) =>
        JSON.stringify(it.key) === match[2] ? [it.constraints[Number(match[3]) - 1]] : []
      )
      for (const it of constraints) {
        if (here.startsWith("the constraint never holds")) {
          expect(it?.holds).toBe(false)
        }
        if (here.startsWith("the constraint holds for every value") && it?.actual !== undefined) {
          expect(it.holds).toBe(true)
        }
      }
    }
  }
}

describe.each(engines)("with the %s engine", (_name, layer) => {
  const engine = Engine.Engine.pipe(Effect.provide(layer))

  it.effect(
    "no evaluation contradicts a finding, and findings are linear in the document, for any document",
    () => {
      const seen = new Set<Lint.Kind>()
      const property = fc.asyncProperty(Generators.drawn(8), ({ document, requests }) =>
        Effect.gen(function* () {
          const { compile } = yield* engine
          const snapshot = yield* compile(document.namespace.key, encode(document))
          const findings = yield* Lint.check(snapshot)
          for (const { kind } of findings) {
            seen.add(kind)
          }
          expect(JSON.stringify(findings).length).toBeLessThan(JSON.stringify(document).length * 20)
          for (const request of requests) {
            yield* Effect.ignore(Effect.map(Explain.variant(snapshot, request), (it) => expectTrue(it, findings)))
            yield* Effect.ignore(Effect.map(Explain.boolean(snapshot, request), (it) => expectTrue(it, findings)))
          }
          for (const line of Lint.format(findings).split("\n")) {
            expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
          }
        }).pipe(Effect.scoped, Effect.runPromise)
      )
      return Effect.promise(() => fc.assert(property, { numRuns: 150 })).pipe(
        Effect.map(() => expect(seen.size).toBeGreaterThan(8))
      )
    },
    120_000
  )

  it.scoped("finds the same problems in a state and in its seed", () =>
    Effect.gen(function* () {
      const { compile, restore } = yield* engine
      for (const { document, namespace } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        const restored = yield* restore(namespace, yield* snapshot.seed)
        expect(yield* Lint.check(restored)).toEqual(yield* Lint.check(snapshot))
      }
    })
  )
})

const page = readFileSync(new URL("../docs/explain.md", import.meta.url), "utf8")

const mistaken = (share: number) => variantFlagOf("theme", [ruleOf(impossible), split(share, 50)])

/** A client whose state is each of these documents in turn. */
const clientOf = (documents: ReadonlyArray<object>) => {
  let served = 0
  const update = Effect.sync(() => {
    const document = documents[Math.min(served++, documents.length - 1)]!
    return JSON.stringify(document)
  })
  return FliptClient.layerWithoutDependencies({}).pipe(
    Layer.provide([Engine.layerPortable, Fetcher.layerEffect({ fetch: () => update })])
  )
}

const warningsOf = (documents: ReadonlyArray<object>, lint: Layer.Layer<never>) =>
  captured((log) =>
    Effect.gen(function* () {
      const client = Context.get(yield* Layer.build(Layer.provide(clientOf(documents), lint)), FliptClient.FliptClient)
      yield* Effect.forEach(documents.slice(1), () => client.refresh)
      return warnings(log)
    }).pipe(Effect.scoped)
  )

describe("the layer", () => {
  it.effect("logs a warning at a load, and again when the findings change", () =>
    Effect.gen(function* () {
      const documents = [60, 60, 50, 70].map((share) => makeDocument([mistaken(share)]))
      const found = yield* warningsOf(documents, Lint.layer)
      expect(found.map((line) => /sum to \d+ %/.exec(line)?.[0])).toEqual(["sum to 110 %", undefined, "sum to 120 %"])
      expect(found[0]).toContain('flag "theme", rule 1, segment "impossible", constraint 1: the constraint never holds')
    })
  )

  it.effect("logs one warning of bounded length for any state", () =>
    Effect.gen(function* () {
      const flags = Array.from({ length: 500 }, (_, index) => ({ ...mistaken(index + 51), key: `flag-${index}` }))
      const found = yield* warningsOf([makeDocument(flags)], Lint.layer)
      expect(found.length).toBe(1)
      expect(found[0]!.length).toBeLessThan(3000)
      expect(found[0]).toMatch(/and \d+ more; Lint\.check finds all of them$/)
    })
  )

  it.effect("lists the first kinds of finding, and counts the others", () =>
    Effect.gen(function* () {
      const flags = Array.from({ length: 9 }, (_, index) => ({ ...mistaken(index + 51), key: `flag-${index}` }))
      const [, ...lines] = (yield* warningsOf([makeDocument(flags)], Lint.layer))[0]!.split("\n- ")
      expect(lines.map((line) => line.split(/[:;] /)[0])).toEqual([
        'flag "flag-0", rule 1 and 8 more',
        'flag "flag-0", rule 1, segment "impossible", constraint 1 and 8 more',
        'flag "flag-0", rule 2',
        'flag "flag-1", rule 2',
        'flag "flag-2", rule 2',
        "and 6 more"
      ])
    })
  )

  it.effect("logs nothing for a state without findings", () =>
    Effect.gen(function* () {
      const documents = [makeDocument([booleanFlag("on", true)])]
      expect(yield* warningsOf(documents, Lint.layer)).toEqual([])
    })
  )

  it.effect("is required for warnings", () =>
    Effect.gen(function* () {
      expect(yield* warningsOf([makeDocument([mistaken(60)])], Layer.empty)).toEqual([])
    })
  )
})

describe("the guide", () => {
  it.effect("shows findings exactly as they are printed", () =>
    Effect.gen(function* () {
      const findings = yield* findingsOf([
        variantFlagOf("theme", [
          ruleOf(segment("adults", "ANY", [constraint("NUMBER", "age", "gte", "17.5"), text("eq", "staff")])),
          { segments: [everyone], distributions: [distribution("light", 30), distribution("dark", 60)] }
        ])
      ])
      expect(page).toContain(`\`\`\`text\n${Lint.format(findings)}\n\`\`\``)
    })
  )

  it("has a line for every kind of finding", () => {
    const source = readFileSync(new URL("../src/Lint.ts", import.meta.url), "utf8")
    const kinds = Array.from(
      /export type Kind =((?:\s*\| "\w+")+)/.exec(source)![1]!.matchAll(/"(\w+)"/g),
      ([, kind]) => kind
    )
    expect(kinds.length).toBe(20)
    for (const kind of kinds) {
      expect(page).toContain(`| \`${kind}\` |`)
    }
  })
})
