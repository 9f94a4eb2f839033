// @ts-check
/**
 * Runs the corpus of the official engine's answers on the native engine, in a project that has the client installed:
 * `node corpus.mjs <corpus.ndjson>`. It needs nothing but what a user installs, so that it runs on every platform. Prints
 * one line of JSON, and fails at the first answer that differs.
 */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Engine from "flipt-client-effect/Engine"

/** @typedef {import("../../test/support/corpus.js").Line} Line */
/** @typedef {import("flipt-client-effect/Model").BatchEntry} BatchEntry */
/** @typedef {import("flipt-client-effect/Snapshot").Snapshot} Snapshot */

const file = process.argv[2]
assert.ok(file, "name the file of the corpus")
/** @type {ReadonlyArray<Line>} */
const corpus = readFileSync(file, "utf8")
  .split("\n")
  .flatMap((line) => (line === "" ? [] : [JSON.parse(line)]))

/** @param {unknown} value */
const plain = (value) => JSON.parse(JSON.stringify(value))

/** @param {BatchEntry} result */
const normalize = ({ _tag, ...result }) =>
  "segmentKeys" in result ? { ...result, segmentKeys: [...result.segmentKeys].sort() } : result

/** @param {BatchEntry} entry */
const normalizeEntry = (entry) => ({
  type: `${entry._tag.toUpperCase()}_EVALUATION_RESPONSE_TYPE`,
  [entry._tag.toLowerCase()]: normalize(entry)
})

/** @param {Snapshot} snapshot @param {Line["cases"][number]} asked */
const answer = (snapshot, { kind, request }) => {
  /** @type {Either.Either<BatchEntry, Error>} */
  const result = snapshot[kind](request)
  return plain(
    Either.match(result, { onLeft: ({ message }) => ({ error: message }), onRight: (ok) => ({ ok: normalize(ok) }) })
  )
}

/** The client explains an error behind the official text. @param {{ error?: unknown }} actual @param {Line["cases"][number]["expected"]} expected */
const assertAnswer = (actual, expected) => {
  if (!("error" in expected && String(actual?.error).startsWith(`${expected.error}; `))) {
    assert.deepEqual(actual, expected)
  }
}

/** @param {Engine.Service} engine @param {Line} line */
const check = (engine, { batch, cases, document, namespace, snapshot: state }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const text = typeof document === "string" ? document : JSON.stringify(document)
      const snapshot = yield* engine.compile(namespace, [new TextEncoder().encode(text)])
      const seed = yield* snapshot.seed
      assert.deepEqual(JSON.parse(Buffer.from(seed, "base64").toString()), state)
      const restored = yield* engine.restore(namespace, seed)
      for (const asked of cases) {
        assertAnswer(answer(snapshot, asked), asked.expected)
        assertAnswer(answer(restored, asked), asked.expected)
      }
      const entries = yield* snapshot.batch(batch.requests)
      assert.deepEqual(plain({ ok: entries.map(normalizeEntry) }), batch.expected)
    })
  )

const program = Effect.gen(function* () {
  const engine = yield* Engine.Engine
  yield* Effect.forEach(corpus, (line) => check(engine, line), { discard: true })
  return {
    engine: engine.name,
    evaluations: corpus.reduce((count, { cases }) => count + cases.length, 0),
    documents: corpus.length,
    platform: `${process.platform}-${process.arch}`,
    node: process.version
  }
})

console.log(JSON.stringify(await Effect.runPromise(Effect.provide(program, Engine.layerNative))))
