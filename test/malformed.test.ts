/**
 * Invalid documents, seeds and requests are refused with an error that says what is wrong and where. Unusual but valid
 * ones are accepted.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as fc from "fast-check"
import * as Engine from "../src/Engine.js"
import type { EngineError, ValidationError } from "../src/FliptError.js"
import type { EvaluationRequest } from "../src/Model.js"
import { encode } from "./support/corpus.js"
import { engines } from "./support/engines.js"

// Documents

const constraint = {
  type: "STRING_CONSTRAINT_COMPARISON_TYPE",
  property: "plan",
  operator: "eq",
  value: "pro\u00e9 \u65e5 😀"
}

const segment = { key: "pros", matchType: "ALL_SEGMENT_MATCH_TYPE", constraints: [constraint] }

/** A document with every known field. The tests change the second flag. */
const full = {
  namespace: { key: "default" },
  flags: [
    { key: "first", name: "First", enabled: true },
    {
      key: "second",
      name: "Second",
      enabled: true,
      type: "VARIANT_FLAG_TYPE",
      description: "a flag",
      rules: [
        {
          segmentOperator: "OR_SEGMENT_OPERATOR",
          segments: [segment],
          distributions: [{ variantKey: "v1", variantAttachment: "{}", rollout: 100 }]
        }
      ],
      rollouts: [
        { threshold: { percentage: 50, value: true } },
        { segment: { segmentOperator: "AND_SEGMENT_OPERATOR", segments: [segment], value: true } }
      ],
      defaultVariant: { id: "d", key: "v0", attachment: "[]" }
    }
  ],
  digest: "0a1b"
}

const fullText = JSON.stringify(full)

type Kind = "string" | "boolean" | "number" | "list" | "object"

interface Known {
  /** The path of the object that contains the field. */
  readonly owner: string
  readonly name: string
  readonly kind: Kind
  readonly required: boolean
}

const rule = "flags[1].rules[0]"
const segmentRollout = "flags[1].rollouts[1].segment"

/** The fields of each kind of object. Those with a question mark may be absent or null. */
const objects: ReadonlyArray<readonly [owner: string, fields: Readonly<Record<string, Kind>>]> = [
  ["", { namespace: "object", flags: "list", "digest?": "string" }],
  ["namespace", { key: "string" }],
  [
    "flags[1]",
    {
      key: "string",
      name: "string",
      enabled: "boolean",
      "type?": "string",
      "description?": "string",
      "rules?": "list",
      "rollouts?": "list",
      "defaultVariant?": "object"
    }
  ],
  [rule, { segmentOperator: "string", "segments?": "list", distributions: "list" }],
  [`${rule}.segments[0]`, { key: "string", matchType: "string", constraints: "list" }],
  [`${rule}.segments[0].constraints[0]`, { type: "string", property: "string", operator: "string", value: "string" }],
  [`${rule}.distributions[0]`, { variantKey: "string", "variantAttachment?": "string", rollout: "number" }],
  ["flags[1].rollouts[0]", { "threshold?": "object" }],
  ["flags[1].rollouts[0].threshold", { percentage: "number", value: "boolean" }],
  ["flags[1].rollouts[1]", { "segment?": "object" }],
  [segmentRollout, { "segmentOperator?": "string", segments: "list", value: "boolean" }],
  [`${segmentRollout}.segments[0]`, { key: "string", matchType: "string", constraints: "list" }],
  [
    `${segmentRollout}.segments[0].constraints[0]`,
    { type: "string", property: "string", operator: "string", value: "string" }
  ],
  ["flags[1].defaultVariant", { id: "string", key: "string", "attachment?": "string" }]
]

const fields: ReadonlyArray<Known> = objects.flatMap(([owner, known]) =>
  Object.entries(known).map(([name, kind]) => ({
    owner,
    name: name.replace("?", ""),
    kind,
    required: !name.endsWith("?")
  }))
)

const pathOf = ({ name, owner }: Pick<Known, "name" | "owner">): string => (owner === "" ? name : `${owner}.${name}`)

type Mutable = Record<string, unknown>

/** The full document with one object or list changed. */
const change = (owner: string, edit: (object: Mutable) => void): unknown => {
  const document: Mutable = JSON.parse(fullText)
  const parts = owner.match(/[A-Za-z]+|\d+/g) ?? []
  edit(parts.reduce((object, part) => object[part] as Mutable, document))
  return document
}

const withField = ({ name, owner }: Pick<Known, "name" | "owner">, value: unknown): unknown =>
  change(owner, (object) => {
    object[name] = value
  })

const withoutField = ({ name, owner }: Pick<Known, "name" | "owner">): unknown =>
  change(owner, (object) => {
    delete object[name]
  })

