// @ts-check
/**
 * Runs the corpus of the official engine's answers on the native engine, in a project that has the client installed:
 * `node corpus.mjs <corpus.ndjson>`. It uses only what a user installs, so that it runs on every platform. Runs the
 * corpus in each way in which the library is loaded and used:
 *
 * - `alone`: in a worker thread, as a Node-API addon, while the main thread has not loaded it
 * - `main`: in the main thread, with koffi
 * - `shared`: in a worker thread, on the states of the main thread's clients
 *
 * Prints one line of JSON, and fails at the first answer that differs.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Workers from "flipt-client-effect/Workers"

/** @typedef {import("../../test/support/corpus.js").Line} Line */
/** @typedef {import("flipt-client-effect/Model").BatchEntry} BatchEntry */
/** @typedef {import("flipt-client-effect/Snapshot").Snapshot} Snapshot */

const file = process.argv[2]
assert.ok(file, "name the file of the corpus")
/** @type {ReadonlyArray<Line>} */
const corpus = readFileSync(file, "utf8")
  .split("\n")
  .flatMap((line) => (line === "" ? [] : [JSON.parse(line)]))

/** The addons that this thread has loaded. koffi's addon is `koffi.node`. @type {Array<string>} */
const addons = []
const { dlopen } = process
process.dlopen = (module, path, ...flags) => {
  addons.push(path)
  return /** @type {(...args: Array<unknown>) => void} */ (dlopen).call(process, module, path, ...flags)
}
const loadsKoffi = () => addons.some((path) => basename(path) === "koffi.node")

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

/** The client adds an explanation after the official text. @param {{ error?: unknown }} actual @param {Line["cases"][number]["expected"]} expected */
const assertAnswer = (actual, expected) => {
  if (!("error" in expected && String(actual?.error).startsWith(`${expected.error}; `))) {
    assert.deepEqual(actual, expected)
  }
}

/** @param {Snapshot} snapshot @param {Line} line */
const checkAnswers = (snapshot, { batch, cases }) =>
  Effect.gen(function* () {
    for (const asked of cases) {
      assertAnswer(answer(snapshot, asked), asked.expected)
    }
    const entries = yield* snapshot.batch(batch.requests)
    assert.deepEqual(plain({ ok: entries.map(normalizeEntry) }), batch.expected)
    return cases.length
  })

/** @param {Line} line */
const textOf = ({ document }) => (typeof document === "string" ? document : JSON.stringify(document))

/** @param {Engine.Service} engine @param {Line} line */
const check = (engine, line) =>
  Effect.scoped(
    Effect.gen(function* () {
      const snapshot = yield* engine.compile(line.namespace, [new TextEncoder().encode(textOf(line))])
      const seed = yield* snapshot.seed
      assert.deepEqual(JSON.parse(Buffer.from(seed, "base64").toString()), line.snapshot)
      yield* checkAnswers(yield* engine.restore(line.namespace, seed), line)
      return yield* checkAnswers(snapshot, line)
    })
  )

/** @param {ReadonlyArray<number>} counts */
const sum = (counts) => counts.reduce((total, count) => total + count, 0)

/** Compiles, restores and evaluates the whole corpus, and gives the number of evaluations. */
const compileAll = Effect.flatMap(Engine.Engine, (engine) =>
  Effect.map(
    Effect.forEach(corpus, (line) => check(engine, line)),
    sum
  )
).pipe(Effect.provide(Engine.layerNative))

/** Each document has its own client, with the document's number as the environment. @param {Line} line @param {number} index */
const targetOf = ({ namespace }, index) => ({ environment: `${index}`, namespace })

/** Serves a document to the workers. @param {Line} line @param {number} index */
const serve = (line, index) =>
  FliptClient.layerWithoutDependencies().pipe(
    Layer.provide([Fetcher.layerStatic(textOf(line), targetOf(line, index)), Engine.layerNative]),
    Layer.provide(Workers.layerServe),
    Layer.build
  )

/** A state of the main thread. @param {Line} line @param {number} index */
const receive = (line, index) =>
  Effect.flatMap(
    Layer.build(Workers.layerClient(targetOf(line, index))),
    (context) => Context.get(context, FliptClient.FliptClient).snapshot
  )

// ---------------------------------------------------------------------------------------------------------- a worker

/** @param {unknown} value */
const post = (value) => parentPort?.postMessage(value)

/** The only addon of a worker. */
const libraryOf = () => {
  const [library, ...others] = new Set(addons)
  assert.ok(library !== undefined && others.length === 0 && !loadsKoffi(), `the worker loaded ${addons.join()}`)
  return library
}

const work = {
  alone: Effect.map(compileAll, (count) => post({ count, library: libraryOf() })),
  shared: Effect.scoped(
    Effect.gen(function* () {
      const snapshots = yield* Effect.forEach(corpus, (line, index) => receive(line, index))
      assert.ok(snapshots.every(({ engine }) => engine === "native"))
      const counts = yield* Effect.forEach(corpus, (line, index) =>
        checkAnswers(/** @type {Snapshot} */ (snapshots[index]), line)
      )
      post({ count: sum(counts), library: libraryOf() })
      // until it is terminated
      yield* Effect.forever(compileAll)
    })
  )
}

// --------------------------------------------------------------------------------------------------- the main thread

/** Starts a worker and waits for its result. @param {keyof typeof work} task */
const start = async (task) => {
  const worker = new Worker(fileURLToPath(import.meta.url), { argv: [file], workerData: task })
  // listens from here on, because a worker can end together with its message
  const ended = once(worker, "exit")
  const [message] = await Promise.race([
    once(worker, "message"),
    ended.then(() => assert.fail("the worker ended too early"))
  ])
  /** @type {{ count: number, library: string }} */
  const found = message
  return { worker, found, ended }
}

/** What the library has open. @param {string} path */
const openIn = (path) => {
  /** @type {{ exports: Record<string, (which: number) => number> }} */
  const module = { exports: {} }
  dlopen.call(process, module, path)
  const [snapshots, jobs, arenas, blobs] = [0, 1, 2, 3].map((which) => module.exports.fce_stat?.(which))
  return { snapshots, jobs, arenas, blobs }
}

const main = async () => {
  const first = await start("alone")
  await first.ended
  const count = await Effect.runPromise(compileAll)
  assert.ok(loadsKoffi(), "the main thread did not use koffi")

  const scope = await Effect.runPromise(Scope.make())
  await Effect.runPromise(Effect.forEach(corpus, serve, { discard: true }).pipe(Scope.extend(scope)))
  const held = openIn(first.found.library)
  assert.equal(held.snapshots, corpus.length)
  const { found, worker } = await start("shared")
  assert.equal(found.library, first.found.library)
  assert.ok((openIn(found.library).snapshots ?? 0) >= 2 * corpus.length, "the worker does not share the states")
  // whatever it is doing, what it has open is closed with its thread
  await worker.terminate()
  assert.deepEqual(openIn(found.library), held)
  await Effect.runPromise(Scope.close(scope, Exit.void))
  assert.deepEqual(openIn(found.library), { snapshots: 0, jobs: 0, arenas: 0, blobs: 0 })

  console.log(
    JSON.stringify({
      evaluations: { alone: first.found.count, main: count, shared: found.count },
      documents: corpus.length,
      platform: `${process.platform}-${process.arch}`,
      node: process.version
    })
  )
}

if (isMainThread) {
  await main()
} else {
  await Effect.runPromise(work[/** @type {keyof typeof work} */ (workerData)])
}
