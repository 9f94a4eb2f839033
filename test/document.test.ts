/**
 * Reading a document: repeated parts are read and stored once, and are not confused with similar ones.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Definition from "../src/internal/document/definition.js"
import { readDocument } from "../src/internal/document/document.js"
import { Malformed, Reader } from "../src/internal/document/json.js"
import { readSeed } from "../src/internal/document/seed/read.js"
import { writeSeed } from "../src/internal/document/seed/write.js"

const constraint = (value: string) => ({
  type: "STRING_CONSTRAINT_COMPARISON_TYPE",
  property: "plan",
  operator: "eq",
  value
})

const segment = (key: string, value: string, rest: object = {}) => ({
  key,
  matchType: "ALL_SEGMENT_MATCH_TYPE",
  constraints: [constraint(value)],
  ...rest
})

const rule = (...segments: ReadonlyArray<object>) => ({
  segmentOperator: "OR_SEGMENT_OPERATOR",
  segments,
  distributions: []
})

const flag = (key: string, rules: ReadonlyArray<object>, rollouts: ReadonlyArray<object> = []) => ({
  key,
  name: key,
  enabled: true,
  rules,
  rollouts
})

const read = (...flags: ReadonlyArray<object>): ReadonlyArray<Definition.Flag> =>
  Array.from(
    readDocument(new Reader(JSON.stringify({ namespace: { key: "default" }, flags })), "default"),
    ({ flag: definition }) => definition
  )

const segmentsOf = (flags: ReadonlyArray<Definition.Flag>) =>
  flags.flatMap(({ rules }) => rules.flatMap(({ segments }) => segments))

describe("segments", () => {
  it("that are equal are stored once, across all flags", () => {
    const flags = read(
      flag("a", [rule(segment("pros", "pro")), rule(segment("teams", "team"))]),
      flag("b", [rule(segment("pros", "pro"), segment("teams", "team"))])
    )
    const [pros, teams, ...others] = segmentsOf(flags)
    expect(others[0]).toBe(pros)
    expect(others[1]).toBe(teams)
    expect(pros).not.toBe(teams)
    const restored = readSeed(
      new TextDecoder().decode(
        Uint8Array.from(atob(Effect.runSync(writeSeed("default", flags))), (c) => c.charCodeAt(0))
      ),
      "default"
    )
    expect(segmentsOf(restored)).toEqual(segmentsOf(flags))
    const [first, second, third] = segmentsOf(restored)
    expect(third?.constraints).toBe(first?.constraints)
    expect(second?.constraints).not.toBe(first?.constraints)
  })

  it("that begin alike are kept apart", () => {
    const long = "a key of far more characters than are compared at first"
    const values = ["pro", "pr", "prob", "pro"]
    const flags = read(...values.map((value, index) => flag(`flag-${index}`, [rule(segment(long, value))])))
    expect(segmentsOf(flags).map(({ constraints }) => constraints[0]?.value)).toEqual(values)
  })

  it("are limited in depth everywhere, memoized or not", () => {
    const nested = (depth: number): unknown => (depth === 0 ? 0 : [nested(depth - 1)])
    // document, flags, flag, rules, rule, segments, segment; the segments of a rollout are one level deeper
    const deepest = segment("s", "pro", { unknown: nested(121) })
    const rollout = { segment: { value: true, segments: [deepest] } }
    expect(segmentsOf(read(flag("a", [rule(deepest), rule(deepest)])))).toHaveLength(2)
    expect(() => read(flag("a", [], [rollout]))).toThrow(Malformed)
    expect(() => read(flag("a", [rule(deepest)]), flag("b", [], [rollout]))).toThrow(Malformed)
  })
})

describe("a text in several parts", () => {
  const flags = [
    flag("a", [rule(segment("pros", "pro\\n\\u00e9 \\\\"))], [{ threshold: { percentage: 12.5e1, value: true } }]),
    flag("b", [rule(segment("pros", "pro\\n\\u00e9 \\\\"), segment("teams", "team"))])
  ]
  const text = JSON.stringify(
    { other: [null, true, false, -1.5e3], flags, namespace: { key: "default" }, digest: "d" },
    null,
    1
  )

  const readParts = (whole: string, size: number) => {
    let at = 0
    const reading = readDocument(
      new Reader("", () => {
        const start = at
        at += size
        return start < whole.length ? whole.slice(start, at) : undefined
      }),
      "default"
    )
    try {
      return [...reading].map((it) => it.flag)
    } catch (error) {
      return (error as Malformed).problem
    }
  }

  it("contains the same flags for any division", () => {
    const expected = readParts(text, text.length)
    expect(expected).toHaveLength(2)
    for (let size = 1; size <= text.length; size++) {
      expect(readParts(text, size)).toEqual(expected)
    }
  })

  it("is refused for the same reason for any division", () => {
    for (const malformed of [
      text.slice(0, -1),
      text.replace("true", "tru"),
      text.replace("-1500", "-15x"),
      `${text}x`
    ]) {
      const expected = readParts(malformed, malformed.length)
      expect(expected).toEqual(expect.any(String))
      for (let size = 1; size <= malformed.length; size += 7) {
        expect(readParts(malformed, size)).toBe(expected)
      }
    }
  })
})