/** The full document's text, with a field's value replaced. */
const withText = (field: Pick<Known, "name" | "owner">, text: string): string =>
  JSON.stringify(withField(field, "@@")).replace('"@@"', () => text)

/** The full document's text, with an additional field in an object. */
const withUnknown = (owner: string, name: string, text: string): string =>
  withText({ owner, name: "@name" }, text).replace('"@name"', () => JSON.stringify(name))

const withFieldTwice = ({ name, owner }: Known): string =>
  JSON.stringify(
    change(owner, (object) => {
      object[`@@${name}`] = object[name]
    })
  ).replace("@@", "")

const ofKind: { readonly [K in Kind]: unknown } = { string: "text", boolean: true, number: 1, list: [], object: {} }

const otherKinds = (kind: Kind): ReadonlyArray<unknown> =>
  Object.entries(ofKind).flatMap(([name, value]) => (name === kind ? [] : [value]))

/** Whether an error at this path can name the flag: it must be inside a flag whose key is readable. */
const namesFlag = (path: string): boolean => /^flags\[1\]./.test(path) && path !== "flags[1].key"

const expectPlace = (error: { readonly message: string }, path: string, problem: string, label: string): void => {
  expect(error.message, label).toContain(path === "" ? problem : `${path}: ${problem}`)
  if (namesFlag(path)) {
    expect(error.message, label).toContain('(flag "second")')
  }
}

