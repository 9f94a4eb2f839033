/**
 * For any document and request, every engine returns the official engine's answer.
 *
 * `FLIPT_PARITY_EVALUATIONS=100000` sets the number of evaluations, `FLIPT_PARITY_SECONDS=60` a duration instead, and
 * `FLIPT_PARITY_SEED=...` repeats a run.
 */
import { inspect, isDeepStrictEqual } from "node:util"
import { crc32 } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as fc from "fast-check"
import * as Engine from "../src/Engine.js"
import { printable } from "../src/internal/util/outsideText.js"
import type { BatchEntry, EvaluationContext, EvaluationRequest } from "../src/Model.js"
import type { Snapshot } from "../src/Snapshot.js"
import { decodeSeed, encode, explanation, normalize, normalizeEntry } from "./support/corpus.js"
import { engines } from "./support/engines.js"
import * as Generators from "./support/generators.js"
import * as Oracle from "./support/oracle.js"

const kinds = ["variant", "boolean"] as const

const REQUESTS_PER_DOCUMENT = 8
const evaluations = Number(process.env.FLIPT_PARITY_EVALUATIONS ?? 6_400)
const documents = Math.ceil(evaluations / (REQUESTS_PER_DOCUMENT * kinds.length))
const seconds = Number(process.env.FLIPT_PARITY_SECONDS ?? 0)
const limits =
  seconds > 0
    ? { numRuns: 2 ** 31 - 1, interruptAfterTimeLimit: (seconds * 1000) / 2, markInterruptAsFailure: false }
    : { numRuns: documents }
/** Fewer would not reliably cover every kind of answer. */
const ENOUGH = 4000
const seed = Number(process.env.FLIPT_PARITY_SEED ?? Math.floor(Math.random() * 0x7fffffff))

/** Fails the property. The reporter prints it after fast-check has shrunk the case. */
class Difference extends Error {
  constructor(
    readonly what: string,
    readonly request: unknown,
    readonly official: unknown,
    readonly ours: unknown
  ) {
    super(what)
  }
}

const agree = (what: string, request: unknown, official: unknown, ours: unknown): void => {
  if (!isDeepStrictEqual(ours, official)) {
    throw new Difference(what, request, official, ours)
  }
}

// The official client takes only strings. Context values are converted as its documentation describes.

const textOf = (value: string | number | boolean | Date): string =>
  value instanceof Date ? value.toISOString() : String(value)

const officialContext = (context: EvaluationContext = {}): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(context).flatMap(([name, value]) => (value === undefined ? [] : [[name, textOf(value)]]))
  )

const officialRequest = ({ context, entityId, flagKey }: EvaluationRequest): Oracle.Request => ({
  flagKey,
  entityId,
  context: officialContext(context)
})

const withoutExplanation = (message: string): string => message.replace(explanation, "")

/** The official message, with the namespace and the key escaped and shortened. */
const escaped = <A>(official: Oracle.Answer<A>, key: string): Oracle.Answer<A> => {
  if (!("error" in official)) {
    return official
  }
  const prefix = "invalid request: failed to get flag information "
  const { error } = official
  return error.startsWith(prefix) && error.endsWith(`/${key}`)
    ? { error: `${prefix}${printable(error.slice(prefix.length, -key.length - 1))}/${printable(key)}` }
    : { error: error.replace(key, () => printable(key)) }
}

const answer = <A>(result: Either.Either<A, Error>, form: (value: A) => unknown): Oracle.Answer<unknown> =>
  Either.match(result, {
    onLeft: (error) => ({ error: withoutExplanation(error.message) }),
    onRight: (value) => ({ ok: form(value) })
  })

const byKey = (a: { readonly key: string }, b: { readonly key: string }) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

interface DecodedSeed {
  readonly namespace: {
    readonly eval_rules: Readonly<Record<string, ReadonlyArray<{ readonly id: string }>>>
    readonly eval_distributions: Readonly<Record<string, unknown>>
  }
}

