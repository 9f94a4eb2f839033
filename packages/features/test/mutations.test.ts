/**
 * Damages valid files randomly: each file is either converted to documents that load, or refused with the place of each
 * problem.
 */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Features from "@flipt-client-effect/features"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Engine from "flipt-client-effect/Engine"
import { parseAllDocuments, stringify } from "yaml"

const fixtures = fileURLToPath(new URL("fixtures/", import.meta.url))
const texts = readdirSync(fixtures)
  .filter((name) => name.endsWith(".yml"))
  .map((name) => readFileSync(`${fixtures}${name}`, "utf8"))
  // conversion takes time in proportion to the text
  .map((text) => text.split("\n").slice(0, 80).join("\n"))

/** Tokens that have a meaning in YAML, JSON or the format. */
const tokens = [
  ..."-:?,[]{}&*!|>%@`'\"#\\\n\t \r~=<\u0000\u0085\u2028\ufeff\ud800😀",
  "---\n",
  "...\n",
  "- ",
  "? ",
  "<<: ",
  "&a ",
  "*a",
  "!!binary ",
  "!!set ",
  "!!timestamp ",
  "!!float ",
  "%YAML 1.1\n---\n",
  "null",
  "true",
  ".inf",
  ".nan",
  "0x1f",
  "1e999",
  "9007199254740993",
  "2026-01-02",
  "__proto__: ",
  "constructor: ",
  "version: '9.9'\n",
  "flags:\n",
  "segments:\n",
  "namespace: {key: x}\n",
  "key: theme\n"
]

const token = fc.oneof(fc.constantFrom(...tokens), fc.string({ maxLength: 4, unit: "binary" }))

/** A random position in a text. */
const place = fc.double({ min: 0, max: 1, noNaN: true })

type Mutation = (text: string) => string

const at = (text: string, share: number): number => Math.floor(text.length * share)

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, token).map(
    ([share, inserted]): Mutation =>
      (text) =>
        text.slice(0, at(text, share)) + inserted + text.slice(at(text, share))
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 12 }), token).map(
    ([share, length, replacement]): Mutation =>
      (text) =>
        text.slice(0, at(text, share)) + replacement + text.slice(at(text, share) + length)
  ),
  // lost, repeated, swapped or indented lines
  fc.tuple(place, place, fc.constantFrom("drop", "repeat", "move", "indent")).map(
    ([first, second, kind]): Mutation =>
      (text) => {
        const lines = text.split("\n")
        const from = Math.floor((lines.length - 1) * first)
        const to = Math.floor((lines.length - 1) * second)
        const line = lines[from] ?? ""
        switch (kind) {
          case "drop":
            return lines.toSpliced(from, 1).join("\n")
          case "repeat":
            return lines.toSpliced(to, 0, line).join("\n")
          case "move":
            return lines.toSpliced(from, 1).toSpliced(to, 0, line).join("\n")
          default:
            return lines.with(from, `  ${line}`).join("\n")
        }
      }
  )
)

const value = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    "",
    "a",
    -1,
    0,
    1.5,
    1e21,
    Number.NaN,
    [],
    {},
    [[]],
    { key: 1 },
    "x".repeat(300)
  ),
  fc.jsonValue({ maxDepth: 2 })
)

/** Replaces one value anywhere in a document. */
const replaceValue = (root: unknown, steps: ReadonlyArray<number>, replacement: unknown): unknown => {
  const [step, ...rest] = steps
  if (step === undefined || typeof root !== "object" || root === null) {
    return replacement
  }
  if (Array.isArray(root)) {
    const index = step % Math.max(1, root.length)
    return root.map((item, n) => (n === index ? replaceValue(item, rest, replacement) : item))
  }
  const entries = Object.entries(root)
  const index = step % Math.max(1, entries.length)
  return Object.fromEntries(
    entries.map(([name, item], n) => [name, n === index ? replaceValue(item, rest, replacement) : item])
  )
}

const valueMutation: fc.Arbitrary<Mutation> = fc
  .tuple(fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 7 }), value)
  .map(
    ([steps, replacement]): Mutation =>
      (text) =>
        stringify(replaceValue(parseAllDocuments(text)[0]?.toJS(), steps, replacement))
  )

const mutations: fc.Arbitrary<ReadonlyArray<Mutation>> = fc.oneof(
  fc.array(mutation, { minLength: 1, maxLength: 4 }),
  fc.tuple(valueMutation)
)

const damaged = fc
  .tuple(fc.constantFrom(...texts), mutations)
  .map(([text, applied]) => applied.reduce((current, mutate) => mutate(current), text))

const RUNS = Number(process.env.MUTATIONS ?? 100)

it.live(
  "damaged files lead to documents that load, or to problems with file, line and column",
  () =>
    Effect.promise(async () => {
      let converted = 0
      let refused = 0
      await fc.assert(
        fc.asyncProperty(damaged, async (text) => {
          const result = Features.convert([{ path: "a/features.yml", text }])
          if (Either.isRight(result)) {
            converted++
            for (const [namespace, document] of result.right.documents) {
              await Effect.flatMap(Engine.Engine, ({ compile }) => compile(namespace, [document])).pipe(
                Effect.scoped,
                Effect.provide(Engine.layerPortable),
                Effect.runPromise
              )
            }
          } else {
            refused++
            expect(result.left).toBeInstanceOf(Features.FeaturesError)
          }
          const problems = Either.match(result, {
            onLeft: (error) => error.problems,
            onRight: ({ warnings }) => warnings
          })
          expect(problems.some(({ severity }) => severity === "error")).toBe(Either.isLeft(result))
          const lines = text.split("\n")
          for (const problem of problems) {
            expect(problem.file).toBe("a/features.yml")
            expect(problem.message).not.toBe("")
            expect(problem.line).toBeGreaterThanOrEqual(1)
            expect(problem.line).toBeLessThanOrEqual(lines.length)
            expect(problem.column).toBeGreaterThanOrEqual(1)
            expect(problem.column).toBeLessThanOrEqual((lines[problem.line - 1]?.length ?? 0) + 1)
          }
        }),
        { numRuns: RUNS }
      )
      // both outcomes must occur
      expect([converted > 0, refused > 0]).toEqual([true, true])
    }),
  600_000
)

it("names the line of a problem that follows invalid YAML", () => {
  const text = '- a\n\u0000\u0000 "b"\nnamespace: default\n'
  const result = Features.convert([{ path: "features.yml", text }])
  const problems = Either.isLeft(result) ? result.left.problems : []
  expect(problems.map(({ line, column }) => [line, column])).toEqual([
    [2, 1],
    [3, 10],
    [3, 12]
  ])
})