describe.each(engines)("a document on the %s engine", (_name, layer) => {
  const engine = Engine.Engine.pipe(Effect.provide(layer))

  /** The error for an input that must not load. */
  const refusal = (
    document: unknown,
    reason: EngineError["reason"] = "Document",
    namespace = "default"
  ): Effect.Effect<EngineError> =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const bytes = document instanceof Uint8Array ? [document] : encode(document)
      const result = yield* Effect.either(Effect.scoped(compile(namespace, bytes)))
      const label = document instanceof Uint8Array ? Buffer.from(document).toString("latin1") : JSON.stringify(document)
      expect(Either.isLeft(result), `must not load: ${label.slice(0, 2000)}`).toBe(true)
      const error = Either.merge(Either.mapBoth(result, { onLeft: (error) => error, onRight: () => undefined }))!
      expect(error._tag).toBe("EngineError")
      expect(error.reason, error.message).toBe(reason)
      return error
    })

  /** The seed of an input that must load. */
  const seedOf = (document: unknown): Effect.Effect<string, EngineError> =>
    Effect.scoped(
      Effect.gen(function* () {
        const { compile } = yield* engine
        const chunks = Array.isArray(document) ? (document as ReadonlyArray<Uint8Array>) : encode(document)
        const snapshot = yield* compile("default", chunks)
        return yield* snapshot.seed
      })
    )

  it.effect("that is not a document is refused with a message that says what was found", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [text: string, problem: string]> = [
        ["", "the document is empty"],
        [" \n\t\r", "the document is empty"],
        [" ".repeat(5000), "the document is empty"],
        ["<!DOCTYPE html><html><body>Not Found</body></html>", 'expected an object, found "<" at character 0'],
        ["404 page not found", "expected an object, found a number"],
        ["null", "expected an object, found null"],
        ["true", "expected an object, found true"],
        ["[]", "expected an object, found a list"],
        ["1", "expected an object, found a number"],
        ['"text"', "expected an object, found a string"],
        ["{}", '"namespace" is missing'],
        ['{"namespace":{"key":"default"}}', '"flags" is missing'],
        ['{"flags":[]}', '"namespace" is missing'],
        ['{"error":"not found","code":5}', '"namespace" is missing'],
        [`\ufeff\ufeff${fullText}`, 'expected an object, found "\\ufeff" at character 0'],
        ["{,}", "expected a key in quotes"],
        ["{namespace:1}", "expected a key in quotes"],
        ['{"namespace" {}}', 'expected ":"']
      ]
      for (const [text, problem] of cases) {
        expect((yield* refusal(text)).message).toContain(problem)
      }
      const { compile } = yield* engine
      const error = yield* Effect.flip(Effect.scoped(compile("default", [])))
      expect(error.message).toContain("the document is empty")
    })
  )

  it.effect("that is cut off anywhere is refused", () =>
    Effect.gen(function* () {
      const bytes = Buffer.from(fullText)
      for (let length = 0; length < bytes.length; length++) {
        const error = yield* refusal(bytes.subarray(0, length))
        expect(error.message).toMatch(
          /the end of the text|the text ends inside a string|is empty|not valid UTF-8|escape|found "[tfn]"/
        )
      }
    })
  )

  it.effect("that is read in many slices and cut off anywhere is refused", () =>
    Effect.gen(function* () {
      const flags = Array.from({ length: 450 }, (_, index) => ({ ...full.flags[1], key: `flag-${index}` }))
      const bytes = Buffer.from(JSON.stringify({ ...full, flags }))
      expect(bytes.length).toBeGreaterThan(300_000)
      for (const length of fc.sample(fc.integer({ min: 0, max: bytes.length - 1 }), 200)) {
        const { compile } = yield* engine
        const result = yield* Effect.either(Effect.scoped(compile("default", [bytes.subarray(0, length)])))
        expect(Either.isLeft(result) && result.left.reason, `cut at ${length}`).toBe("Document")
      }
    })
  )

  it.effect("that is not UTF-8 is refused for any split of its bytes", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const at = fullText.indexOf("First")
      const sequences = [
        [0xff],
        [0xc3],
        [0xc0, 0x80],
        [0xed, 0xa0, 0x80],
        [0xf4, 0x90, 0x80, 0x80],
        [0xe6, 0x97],
        [0x80]
      ]
      for (const sequence of sequences) {
        const bytes = Buffer.concat([
          Buffer.from(fullText.slice(0, at)),
          Buffer.from(sequence),
          Buffer.from(fullText.slice(at))
        ])
        expect((yield* refusal(bytes)).message).toContain("not valid UTF-8")
        for (let split = at; split <= at + sequence.length; split++) {
          const chunks = [bytes.subarray(0, split), bytes.subarray(split)]
          const error = yield* Effect.flip(Effect.scoped(compile("default", chunks)))
          expect(error.message).toContain("not valid UTF-8")
        }
      }
      const unfinished = Buffer.concat([Buffer.from(fullText), Buffer.from([0xe6, 0x97])])
      expect((yield* refusal(unfinished)).message).toContain("not valid UTF-8")
    })
  )

  it.effect("loads for any split of its bytes, even inside a character", () =>
    Effect.gen(function* () {
      const bytes = Buffer.from(fullText)
      const whole = yield* seedOf([bytes])
      for (let split = 0; split <= bytes.length; split++) {
        expect(yield* seedOf([bytes.subarray(0, split), bytes.subarray(split)]), `split at ${split}`).toBe(whole)
      }
      expect(yield* seedOf(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toBe(whole)
      expect(yield* seedOf([new Uint8Array(), bytes, new Uint8Array()])).toBe(whole)
    })
  )

  it.effect("with a field of another type is refused with the field's path and the flag's key", () =>
    Effect.gen(function* () {
      for (const field of fields) {
        for (const value of [...otherKinds(field.kind), ...(field.required ? [null] : [])]) {
          const error = yield* refusal(withField(field, value))
          expectPlace(error, pathOf(field), "expected", JSON.stringify(value))
        }
      }
    })
  )

  it.effect("with a list element of another type is refused with its index", () =>
    Effect.gen(function* () {
      for (const { kind, name, owner } of fields) {
        if (kind === "list") {
          const index = pathOf({ owner, name }) === "flags" ? 1 : 0
          for (const value of [...otherKinds("object"), null]) {
            const document = change(owner, (object) => {
              ;(object[name] as Array<unknown>)[index] = value
            })
            expectPlace(yield* refusal(document), `${pathOf({ owner, name })}[${index}]`, "expected an object", name)
          }
        }
      }
    })
  )

  it.effect("without a required field is refused with the field's name and path", () =>
    Effect.gen(function* () {
      for (const field of fields.filter(({ required }) => required)) {
        const error = yield* refusal(withoutField(field))
        expect(error.message).toContain(`${field.owner === "" ? "" : `${field.owner}: `}"${field.name}" is missing`)
        if (namesFlag(pathOf(field))) {
          expect(error.message).toContain('(flag "second")')
        }
      }
    })
  )

  it.effect("loads without an optional field or with null, which means the same", () =>
    Effect.gen(function* () {
      const optional = fields.filter(({ required }) => !required)
      expect(optional).toHaveLength(12)
      for (const field of optional) {
        const absent = yield* seedOf(withoutField(field))
        expect(yield* seedOf(withField(field, null)), pathOf(field)).toBe(absent)
      }
    })
  )

  it.effect("with a known key twice in an object is refused with the key's path", () =>
    Effect.gen(function* () {
      for (const field of fields) {
        const error = yield* refusal(withFieldTwice(field))
        expectPlace(error, pathOf(field), "occurs twice", pathOf(field))
      }
      const escaped = fullText.replace('"name":"Second"', '"name":"Second","n\\u0061me":"Second"')
      expectPlace(yield* refusal(escaped), "flags[1].name", "occurs twice", "escaped")
    })
  )

  it.effect("nested 10,000 deep is refused without a stack overflow", () =>
    Effect.gen(function* () {
      const brackets = "[".repeat(10_000) + "]".repeat(10_000)
      const braces = `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`
      for (const deep of [brackets, braces]) {
        for (const [owner] of objects) {
          const error = yield* refusal(withText({ owner, name: "unknown" }, deep), "Limit")
          expect(error.message).toContain(owner === "" ? "unknown" : `${owner}.unknown`)
          expect(error.message).toContain("nested deeper than 128 levels")
          if (namesFlag(owner) || owner === "flags[1]") {
            expect(error.message).toContain('(flag "second")')
          }
        }
        for (const field of fields) {
          // nested objects in place of an object are read as unknown fields
          const reason = field.kind === "object" && deep === braces ? "Limit" : "Document"
          expect((yield* refusal(withText(field, deep), reason)).message).toContain(pathOf(field))
        }
        yield* refusal(deep.slice(0, 10_000), deep === brackets ? "Document" : "Limit")
      }
    })
  )

  it.effect("with anything after its end is refused", () =>
    Effect.gen(function* () {
      for (const garbage of ["x", ",", "}", "]", "null", fullText, "\u0000", "\u00a0", "\ufeff", "//"]) {
        expect((yield* refusal(fullText + garbage)).message).toContain("expected the end of the text")
      }
      expect(yield* seedOf(`${fullText} \n\t\r`)).toBe(yield* seedOf(fullText))
    })
  )

  it.effect("with a number that is invalid in JSON or exceeds single precision is refused", () =>
    Effect.gen(function* () {
      const places = fields.filter(({ kind }) => kind === "number")
      expect(places.map(pathOf)).toEqual([
        `${rule}.distributions[0].rollout`,
        "flags[1].rollouts[0].threshold.percentage"
      ])
      for (const field of places) {
        // these start with a valid number, so the error is in the rest
        for (const number of ["01", "1.", "1.e1", "1e", "1e+", "0x10", "1_0", "-01", "1f", "1 0"]) {
          const { message } = yield* refusal(withText(field, number))
          expect(message, number).toContain(field.owner)
          expect(message, number).toContain('(flag "second")')
        }
        for (const number of ["+1", ".5", "-", "--1", "NaN", "Infinity", "-Infinity", ""]) {
          expectPlace(yield* refusal(withText(field, number)), pathOf(field), "expected a number", number)
        }
        for (const number of ["1e400", "-1e400", "1e39", "-1e39", "3.4028236e38", "9".repeat(400)]) {
          const error = yield* refusal(withText(field, number))
          expectPlace(error, pathOf(field), "a number beyond single precision", number)
        }
        for (const number of ["-0", "1E2", "1e-400", "3.4028235e38", "100.000000000000000000000000000000000000001"]) {
          yield* seedOf(withText(field, number))
        }
      }
    })
  )

  it.effect("with a malformed string is refused", () =>
    Effect.gen(function* () {
      const field = { owner: `${rule}.segments[0].constraints[0]`, name: "value" }
      const unknown = { owner: `${rule}.segments[0]`, name: "unknown" }
      const check = (inside: string, problem: string) =>
        Effect.gen(function* () {
          for (const place of [field, unknown]) {
            const error = yield* refusal(withText(place, `"a${inside}b"`))
            expectPlace(error, pathOf(place), problem, JSON.stringify(inside))
          }
        })
      for (let unit = 0; unit < 32; unit++) {
        yield* check(String.fromCharCode(unit), "a control character in a string")
      }
      for (const escape of ["\\x41", "\\u12", "\\u{1}", "\\U0041", "\\'", "\\ ", "\\0", "\\u00g0", "\\\u0000"]) {
        yield* check(escape, "an invalid escape in a string")
      }
      for (const surrogate of ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\udc00\\ud800", "\\ud83dx", "\\uDBFF\\n"]) {
        yield* check(surrogate, "a lone surrogate in a string")
      }
      yield* seedOf(withText(field, '"\\ud83d\\ude00 \\u0000 \\/ \u007f \u2028"'))
    })
  )

  it.effect("of another namespace is refused with both names", () =>
    Effect.gen(function* () {
      const { message } = yield* refusal(full, "Document", "production")
      expect(message).toContain('"default"')
      expect(message).toContain('"production"')
      yield* refusal(full, "Document", "Default")
      yield* refusal(full, "Document", "")
    })
  )

  it.effect("loads with unknown fields of any kind in any object", () =>
    Effect.gen(function* () {
      const plain = yield* seedOf(full)
      const values = [
        "1e400",
        "-1.5E-7",
        '"text"',
        "true",
        "null",
        "[1,[2,{}]]",
        '{"key":1,"key":2}',
        '{"__proto__":{"key":1}}'
      ]
      for (const [owner] of objects) {
        for (const value of values) {
          for (const name of ["unknown", "__proto__", "constructor", "", "Key", "segmentKeys"]) {
            expect(yield* seedOf(withUnknown(owner, name, value)), `${owner}.${name}: ${value}`).toBe(plain)
          }
        }
      }
    })
  )

  it.scoped("loads with unknown enum names, which mean the same as in the reference engine", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const load = (owner: string, name: string) =>
        Effect.flatMap(compile("default", encode(withField({ owner, name }, "toString"))), (snapshot) =>
          Effect.map(snapshot.flags, (flags) => ({ snapshot, flag: flags[1]! }))
        )
      const request = { flagKey: "second", entityId: "user", context: { plan: constraint.value } }
      const match = ({ flag, snapshot }: Effect.Effect.Success<ReturnType<typeof load>>) =>
        Effect.map(snapshot.variant(request), (result) => [flag.type, result.match] as const)

      expect(yield* match(yield* load("flags[1]", "type"))).toEqual(["VARIANT_FLAG_TYPE", true])
      expect(yield* match(yield* load(rule, "segmentOperator"))).toEqual(["VARIANT_FLAG_TYPE", true])
      expect(yield* match(yield* load(`${rule}.segments[0]`, "matchType"))).toEqual(["VARIANT_FLAG_TYPE", true])
      const constraintPath = `${rule}.segments[0].constraints[0]`
      expect(yield* match(yield* load(constraintPath, "type"))).toEqual(["VARIANT_FLAG_TYPE", false])
      expect(yield* match(yield* load(constraintPath, "operator"))).toEqual(["VARIANT_FLAG_TYPE", false])
    })
  )

  it.scoped("that is refused does not affect earlier snapshots", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const snapshot = yield* compile("default", encode(full))
      const request = { flagKey: "second", entityId: "user", context: { plan: constraint.value } }
      const state = Effect.gen(function* () {
        const fingerprint = snapshot.fingerprint("second")
        return {
          fingerprint,
          flags: yield* snapshot.flags,
          seed: yield* snapshot.seed,
          answer: snapshot.variant(request)
        }
      })
      const before = yield* state
      for (const field of fields.filter(({ required }) => required)) {
        yield* refusal(withoutField(field))
      }
      yield* refusal(fullText.slice(0, -1))
      yield* refusal(full, "Document", "production")
      expect(yield* state).toEqual(before)
    })
  )
})