/** If a flag occurs twice, the official engine keeps distributions of rules that no longer exist. */
const withoutLeftovers = (seed: unknown): unknown => {
  const { namespace, ...rest } = seed as DecodedSeed
  const rules = new Set(Object.values(namespace.eval_rules).flatMap((list) => list.map(({ id }) => id)))
  const distributions = Object.entries(namespace.eval_distributions).filter(([id]) => rules.has(id))
  return { ...rest, namespace: { ...namespace, eval_distributions: Object.fromEntries(distributions) } }
}

const isBlank = ({ entityId, flagKey }: EvaluationRequest): boolean => flagKey.trim() === "" || entityId.trim() === ""

/** The official engine's answers to one request, for both types. */
interface Question {
  readonly request: EvaluationRequest
  readonly variant: Oracle.Answer<Oracle.Result>
  readonly boolean: Oracle.Answer<Oracle.Result>
}

const ask = (oracle: Oracle.Oracle, requests: ReadonlyArray<EvaluationRequest>): ReadonlyArray<Question> =>
  requests.map((request) => {
    const asked = officialRequest(request)
    return {
      request,
      variant: escaped(oracle.variant(asked), asked.flagKey.toWellFormed()),
      boolean: escaped(oracle.boolean(asked), asked.flagKey.toWellFormed())
    }
  })

const compareEvaluations = (name: string, snapshot: Snapshot, questions: ReadonlyArray<Question>): void => {
  for (const question of questions) {
    const { request } = question
    const bound = snapshot.bind(request.entityId, request.context)
    for (const kind of kinds) {
      const single: Either.Either<BatchEntry, Error> = snapshot[kind](request)
      const repeated: Either.Either<BatchEntry, Error> = bound[kind](request.flagKey)
      agree(`${name}, ${kind}`, request, question[kind], answer(single, normalize))
      agree(`${name}, ${kind} of a bound entity`, request, question[kind], answer(repeated, normalize))
    }
  }
}

/** Counts the kinds of answers, because a run with only misses would prove little. */
class Seen {
  private readonly counts = new Map<string, number>()

  add(...names: ReadonlyArray<string>): void {
    for (const name of names) {
      this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    }
  }

  /** The share of answers of the first kind that are also of the second. */
  share(whole: string, part: string): number {
    return this.of(part) / Math.max(this.of(whole), 1)
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0
  }

  note(document: Generators.Document, questions: ReadonlyArray<Question>, entries: ReadonlyArray<Oracle.Result>): void {
    for (const { boolean, request, variant } of questions) {
      for (const [kind, answer] of [["variant", variant] as const, ["boolean", boolean] as const]) {
        this.add("answer", "ok" in answer ? kind : "error")
        if ("ok" in answer) {
          const { match, reason, segmentKeys } = answer.ok
          this.add(`${kind} ${reason}`)
          if ((match ?? reason === "MATCH_EVALUATION_REASON") && (segmentKeys as ReadonlyArray<string>).length > 0) {
            this.add(`${kind} by segments`)
          }
        }
      }
      const flag = document.flags.findLast(({ key }) => key === request.flagKey)
      const percentage = flag?.rollouts?.[0]?.threshold?.percentage
      if ("ok" in boolean && percentage !== undefined && percentage > 0 && percentage < 100) {
        const point = crc32(request.entityId.toWellFormed() + request.flagKey) % 100
        this.add(point < percentage ? "inside a threshold" : "outside a threshold")
      }
    }
    for (const { type } of entries) {
      this.add(String(type))
    }
  }
}

