import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Engine from "../src/Engine.js"
import type { EvaluateError } from "../src/FliptError.js"
import type * as Model from "../src/Model.js"
import type { Snapshot } from "../src/Snapshot.js"
import { corpus, decodeSeed, encode, explanation, normalize, normalizeEntry } from "./support/corpus.js"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"
import { engines } from "./support/engines.js"

const byKey = (a: { readonly key: string }, b: { readonly key: string }) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

/** An answer in the form of the corpus. */
const answer = (
  snapshot: Snapshot,
  { kind, request }: { readonly kind: "variant" | "boolean"; readonly request: Model.EvaluationRequest }
): unknown =>
  Either.match(snapshot[kind](request) as Either.Either<Model.BatchEntry, EvaluateError>, {
    // the explanation follows the official text
    onLeft: (error) => ({ error: error.message.replace(explanation, "") }),
    onRight: (result) => ({ ok: normalize(result) })
  })

describe.each(engines)("the %s engine", (_name, layer) => {
  const engine = Engine.Engine.pipe(Effect.provide(layer))

  it.scoped("returns the official engine's answer to every evaluation of the corpus", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      let evaluations = 0
      for (const { cases, document, namespace } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        for (const { expected, ...evaluation } of cases) {
          expect(answer(snapshot, evaluation), JSON.stringify(evaluation)).toEqual(expected)
          evaluations++
        }
      }
      expect(evaluations).toBe(2400)
    })
  )

  it.scoped("returns the official engine's answer to every batch of the corpus", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      for (const { batch, document, namespace } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        const entries = yield* snapshot.batch(batch.requests)
        expect({ ok: entries.map(normalizeEntry) }).toEqual(batch.expected)
      }
    })
  )

  it.scoped("lists the flags of the corpus, in the document's order", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      for (const { document, flags, namespace } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        const listed = yield* snapshot.flags
        const keys = (document as { readonly flags: ReadonlyArray<{ readonly key: string }> }).flags.map(
          ({ key }) => key
        )
        expect(listed.map(({ key }) => key)).toEqual([...new Set(keys)])
        expect([...listed].sort(byKey)).toEqual([...flags].sort(byKey))
      }
    })
  )

  it.scoped("exports the official engine's seed, and restores it", () =>
    Effect.gen(function* () {
      const { compile, restore } = yield* engine
      for (const { cases, document, namespace, snapshot: official } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        const seed = yield* snapshot.seed
        expect(decodeSeed(seed)).toEqual(official)
        const restored = yield* restore(namespace, Buffer.from(JSON.stringify(official)).toString("base64"))
        expect(decodeSeed(yield* restored.seed)).toEqual(official)
        for (const evaluation of cases) {
          expect(answer(restored, evaluation)).toEqual(answer(snapshot, evaluation))
        }
      }
    })
  )

  it.scoped("names the segments that matched in the document's order", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const segment = (key: string, plan: string) => ({
        key,
        matchType: "ALL_SEGMENT_MATCH_TYPE",
        constraints: [{ type: "STRING_CONSTRAINT_COMPARISON_TYPE", property: "plan", operator: "neq", value: plan }]
      })
      const segments = [segment("z", "a"), segment("m", "b"), segment("10", "c"), segment("2", "d")]
      const flag = {
        ...booleanFlag("flag", false),
        rollouts: [{ segment: { value: true, segmentOperator: "OR_SEGMENT_OPERATOR", segments } }]
      }
      const snapshot = yield* compile("default", encode(makeDocument([flag])))
      const keys = (plan: string) =>
        Effect.map(snapshot.boolean({ flagKey: "flag", entityId: "e", context: { plan } }), (it) => it.segmentKeys)
      expect(yield* keys("other")).toEqual(["z", "m", "10", "2"])
      expect(yield* keys("b")).toEqual(["z", "10", "2"])
      expect(yield* keys("b")).toBe(yield* keys("b"))
    })
  )

  it.scoped("reads only a context's own properties", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const rollout = (property: string) => ({
        segment: {
          value: true,
          segments: [
            {
              key: "s",
              matchType: "ALL_SEGMENT_MATCH_TYPE",
              constraints: [{ type: "STRING_CONSTRAINT_COMPARISON_TYPE", property, operator: "eq", value: "a" }]
            }
          ]
        }
      })
      const flag = { ...booleanFlag("flag", false), rollouts: ["plan", "__proto__", "\ufffd"].map(rollout) }
      const snapshot = yield* compile("default", encode(makeDocument([flag])))
      const matches = (context: object) =>
        Effect.map(
          snapshot.boolean({ flagKey: "flag", entityId: "e", context: context as Model.EvaluationContext }),
          (result) => result.enabled
        )
      expect(yield* matches({ plan: "a" })).toBe(true)
      expect(yield* matches(JSON.parse('{"__proto__":"a"}'))).toBe(true)
      expect(yield* matches(Object.assign(Object.create(null), { plan: "a" }))).toBe(true)
      expect(yield* matches(Object.create({ plan: "a" }))).toBe(false)
      expect(yield* matches(Object.defineProperty({}, "plan", { value: "a" }))).toBe(true)
      // validation does not see these properties, and only valid values count
      for (const value of [null, Number.NaN, Symbol("a"), ["a"], new Date(Number.NaN), () => "a"]) {
        expect(yield* matches(Object.defineProperty({}, "plan", { value }))).toBe(false)
      }
      // if names become equal, the last one counts
      expect(yield* matches({ "\ud800": "a" })).toBe(true)
      expect(yield* matches({ "\ufffd": "a", "\ud800": "b" })).toBe(false)
      expect(yield* matches({ "\ud800": "b", "\ufffd": "a" })).toBe(true)
    })
  )

  it.scoped("rejects a seed whose bytes are not text", () =>
    Effect.gen(function* () {
      const { compile, restore } = yield* engine
      const snapshot = yield* compile("default", encode(makeDocument([booleanFlag("флаг", true)])))
      const bytes = Buffer.from(yield* snapshot.seed, "base64")
      const damaged = Buffer.from(bytes)
      damaged[bytes.indexOf("флаг")] = 0xff
      const withMark = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes])
      for (const seed of [damaged.toString("base64"), withMark.toString("base64"), undefined as unknown as string]) {
        expect(yield* Effect.flip(restore("default", seed))).toMatchObject({ reason: "Seed", path: "snapshot" })
      }
    })
  )

  it.scoped("loads a document of a v1 server", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const document = readFileSync(new URL("./fixtures/state.json", import.meta.url), "utf8")
      const snapshot = yield* compile("default", encode(document))
      const variant = yield* snapshot.variant({ flagKey: "flag1", entityId: "entity", context: { fizz: "buzz" } })
      expect(variant).toMatchObject({ match: true, variantKey: "variant1", segmentKeys: ["segment1"] })
      const boolean = yield* snapshot.boolean({
        flagKey: "flag_boolean",
        entityId: "entity",
        context: { fizz: "buzz" }
      })
      expect(boolean).toMatchObject({ enabled: true, reason: "MATCH_EVALUATION_REASON" })
    })
  )

  it.scoped("answers the same through a bound entity", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      for (const { cases, document, namespace } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        for (const { kind, request } of cases) {
          const bound = snapshot.bind(request.entityId, request.context)
          expect(bound[kind](request.flagKey)).toEqual(snapshot[kind](request))
        }
      }
    })
  )

  it.scoped("returns equal results as one frozen object", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const snapshot = yield* compile("default", encode(makeDocument([variantFlag("theme", "dark")])))
      const first = yield* snapshot.variant({ flagKey: "theme", entityId: "a" })
      const second = yield* snapshot.variant({ flagKey: "theme", entityId: "b" })
      expect(second).toBe(first)
      expect(Object.isFrozen(first) && Object.isFrozen(first.segmentKeys)).toBe(true)
    })
  )

  it.scoped("returns results that nobody can change", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      for (const { cases, document, namespace } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        for (const { kind, request } of cases) {
          const result: Either.Either<{ readonly segmentKeys: ReadonlyArray<string> }, unknown> =
            snapshot[kind](request)
          if (Either.isRight(result)) {
            expect(Object.isFrozen(result.right) && Object.isFrozen(result.right.segmentKeys)).toBe(true)
          }
        }
      }
    })
  )

  it.scoped("joins a document's chunks at any boundary, even inside a character", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const [bytes] = encode(makeDocument([booleanFlag("флаг😀", true)]))
      for (let cut = 0; cut <= bytes!.length; cut++) {
        const snapshot = yield* compile("default", [bytes!.subarray(0, cut), bytes!.subarray(cut)])
        expect((yield* snapshot.boolean({ flagKey: "флаг😀", entityId: "e" })).enabled).toBe(true)
      }
    })
  )

  it.scopedLive("lets the event loop turn while it compiles a large document", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const flags = Array.from({ length: 10_000 }, (_, index) => variantFlag(`flag-${index}`, "a", "x".repeat(200)))
      let turns = 0
      let counting = true
      const count = () => {
        turns++
        if (counting) {
          setImmediate(count)
        }
      }
      setImmediate(count)
      yield* compile("default", encode(makeDocument(flags)))
      counting = false
      expect(turns).toBeGreaterThan(10)
    })
  )

  it.scoped("computes fingerprints from what an evaluation can see, and nothing else", () =>
    Effect.gen(function* () {
      const { compile, restore } = yield* engine
      const base = {
        ...variantFlag("flag", "a", "1"),
        defaultVariant: { id: "d", key: "default", attachment: "2" },
        rollouts: [{ type: "THRESHOLD_ROLLOUT_TYPE", rank: 1, threshold: { percentage: 50, value: true } }]
      }
      const constraint = { type: "STRING_CONSTRAINT_COMPARISON_TYPE", property: "p", operator: "eq", value: "v" }
      const segment = { key: "s", matchType: "ALL_SEGMENT_MATCH_TYPE", constraints: [constraint] }
      const rule = { ...base.rules[0]!, segments: [segment] }
      const withRule = (change: object) => ({ ...base, rules: [{ ...rule, ...change }] })
      const withSegment = (change: object) => withRule({ segments: [{ ...segment, ...change }] })
      const withConstraint = (change: object) => withSegment({ constraints: [{ ...constraint, ...change }] })
      const withDistribution = (change: object) =>
        withRule({ distributions: [{ ...rule.distributions[0], ...change }] })
      const fingerprint = (flag: object, space = 0) =>
        Effect.map(compile("default", encode(JSON.stringify(makeDocument([flag]), null, space))), (snapshot) =>
          snapshot.fingerprint("flag")
        )
      const original = yield* fingerprint(withRule({}))
      expect(original).toMatch(/^[0-9a-f]{16}$/)
      const same = [
        withRule({ id: "other", rank: 7 }),
        { ...withRule({}), name: "other", description: "other", updatedAt: "2024-01-01T00:00:00Z" },
        { ...withRule({}), defaultVariant: { ...base.defaultVariant, id: "other" } },
        withSegment({ matchType: "ALL_SEGMENT_MATCH_TYPE", name: "other" })
      ]
      for (const flag of same) {
        expect(yield* fingerprint(flag, 2), JSON.stringify(flag)).toBe(original)
      }
      const different = [
        base,
        { ...withRule({}), enabled: false },
        { ...withRule({}), type: "BOOLEAN_FLAG_TYPE" },
        { ...withRule({}), defaultVariant: null },
        { ...withRule({}), defaultVariant: { id: "d", key: "other" } },
        { ...withRule({}), rules: [rule, rule] },
        { ...withRule({}), rollouts: [] },
        { ...withRule({}), rollouts: [{ threshold: { percentage: 50.5, value: true } }] },
        { ...withRule({}), rollouts: [{ threshold: { percentage: 50, value: false } }] },
        { ...withRule({}), rollouts: [{ segment: { value: true, segments: [segment] } }] },
        withRule({ segmentOperator: "AND_SEGMENT_OPERATOR" }),
        withSegment({ key: "t" }),
        withSegment({ matchType: "ANY_SEGMENT_MATCH_TYPE" }),
        withConstraint({ type: "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE" }),
        withConstraint({ property: "q" }),
        withConstraint({ operator: "neq" }),
        withConstraint({ value: "w" }),
        withDistribution({ variantKey: "b" }),
        withDistribution({ variantAttachment: "3" }),
        withDistribution({ rollout: 99 })
      ]
      const fingerprints = yield* Effect.forEach(different, (flag) => fingerprint(flag))
      expect(new Set([original, ...fingerprints]).size).toBe(different.length + 1)
      const zeros = ["0", "-0.0"].map((zero) =>
        JSON.stringify(withDistribution({ rollout: 12345 })).replace("12345", zero)
      )
      const [zero, negative] = yield* Effect.forEach(zeros, (flag) =>
        Effect.map(compile("default", encode(`{"namespace":{"key":"default"},"flags":[${flag}]}`)), (snapshot) =>
          snapshot.fingerprint("flag")
        )
      )
      expect(negative).toBe(zero)
      const snapshot = yield* compile("default", encode(makeDocument([withRule({})])))
      const restored = yield* restore("default", yield* snapshot.seed)
      expect(restored.fingerprint("flag")).toBe(original)
      expect(snapshot.fingerprint("nope")).toBeUndefined()
    })
  )
})

describe.skipIf(engines.length < 2)("all engines", () => {
  it.scoped("return the same fingerprints for the whole corpus", () =>
    Effect.gen(function* () {
      for (const { document, namespace } of corpus) {
        const snapshots = yield* Effect.forEach(engines, ([, layer]) =>
          Effect.flatMap(Effect.provide(Engine.Engine, layer), ({ compile }) => compile(namespace, encode(document)))
        )
        for (const { key } of yield* snapshots[0]!.flags) {
          const fingerprints = snapshots.map((snapshot) => snapshot.fingerprint(key))
          expect(fingerprints[0]).toMatch(/^[0-9a-f]{16}$/)
          expect(new Set(fingerprints).size).toBe(1)
        }
      }
    })
  )
})