// Seeds

const seedOfFlags = {
  version: 1,
  namespace: {
    key: "default",
    flags: {
      first: { key: "first", enabled: true, type: "BOOLEAN_FLAG_TYPE" },
      second: {
        key: "second",
        enabled: true,
        type: "VARIANT_FLAG_TYPE",
        default_variant: { id: "d", key: "v0", attachment: "[]" }
      }
    },
    eval_rules: {
      first: [],
      second: [
        {
          id: "second-1",
          flag_key: "second",
          segments: {
            pros: { segment_key: "pros", match_type: "ALL_SEGMENT_MATCH_TYPE", constraints: [constraint] }
          },
          rank: 1,
          segment_operator: "OR_SEGMENT_OPERATOR"
        }
      ]
    },
    eval_rollouts: {
      first: [
        { rollout_type: "THRESHOLD_ROLLOUT_TYPE", rank: 1, threshold: { percentage: 50, value: true } },
        {
          rollout_type: "SEGMENT_ROLLOUT_TYPE",
          rank: 2,
          segment: { value: true, segment_operator: "OR_SEGMENT_OPERATOR", segments: {} }
        }
      ],
      second: []
    },
    eval_distributions: { "second-1": [{ rule_id: "second-1", rollout: 100, variant_key: "v1" }] }
  }
}