/** Compares everything that an engine returns for a document with the official engine. */
const compareAll = ({ document, requests }: Generators.Drawn, seen: Seen) =>
  Effect.gen(function* () {
    const namespace = document.namespace.key
    const oracle = yield* Oracle.load(namespace, document)
    const questions = ask(oracle, requests)
    const batch = requests.filter((request) => !isBlank(request))
    const entries = oracle.batch(batch.map(officialRequest))
    const flags = [...oracle.flags].sort(byKey)
    const officialSeed = oracle.seed
    const state = withoutLeftovers(decodeSeed(officialSeed))
    seen.note(document, questions, "ok" in entries ? entries.ok : [])
    const compareState = (name: string, snapshot: Snapshot): Effect.Effect<string, Error> =>
      Effect.gen(function* () {
        compareEvaluations(name, snapshot, questions)
        agree(
          `${name}, batch`,
          batch,
          entries,
          answer(snapshot.batch(batch), (list) => list.map(normalizeEntry))
        )
        agree(`${name}, flags`, undefined, flags, [...(yield* snapshot.flags)].sort(byKey))
        const seed = yield* snapshot.seed
        agree(`${name}, seed`, undefined, state, decodeSeed(seed))
        return seed
      })
    for (const [name, layer] of engines) {
      const { compile, restore } = yield* Engine.Engine.pipe(Effect.provide(layer))
      const seed = yield* compareState(name, yield* compile(namespace, encode(document)))
      yield* compareState(`${name} from the official seed`, yield* restore(namespace, officialSeed))
      const restored = yield* Oracle.restore(namespace, seed)
      agree(`the official engine from the seed of ${name}`, requests, questions, ask(restored, requests))
      agree(
        `the flags of the official engine from the seed of ${name}`,
        undefined,
        flags,
        [...restored.flags].sort(byKey)
      )
    }
  })

/** Runs an Effect as a promise that rejects with its failure or defect, as fast-check expects. */
const run = <E>(effect: Effect.Effect<void, E, Scope.Scope>): Promise<void> =>
  Effect.runPromiseExit(Effect.scoped(effect)).then((exit) => {
    if (Exit.isFailure(exit)) {
      throw Cause.squash(exit.cause)
    }
  })

const show = (value: unknown): string =>
  inspect(value, { depth: null, maxStringLength: null, maxArrayLength: null, breakLength: 120 })

const report = ({ counterexample, errorInstance, numRuns, numShrinks }: fc.RunDetails<[Generators.Drawn]>): string => {
  const difference = errorInstance instanceof Difference ? errorInstance : undefined
  const needed = Math.max(evaluations, numRuns * REQUESTS_PER_DOCUMENT * kinds.length)
  return [
    difference === undefined ? `failed: ${show(errorInstance)}` : `not the official answer: ${difference.what}`,
    `repeat with: FLIPT_PARITY_SEED=${seed} FLIPT_PARITY_EVALUATIONS=${needed} npx vitest run test/parity.test.ts`,
    `shrunk ${numShrinks} times`,
    ...(difference === undefined
      ? [`requests: ${show(counterexample?.[0].requests)}`]
      : [
          `request:  ${show(difference.request)}`,
          `official: ${show(difference.official)}`,
          `here:     ${show(difference.ours)}`
        ]),
    `document: ${JSON.stringify(counterexample?.[0].document)}`
  ].join("\n")
}