const toSeed = (text: string): string => Buffer.from(text).toString("base64")

const seedText = JSON.stringify(seedOfFlags)

/** The seed with one text of its JSON replaced by another. */
const seedWith = (part: string, replacement: string): string => {
  expect(seedText).toContain(part)
  return toSeed(seedText.replace(part, () => replacement))
}

describe.each(engines)("a seed on the %s engine", (_name, layer) => {
  const engine = Engine.Engine.pipe(Effect.provide(layer))

  const refusal = (seed: string, namespace = "default"): Effect.Effect<string> =>
    Effect.gen(function* () {
      const { restore } = yield* engine
      const error = yield* Effect.merge(Effect.flip(Effect.scoped(restore(namespace, seed))))
      const label = Buffer.from(seed, "base64").toString()
      expect(error, label).toMatchObject({ _tag: "ValidationError", reason: "Seed", path: "snapshot" })
      return (error as ValidationError).message
    })

  it.scoped("loads, with its optional fields and without them", () =>
    Effect.gen(function* () {
      const { restore } = yield* engine
      const seeds = [
        toSeed(seedText),
        toSeed(` ${seedText}\n`),
        seedWith(',"attachment":"[]"', ""),
        seedWith('"attachment":"[]"', '"attachment":null'),
        seedWith(',"default_variant":{"id":"d","key":"v0","attachment":"[]"}', ""),
        seedWith('"threshold":{"percentage":50,"value":true}', '"threshold":null'),
        seedWith('"version":1', '"version":1,"unknown":[{}]')
      ]
      for (const seed of seeds) {
        const snapshot = yield* restore("default", seed)
        const request = { flagKey: "second", entityId: "user", context: { plan: constraint.value } }
        expect(yield* snapshot.variant(request)).toMatchObject({ match: true, variantKey: "v1" })
      }
    })
  )

  it.effect("that is not base64 text is refused", () =>
    Effect.gen(function* () {
      for (const text of ["***", "abc", "{}==", "é===", "A===", "====", seedText, fullText, `${toSeed(seedText)}*`]) {
        expect(yield* refusal(text)).toContain("not base64 text")
      }
    })
  )

  it.effect("whose JSON is not a seed is refused", () =>
    Effect.gen(function* () {
      for (const text of [
        "",
        " ",
        "hello",
        "null",
        "[]",
        "1",
        "{}",
        fullText,
        `${seedText}x`,
        `${seedText}${seedText}`
      ]) {
        yield* refusal(toSeed(text))
      }
      for (let length = 0; length < seedText.length; length++) {
        yield* refusal(toSeed(seedText.slice(0, length)))
      }
    })
  )

  it.effect("of another version is refused with that version", () =>
    Effect.gen(function* () {
      expect(yield* refusal(seedWith('"version":1', '"version":2'))).toContain("version: unsupported version 2")
      expect(yield* refusal(seedWith('"version":1', '"version":0'))).toContain("version: unsupported version 0")
      expect(yield* refusal(seedWith('"version":1', '"version":"1"'))).toContain("version: expected a number")
      expect(yield* refusal(seedWith('"version":1', '"version":null'))).toContain("version: expected a number")
      expect(yield* refusal(seedWith('"version":1,', ""))).toContain('"version" is missing')
    })
  )

  it.effect("of another namespace is refused with both names", () =>
    Effect.gen(function* () {
      const message = yield* refusal(toSeed(seedText), "production")
      expect(message).toContain('"default"')
      expect(message).toContain('"production"')
    })
  )

  it.effect("without one of its maps or an entry in it is refused with the map's name", () =>
    Effect.gen(function* () {
      for (const map of ["flags", "eval_rules", "eval_rollouts", "eval_distributions", "key"]) {
        const { [map]: _, ...namespace } = seedOfFlags.namespace as Readonly<Record<string, unknown>>
        const message = yield* refusal(toSeed(JSON.stringify({ ...seedOfFlags, namespace })))
        expect(message).toContain(`namespace: "${map}" is missing`)
        for (const value of [null, 1, "text", [], true].filter((value) => map !== "key" || value !== "text")) {
          const changed = { ...seedOfFlags, namespace: { ...namespace, [map]: value } }
          expect(yield* refusal(toSeed(JSON.stringify(changed)))).toContain(`namespace.${map}: expected`)
        }
      }
      for (const [map, entry] of [
        ["eval_rules", "first"],
        ["eval_rules", "second"],
        ["eval_rollouts", "first"],
        ["eval_rollouts", "second"],
        ["eval_distributions", "second-1"]
      ] as const) {
        const { [entry]: _, ...rest } = seedOfFlags.namespace[map] as Readonly<Record<string, unknown>>
        const changed = { ...seedOfFlags, namespace: { ...seedOfFlags.namespace, [map]: rest } }
        expect(yield* refusal(toSeed(JSON.stringify(changed)))).toContain(`"${map}" has no entry for "${entry}"`)
      }
    })
  )

  it.effect("with an error inside is refused with the error's path", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [part: string, replacement: string, path: string]> = [
        ['"enabled":true', '"enabled":1', "namespace.flags.first.enabled"],
        ['"type":"BOOLEAN_FLAG_TYPE"', '"type":null', "namespace.flags.first.type"],
        ['"id":"d"', '"id":1', "namespace.flags.second.default_variant.id"],
        ['"id":"second-1"', '"id":1', "namespace.eval_rules.second[0].id"],
        ['"segments":{"pros"', '"segments":[],"x":{"pros"', "namespace.eval_rules.second[0].segments"],
        ['"ALL_SEGMENT_MATCH_TYPE"', "1", "namespace.eval_rules.second[0].segments.pros.match_type"],
        ['"property":"plan"', '"property":1', "namespace.eval_rules.second[0].segments.pros.constraints[0].property"],
        ['"percentage":50', '"percentage":"50"', "namespace.eval_rollouts.first[0].threshold.percentage"],
        ['"segments":{}', '"segments":null', "namespace.eval_rollouts.first[1].segment.segments"],
        ['"rollout":100', '"rollout":1e39', 'namespace.eval_distributions["second-1"][0].rollout'],
        ['"variant_key":"v1"', '"variant_key":true', 'namespace.eval_distributions["second-1"][0].variant_key'],
        ['"rollout":100', '"rollout":100,"rollout":100', 'namespace.eval_distributions["second-1"][0].rollout'],
        ['"first":[],', '"first":[],"first":[],', "namespace.eval_rules.first"],
        ['"version":1', `"x":${"[".repeat(10_000)}${"]".repeat(10_000)},"version":1`, "x[0][0]"]
      ]
      for (const [part, replacement, path] of cases) {
        expect(yield* refusal(seedWith(part, replacement))).toContain(path)
      }
    })
  )
})

// Requests

const wrongTexts: ReadonlyArray<unknown> = [
  undefined,
  null,
  "",
  " ",
  "\t\n",
  "\u00a0\ufeff\u3000",
  0,
  1,
  Number.NaN,
  true,
  {},
  [],
  ["flag"],
  Symbol("flag"),
  1n,
  () => "flag",
  new String("flag"),
  new Date()
]

const wrongContexts: ReadonlyArray<unknown> = [null, "plan", "", 1, true, [], ["a"], Symbol("a"), 1n, () => ({})]

const wrongValues: ReadonlyArray<unknown> = [
  null,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  new Date(Number.NaN),
  {},
  { value: "a" },
  [],
  ["a"],
  () => "a",
  Symbol("a"),
  1n,
  new String("a"),
  new Map(),
  /a/
]

const wrongRequests: ReadonlyArray<unknown> = [undefined, null, "flag", 1, true, Symbol("a"), 1n, () => good]

const good: EvaluationRequest = { flagKey: "second", entityId: "user", context: { plan: constraint.value } }

/** Invalid requests, with the expected path of the error. */
const badRequests: ReadonlyArray<readonly [path: string, request: unknown]> = [
  ...wrongTexts.map((flagKey) => ["flagKey", { ...good, flagKey }] as const),
  ...wrongTexts.map((entityId) => ["entityId", { ...good, entityId }] as const),
  ...wrongContexts.map((context) => ["context", { ...good, context }] as const),
  ...wrongValues.map((age) => ["context.age", { ...good, context: { plan: "pro", age } }] as const),
  ["context.", { ...good, context: { "": null } }],
  ["context.__proto__", { ...good, context: JSON.parse('{"__proto__":null}') }],
  ["flagKey", {}],
  ["flagKey", []],
  ["flagKey", new Map()],
  ["entityId", { flagKey: "second" }],
  // the first problem is reported
  ["flagKey", { flagKey: "", entityId: "", context: null }],
  ["entityId", { flagKey: "second", entityId: "", context: null }],
  // the flag need not exist
  ["entityId", { flagKey: "nope", entityId: "" }]
]