describe("every engine and the official one", () => {
  it.effect(
    "return the same variants, booleans, batches, flag lists and seeds, for any document",
    () =>
      Effect.gen(function* () {
        const seen = new Seen()
        const drawn = Generators.drawn(REQUESTS_PER_DOCUMENT)
        const property = fc.asyncProperty(drawn, (drawn) => run(compareAll(drawn, seen)))
        const details = yield* Effect.promise(() => fc.check(property, { ...limits, seed }))
        if (details.failed) {
          return yield* Effect.fail(new Error(report(details)))
        }
        if (seconds > 0) {
          // for scripts/fuzz.mjs
          console.log(`compared ${details.numRuns} documents and ${seen.of("answer")} evaluations`)
        } else {
          expect(seen.of("answer")).toBeGreaterThanOrEqual(evaluations)
        }
        if (seen.of("answer") >= ENOUGH) {
          expect(seen.share("variant", "variant MATCH_EVALUATION_REASON")).toBeGreaterThan(0.1)
          expect(seen.share("variant", "variant by segments")).toBeGreaterThan(0.05)
          expect(seen.share("variant", "variant DEFAULT_EVALUATION_REASON")).toBeGreaterThan(0.1)
          expect(seen.share("variant", "variant UNKNOWN_EVALUATION_REASON")).toBeGreaterThan(0.02)
          expect(seen.share("variant", "variant FLAG_DISABLED_EVALUATION_REASON")).toBeGreaterThan(0.02)
          expect(seen.share("boolean", "boolean by segments")).toBeGreaterThan(0.04)
          expect(seen.share("boolean", "boolean DEFAULT_EVALUATION_REASON")).toBeGreaterThan(0.1)
          expect(seen.share("boolean", "inside a threshold")).toBeGreaterThan(0.02)
          expect(seen.share("boolean", "outside a threshold")).toBeGreaterThan(0.02)
          expect(seen.of("ERROR_EVALUATION_RESPONSE_TYPE")).toBeGreaterThan(10)
        }
      }),
    120_000 + evaluations * 20 + seconds * 2000
  )
})

/** A change of a text: at a position, given as a share between 0 and 1, it replaces some characters. */
interface Damage {
  readonly place: number
  readonly removed: number
  readonly added: string
}

const damage: fc.Arbitrary<ReadonlyArray<Damage>> = fc.array(
  fc.record({
    place: fc.double({ min: 0, max: 1, noNaN: true }),
    removed: fc.nat(2),
    added: fc.oneof(
      fc.constantFrom(
        "",
        "{",
        "}",
        "[",
        "]",
        '"',
        ",",
        ":",
        "\\",
        "\\ud800",
        "0",
        "-",
        "e9",
        "null",
        "\u0000",
        "\ufeff"
      ),
      fc.string({ unit: "binary", maxLength: 2 })
    )
  }),
  { minLength: 1, maxLength: 3 }
)

const applyDamage = (text: string, changes: ReadonlyArray<Damage>): string =>
  changes.reduce((text, { added, place, removed }) => {
    const at = Math.floor(place * text.length)
    return text.slice(0, at) + added + text.slice(at + removed)
  }, text)

describe.skipIf(engines.length < 2)("all engines", () => {
  it.effect(
    "load the same damaged documents, and refuse the other ones for the same reason",
    () =>
      Effect.gen(function* () {
        let refused = 0
        const outcome = (layer: (typeof engines)[number][1], namespace: string, text: string) =>
          Effect.flatMap(Engine.Engine, ({ compile }) => compile(namespace, [Buffer.from(text)])).pipe(
            Effect.flatMap(({ seed }) => Effect.map(seed, decodeSeed)),
            Effect.catchTag("EngineError", ({ reason }) => Effect.succeed(reason)),
            Effect.provide(layer),
            Effect.scoped
          )
        const compare = ({ document }: Generators.Drawn, changes: ReadonlyArray<Damage>) =>
          Effect.gen(function* () {
            const text = applyDamage(JSON.stringify(document), changes)
            const [first, ...others] = yield* Effect.forEach(engines, ([, layer]) =>
              outcome(layer, document.namespace.key, text)
            )
            refused += typeof first === "string" ? 1 : 0
            for (const other of others) {
              agree("a damaged document", text, first, other)
            }
          })
        const property = fc.asyncProperty(Generators.drawn(1), damage, (drawn, changes) => run(compare(drawn, changes)))
        const details = yield* Effect.promise(() => fc.check(property, { ...limits, seed }))
        if (details.failed) {
          return yield* Effect.fail(new Error(`with FLIPT_PARITY_SEED=${seed}: ${show(details.errorInstance)}`))
        }
        expect(refused).toBeGreaterThan(0)
        if (seconds > 0) {
          console.log(`compared ${details.numRuns} damaged documents, of which ${refused} are refused`)
        }
      }),
    120_000 + evaluations * 20 + seconds * 2000
  )
})