describe.each(engines)("a request on the %s engine", (_name, layer) => {
  const load = Effect.flatMap(Engine.Engine.pipe(Effect.provide(layer)), ({ compile }) =>
    compile("default", encode(full))
  )

  const expectRefused = (result: Either.Either<unknown, unknown>, path: string, label: unknown): void => {
    expect(Either.isLeft(result), `must be refused: ${path}, ${String(label)}`).toBe(true)
    const error = Either.merge(result) as ValidationError
    expect(error).toMatchObject({ _tag: "ValidationError", reason: "Argument", path })
    expect(error.message).toContain(path.split(".")[0]!.replace(/^requests\[\d+\]$/, ""))
  }

  it.scoped("that is not valid is refused with the argument's path", () =>
    Effect.gen(function* () {
      const snapshot = yield* load
      for (const kind of ["variant", "boolean"] as const) {
        for (const [path, request] of badRequests) {
          expectRefused(snapshot[kind](request as never), path, kind)
        }
        for (const request of wrongRequests) {
          expectRefused(snapshot[kind](request as never), "request", kind)
        }
      }
    })
  )

  it.scoped("that is not valid fails the whole batch, with its index and path", () =>
    Effect.gen(function* () {
      const { batch } = yield* load
      for (const [path, request] of badRequests) {
        expectRefused(batch([good, good, request as never]), `requests[2].${path}`, "batch")
        expectRefused(batch([request as never, good]), `requests[0].${path}`, "batch")
      }
      for (const request of wrongRequests) {
        expectRefused(batch([good, request as never]), "requests[1]", "batch")
      }
      // biome-ignore lint/suspicious/noSparseArray: a hole is a missing request
      expectRefused(batch([, good] as never), "requests[0]", "a hole")
      for (const requests of [undefined, null, {}, "second", 1, () => [good], new Set([good]), { length: 0 }]) {
        expectRefused(batch(requests as never), "requests", "batch")
      }
      expect(yield* batch([])).toEqual([])
    })
  )

  it.scoped("of a bound entity that is not valid is refused with the argument's path", () =>
    Effect.gen(function* () {
      const { bind } = yield* load
      for (const kind of ["variant", "boolean"] as const) {
        for (const flagKey of wrongTexts) {
          expectRefused(bind("user")[kind](flagKey as never), "flagKey", kind)
          expectRefused(bind("", null as never)[kind](flagKey as never), "flagKey", kind)
        }
        for (const entityId of wrongTexts) {
          expectRefused(bind(entityId as never)[kind]("second"), "entityId", kind)
        }
        for (const context of wrongContexts) {
          expectRefused(bind("user", context as never)[kind]("second"), "context", kind)
        }
        for (const age of wrongValues) {
          expectRefused(bind("user", { age } as never)[kind]("second"), "context.age", kind)
        }
      }
    })
  )

  it.scoped("may have inherited properties, undefined properties and symbols, which are ignored", () =>
    Effect.gen(function* () {
      const { batch, bind, variant } = yield* load
      const contexts: ReadonlyArray<unknown> = [
        undefined,
        {},
        Object.create(null),
        Object.create({ plan: constraint.value, age: null }),
        { plan: undefined, age: undefined },
        { [Symbol("plan")]: null },
        Object.assign(Object.create({ age: {} }), { plan: "free" })
      ]
      for (const context of contexts as ReadonlyArray<Record<string, string>>) {
        const request = { ...good, context }
        const result = yield* variant(request)
        expect(result).toMatchObject({ match: false, variantKey: "v0" })
        expect(yield* bind("user", context).variant("second")).toEqual(result)
        expect(yield* batch([request])).toEqual([result])
      }
      const inheriting = Object.assign(Object.create({ age: {} }), good.context)
      expect(yield* variant({ ...good, context: inheriting })).toMatchObject({ match: true, variantKey: "v1" })
    })
  )

  it.scoped("is answered after any number of invalid ones", () =>
    Effect.gen(function* () {
      const snapshot = yield* load
      const before = yield* snapshot.variant(good)
      for (const [, request] of badRequests) {
        snapshot.variant(request as never)
      }
      expect(yield* snapshot.variant(good)).toEqual(before)
    })
  )
})

describe.each(engines)("a snapshot of the %s engine whose scope has closed", (_name, layer) => {
  it.effect("fails every call with Closed, including invalid ones", () =>
    Effect.gen(function* () {
      const { compile, restore } = yield* Engine.Engine.pipe(Effect.provide(layer))
      const makers = [compile("default", encode(full)), restore("default", toSeed(seedText))]
      for (const make of makers) {
        const scope = yield* Scope.make()
        const snapshot = yield* Scope.extend(make, scope)
        const bound = snapshot.bind("user", good.context)
        expect(Either.isRight(snapshot.variant(good))).toBe(true)
        expect(Either.isRight(bound.variant("second"))).toBe(true)
        expect(snapshot.fingerprint("second")).toBeDefined()
        yield* Scope.close(scope, Exit.void)
        const bad = { flagKey: "", entityId: "" }
        const results: ReadonlyArray<Either.Either<unknown, unknown>> = [
          snapshot.variant(good),
          snapshot.variant(bad),
          snapshot.boolean(good),
          snapshot.boolean(bad),
          snapshot.batch([]),
          snapshot.batch([good]),
          snapshot.batch([bad]),
          snapshot.bind("user").variant("second"),
          snapshot.bind("").boolean(""),
          bound.variant("second"),
          bound.boolean("second"),
          bound.boolean(""),
          snapshot.flags
        ]
        for (const result of results) {
          expect(Either.isLeft(result)).toBe(true)
          expect(Either.merge(result)).toMatchObject({ _tag: "EvaluationError", reason: "Closed" })
        }
        expect(yield* Effect.flip(snapshot.seed)).toMatchObject({ _tag: "EngineError", reason: "Closed" })
        expect(snapshot.fingerprint("second")).toBeUndefined()
        expect(snapshot.namespace).toBe("default")
      }
    })
  )
})
