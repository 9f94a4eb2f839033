/**
 * The native library's memory and its lifetime, and that no call crashes the process.
 *
 * Clients and loads are repeated less often by default than with `FLIPT_TESTS=all`.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import type { EvaluateError } from "../src/FliptError.js"
import { make } from "../src/internal/engine/native/engine.js"
import { Code, type Library, load, Stat } from "../src/internal/engine/native/library.js"
import { portable } from "../src/internal/engine/portable/engine.js"
import type { EvaluationContext, EvaluationRequest } from "../src/Model.js"
import type { Snapshot } from "../src/Snapshot.js"
import { encode } from "./support/corpus.js"
import { booleanFlag, makeDocument, onDocument, variantFlag } from "./support/documents.js"
import { native } from "./support/engines.js"
import { until } from "./support/wait.js"

const clients = process.env.FLIPT_TESTS === "all" ? 1_000 : 400

const library = Effect.orDie(load(process.env.FLIPT_ENGINE_PATH))

/** The library's counters. */
const held = ({ stat }: Library) => ({
  snapshots: stat(Stat.snapshots),
  jobs: stat(Stat.jobs),
  arenas: stat(Stat.arenas),
  blobs: stat(Stat.blobs),
  bytes: stat(Stat.bytes)
})

const nothing = { snapshots: 0, jobs: 0, arenas: 0, blobs: 0 }

/** Grows the library's tables of handles in advance. They keep their largest size, which is not a leak. */
const growTables = (loaded: Library) =>
  Effect.gen(function* () {
    const name = new TextEncoder().encode("n")
    const document = new TextEncoder().encode('{"namespace":{"key":"n"},"flags":[]}')
    const all: Array<{ readonly job: number; readonly snapshot: number; readonly blob: number }> = []
    for (let i = 0; i < 64; i++) {
      const job = loaded.jobNew(0, name, name.length)
      loaded.jobPush(job, document, document.length)
      yield* loaded.jobRun(job)
      const snapshot = loaded.jobTake(job)
      all.push({ job, snapshot, blob: loaded.snapshotBlob(snapshot, 0, name, 0) })
    }
    for (const { blob, job, snapshot } of all) {
      loaded.blobFree(blob)
      loaded.jobFree(job)
      loaded.snapshotClose(snapshot)
    }
  })

/** Fails unless the counters are the same after the effect as before. The warm-up creates what exists only once. */
const leavesNothing = <A, E, R>(effect: Effect.Effect<A, E, R>, warmUp: Effect.Effect<unknown, E, R> = effect) =>
  Effect.gen(function* () {
    const loaded = yield* library
    yield* growTables(loaded)
    yield* warmUp
    const before = held(loaded)
    const result = yield* effect
    expect(held(loaded)).toEqual(before)
    expect(before).toMatchObject(nothing)
    return result
  })

const largeDocument = encode(
  makeDocument(Array.from({ length: 20_000 }, (_, index) => variantFlag(`flag-${index}`, "a", "x".repeat(100))))
)
const smallDocument = encode(makeDocument([booleanFlag("on", true), variantFlag("theme", "dark")]))

const isOn = (snapshot: Snapshot) => Effect.map(snapshot.boolean({ flagKey: "on", entityId: "e" }), (it) => it.enabled)

const worksAgain = ({ compile }: Engine.Service) =>
  Effect.scoped(
    Effect.flatMap(compile("default", smallDocument), (snapshot) =>
      Effect.map(isOn(snapshot), (enabled) => expect(enabled).toBe(true))
    )
  )

/** Runs a script of `test/children` on the built package, in a separate process, and returns its output. */
const run = (script: string, options: { readonly args?: ReadonlyArray<string>; readonly timeout: number }) =>
  Effect.async<unknown, Error>((resume) => {
    const child = execFile(
      process.execPath,
      // a growing young generation would look like a leak
      [
        "--expose-gc",
        "--max-semi-space-size=1",
        fileURLToPath(new URL(`./children/${script}`, import.meta.url)),
        ...(options.args ?? [])
      ],
      { timeout: options.timeout },
      (error, stdout, stderr) =>
        resume(
          error === null
            ? Effect.sync(() => (stdout === "" ? undefined : JSON.parse(stdout)))
            : Effect.fail(new Error(`${error.message}\n${stdout}\n${stderr}`))
        )
    )
    return Effect.sync(() => child.kill())
  })

/** Lone surrogates, NUL, names that are special in JavaScript, characters of every length, and very long texts. */
const hostile = [
  "\u0000",
  "a\u0000b",
  "\ud800",
  "\udc00\ud800",
  "a\udfffb",
  "\ud83d\ud83d\ude00",
  "😀",
  "\u{10ffff}",
  "é",
  "日本",
  "\ufffd",
  "\ufeffa",
  "\u2028",
  "__proto__",
  "constructor",
  "toString",
  '"\\\n\u001f\u007f',
  "x".repeat(1024 * 1024),
  "é".repeat(512 * 1024),
  "日".repeat(1024 * 1024),
  `a${"😀".repeat(256 * 1024)}`,
  `${"x".repeat(1024 * 1024)}\ud800`
]

/** In a document, which cannot contain lone surrogates. */
const short = [...new Set(hostile.filter((text) => text.length < 100).map((text) => text.toWellFormed()))]

const constraint = (property: string, operator: string, value: string) => ({
  type: "STRING_CONSTRAINT_COMPARISON_TYPE",
  property,
  operator,
  value
})

const segmentOf = (key: string, constraints: ReadonlyArray<object>) => ({
  key,
  matchType: "ANY_SEGMENT_MATCH_TYPE",
  constraints
})

/** Flags with hostile keys, properties and values. They split entities, so that the result depends on the id. */
const hostileDocument = encode(
  makeDocument(
    short.flatMap((text) => [
      {
        ...variantFlag(text, "a"),
        rules: [
          {
            segmentOperator: "OR_SEGMENT_OPERATOR",
            segments: [
              segmentOf("one", [constraint(text, "prefix", "a"), constraint("plan", "eq", text)]),
              segmentOf(text, [constraint(text, "suffix", text), constraint("plan", "notempty", "")])
            ],
            distributions: ["a", "b", text, "d"].map((variantKey) => ({
              variantKey,
              variantAttachment: text,
              rollout: 25
            }))
          }
        ]
      },
      {
        ...booleanFlag(`boolean ${text}`, true),
        rollouts: [
          { segment: { value: false, segments: [segmentOf(text, [constraint(text, "eq", text)])] } },
          { threshold: { percentage: 50, value: false } }
        ]
      }
    ])
  )
)

const contextOf = (entries: ReadonlyArray<readonly [string, string]>): EvaluationContext => Object.fromEntries(entries)

const hostileRequests: ReadonlyArray<EvaluationRequest> = hostile.flatMap((text, index) => {
  const other = hostile[(index * 7 + 3) % hostile.length]!
  const flagKey = short[index % short.length]!
  return [
    { flagKey, entityId: text, context: contextOf([[flagKey, other]]) },
    { flagKey, entityId: other, context: contextOf([["plan", text]]) },
    { flagKey: `boolean ${flagKey}`, entityId: text, context: contextOf([[flagKey, flagKey]]) },
    { flagKey: `boolean ${flagKey}`, entityId: text, context: contextOf([[text, text]]) },
    { flagKey: text, entityId: "e", context: { plan: text } },
    { flagKey: text, entityId: text }
  ]
})

describe.skipIf(!native)("the native library", () => {
  it.live.each([
    ["each with its own engine", false],
    ["all with one Engine layer", true]
  ] as const)("hundreds of clients opened and closed, %s, leave nothing in it", ([_name, shared]) => {
    const client = FliptClient.layerWithoutDependencies().pipe(
      Layer.provide(Fetcher.layerStatic(JSON.stringify(onDocument(true))))
    )
    const one = FliptClient.evaluateBoolean({ flagKey: "on", entityId: "e" }).pipe(
      Effect.map(({ enabled }) => expect(enabled).toBe(true)),
      Effect.provide(client)
    )
    const replicate = <E, R>(effect: Effect.Effect<void, E, R>, count: number) =>
      Effect.replicateEffect(effect, count, { concurrency: 10, discard: true })
    const many = (count: number) =>
      shared
        ? Effect.provide(replicate(one, count), Engine.layerNative)
        : replicate(Effect.provide(one, Engine.layerNative), count)
    return leavesNothing(many(clients), many(20))
  })

  it.live(
    "thousands of loads of a document of 1,000 flags do not grow the memory of the process",
    () =>
      Effect.gen(function* () {
        const { after, before, loads, right } = (yield* run("loads.mjs", { timeout: 240_000 })) as {
          readonly loads: number
          readonly right: number
          readonly before: { readonly resident: number; readonly native: ReadonlyArray<number> }
          readonly after: { readonly resident: number; readonly native: ReadonlyArray<number> }
        }
        expect(right).toBe(loads)
        expect(after.native).toEqual(before.native)
        expect(after.native.slice(0, 4)).toEqual([0, 0, 0, 0])
        // a tenth of the document per load would be more
        expect(after.resident - before.resident).toBeLessThan(before.resident * 0.1 + 4_000_000)
      }),
    300_000
  )

  // each load of the library would bind its functions again, in memory that is never freed
  it.live(
    "an Engine layer that is built repeatedly does not grow the memory of the process",
    () =>
      Effect.gen(function* () {
        const { after, before } = (yield* run("engines.mjs", { timeout: 240_000 })) as {
          readonly before: number
          readonly after: number
        }
        // 4 KB per layer would exceed this
        expect(after - before).toBeLessThan(6_000_000)
      }),
    300_000
  )

  it.live("an interrupted compile leaves nothing in it, and the next one works", () =>
    leavesNothing(
      Effect.gen(function* () {
        const loaded = yield* library
        let running = 0
        const engine = yield* make({
          ...loaded,
          jobRun: (job) =>
            Effect.suspend(() => {
              running++
              return Effect.ensuring(
                loaded.jobRun(job),
                Effect.sync(() => running--)
              )
            })
        })
        const scope = yield* Scope.make()
        const fiber = yield* Effect.fork(Scope.extend(engine.compile("default", largeDocument), scope))
        yield* until(() => running > 0)
        expect(held(loaded)).toMatchObject({ snapshots: 0, jobs: 1 })
        expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
        // nothing may wait for its Scope, which may be long-lived
        expect(held(loaded)).toMatchObject(nothing)
        yield* worksAgain(engine)
        yield* Scope.close(scope, Exit.void)
      })
    )
  )

  it.live("a compile that is interrupted while its document is copied leaves nothing in it", () =>
    leavesNothing(
      Effect.gen(function* () {
        const loaded = yield* library
        let pushed = 0
        const engine = yield* make({
          ...loaded,
          jobPush: (job, chunk, length) => {
            pushed++
            return loaded.jobPush(job, chunk, length)
          }
        })
        const fiber = yield* Effect.fork(Effect.scoped(engine.compile("default", largeDocument)))
        yield* until(() => pushed > 0)
        expect(held(loaded)).toMatchObject({ snapshots: 0, jobs: 1 })
        expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
        expect(pushed).toBe(1)
        expect(held(loaded)).toMatchObject(nothing)
        yield* worksAgain(engine)
      })
    )
  )

  it.live(
    "a compile that is interrupted while it waits for another one ends immediately, and the other continues",
    () =>
      leavesNothing(
        Effect.gen(function* () {
          const loaded = yield* library
          const runs: Array<number> = []
          const gate = yield* Deferred.make<void>()
          let pushed = 0
          const engine = yield* make({
            ...loaded,
            jobPush: (job, chunk, length) => {
              pushed++
              return loaded.jobPush(job, chunk, length)
            },
            // the first one runs until the test ends it
            jobRun: (job) =>
              Effect.suspend(() => {
                runs.push(job)
                return Effect.zipLeft(loaded.jobRun(job), Deferred.await(gate))
              })
          })
          const first = yield* Effect.fork(
            Effect.scoped(Effect.flatMap(engine.compile("default", smallDocument), isOn))
          )
          yield* until(() => runs.length === 1)
          const second = yield* Effect.fork(Effect.scoped(engine.compile("default", smallDocument)))
          yield* until(() => pushed === 2)
          expect(held(loaded).jobs).toBe(2)
          expect(Exit.isInterrupted(yield* Fiber.interrupt(second))).toBe(true)
          expect(held(loaded)).toMatchObject({ snapshots: 0, jobs: 1 })
          yield* Deferred.succeed(gate, undefined)
          expect(yield* Fiber.join(first)).toBe(true)
          expect(runs).toHaveLength(1)
          yield* worksAgain(engine)
        })
      )
  )

  it.live("a client that is closed in the middle of a compile leaves nothing in it", () =>
    leavesNothing(
      Effect.gen(function* () {
        const loaded = yield* library
        let running = 0
        const engine = yield* make({
          ...loaded,
          jobRun: (job) =>
            Effect.suspend(() => {
              running++
              return loaded.jobRun(job)
            })
        })
        let documents = 0
        const bytes = [smallDocument[0]!, largeDocument[0]!]
        const layer = FliptClient.layerWithoutDependencies().pipe(
          Layer.provide([
            Layer.succeed(Engine.Engine, engine),
            Fetcher.layerEffect({ fetch: () => Effect.sync(() => bytes[documents++]!) })
          ])
        )
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(layer, scope)
        const refresh = yield* Effect.fork(
          Effect.provide(
            Effect.flatMap(FliptClient.FliptClient, (it) => it.refresh),
            context
          )
        )
        yield* until(() => running === 2)
        yield* Scope.close(scope, Exit.void)
        expect(held(loaded)).toMatchObject(nothing)
        expect(yield* Effect.flip(Fiber.join(refresh))).toMatchObject({ _tag: "EngineError", reason: "Closed" })
        yield* worksAgain(engine)
      })
    )
  )

  // the engine reads a snapshot that its Scope has already closed
  it.live("a compile whose Scope closes meanwhile returns a closed Snapshot, like the portable engine", () =>
    Effect.gen(function* () {
      const loaded = yield* library
      let running = false
      const engine = yield* make({
        ...loaded,
        jobRun: (job) =>
          Effect.suspend(() => {
            running = true
            return loaded.jobRun(job)
          })
      })
      const scope = yield* Scope.make()
      const fiber = yield* Effect.fork(Scope.extend(engine.compile("default", largeDocument), scope))
      yield* until(() => running)
      yield* Scope.close(scope, Exit.void)
      const snapshot = yield* Fiber.join(fiber)
      expect(held(loaded)).toMatchObject(nothing)
      expect(yield* Effect.flip(snapshot.boolean({ flagKey: "on", entityId: "e" }))).toMatchObject({
        reason: "Closed"
      })
    })
  )

  it.live("a compile whose Scope is closed in the middle leaves nothing in it", () =>
    leavesNothing(
      Effect.gen(function* () {
        const loaded = yield* library
        let running = false
        const engine = yield* make({
          ...loaded,
          jobRun: (job) =>
            Effect.suspend(() => {
              running = true
              return loaded.jobRun(job)
            })
        })
        const scope = yield* Scope.make()
        const fiber = yield* Effect.fork(Scope.extend(engine.compile("default", largeDocument), scope))
        yield* until(() => running)
        yield* Scope.close(scope, Exit.void)
        yield* Fiber.await(fiber)
        expect(held(loaded)).toMatchObject(nothing)
        yield* worksAgain(engine)
      })
    )
  )

  it.live("a document that does not load leaves nothing in it", () =>
    leavesNothing(
      Effect.gen(function* () {
        const engine = yield* make(yield* library)
        for (const document of ["", "{", '{"namespace":{"key":"default"},"flags":[{"key":1}]}', "[".repeat(100_000)]) {
          const error = yield* Effect.flip(Effect.scoped(engine.compile("default", encode(document))))
          expect(error._tag).toBe("EngineError")
          expect((yield* Effect.flip(Effect.scoped(engine.restore("default", document))))._tag).toBe("ValidationError")
        }
        yield* worksAgain(engine)
      })
    )
  )

  it.live("a Snapshot that outlives its Scope fails everything with Closed, even if closed twice", () =>
    leavesNothing(
      Effect.gen(function* () {
        const loaded = yield* library
        const handles: Array<number> = []
        const engine = yield* make({
          ...loaded,
          jobTake: (job) => {
            const handle = loaded.jobTake(job)
            handles.push(handle)
            return handle
          }
        })
        const scope = yield* Scope.make()
        const snapshot = yield* Scope.extend(engine.compile("default", smallDocument), scope)
        const bound = snapshot.bind("e", { plan: "pro" })
        const request = { flagKey: "on", entityId: "e" }
        expect((yield* bound.boolean("on")).enabled).toBe(true)
        const fingerprint = snapshot.fingerprint("on")
        expect(fingerprint).toBeDefined()
        const seed = yield* snapshot.seed
        const flags = yield* snapshot.flags
        yield* Scope.close(scope, Exit.void)
        yield* Scope.close(scope, Exit.void)
        expect(loaded.snapshotClose(handles[0]!)).toBe(Code.closed)
        // another Snapshot reuses the handle's slot, but must not answer for the closed one
        yield* Effect.scoped(
          Effect.gen(function* () {
            const other = yield* engine.compile("default", smallDocument)
            const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
              Effect.suspend(() => snapshot.boolean(request)),
              Effect.suspend(() => snapshot.variant({ ...request, flagKey: "theme" })),
              Effect.suspend(() => snapshot.variant({ ...request, flagKey: "nope" })),
              Effect.suspend(() => snapshot.batch([request])),
              Effect.suspend(() => snapshot.batch([])),
              Effect.suspend(() => bound.boolean("on")),
              Effect.suspend(() => bound.variant("theme")),
              Effect.suspend(() => snapshot.bind("e").boolean("on")),
              Effect.suspend(() => snapshot.flags),
              snapshot.seed
            ]
            for (const call of calls) {
              expect(yield* Effect.flip(call)).toMatchObject({ reason: "Closed" })
            }
            expect(snapshot.fingerprint("on")).toBeUndefined()
            expect(yield* isOn(other)).toBe(true)
            expect(other.fingerprint("on")).toBe(fingerprint)
            expect(yield* other.seed).toBe(seed)
            expect(yield* other.flags).toEqual(flags)
          })
        )
      })
    )
  )

  it.live("the memory of a replaced Snapshot is freed as soon as it has no users", () =>
    leavesNothing(
      Effect.gen(function* () {
        const loaded = yield* library
        let documents = 0
        const layer = FliptClient.layerWithoutDependencies().pipe(
          Layer.provide([
            Engine.layerNative,
            Fetcher.layerEffect({
              fetch: () =>
                Effect.sync(() => {
                  const flags = [booleanFlag("on", ++documents % 2 === 1), variantFlag("theme", "x".repeat(50_000))]
                  return encode(makeDocument(flags))[0]!
                })
            })
          ])
        )
        yield* Effect.provide(
          Effect.gen(function* () {
            const client = yield* FliptClient.FliptClient
            const one = held(loaded)
            expect(one).toMatchObject({ ...nothing, snapshots: 1, arenas: 1 })
            for (let i = 0; i < 10; i++) {
              expect(yield* client.refresh).toBe(true)
              const { bytes, ...counts } = held(loaded)
              expect(counts).toEqual({ ...nothing, snapshots: 1, arenas: 1 })
              expect(Math.abs(bytes - one.bytes)).toBeLessThan(1000)
            }
            const scope = yield* Scope.make()
            const pinned = yield* Scope.extend(client.snapshot, scope)
            const enabled = yield* isOn(pinned)
            yield* client.refresh
            yield* client.refresh
            expect(held(loaded)).toMatchObject({ snapshots: 2, arenas: 2 })
            expect(held(loaded).bytes).toBeGreaterThan(one.bytes + 50_000)
            yield* client.refresh
            expect(yield* isOn(pinned)).toBe(enabled)
            yield* Scope.close(scope, Exit.void)
            expect(held(loaded)).toMatchObject({ snapshots: 1, arenas: 1 })
            expect(Math.abs(held(loaded).bytes - one.bytes)).toBeLessThan(1000)
            expect((yield* Effect.flip(isOn(pinned))).reason).toBe("Closed")
          }),
          layer
        )
      })
    )
  )

  it.live("every hostile text gets the portable engine's answer, singly, bound and in a batch", () =>
    leavesNothing(
      Effect.scoped(
        Effect.gen(function* () {
          const ours = yield* (yield* make(yield* library)).compile("default", hostileDocument)
          const theirs = yield* portable.compile("default", hostileDocument)
          const answer = (it: Either.Either<unknown, { readonly message: string }>) =>
            Either.mapLeft(it, ({ message }) => message)
          const answers = new Set<unknown>()
          for (const request of hostileRequests) {
            const { context, entityId, flagKey } = request
            for (const kind of ["variant", "boolean"] as const) {
              const got = answer(ours[kind](request))
              // identified by its index, because the texts are long
              const name = `${kind} of request ${hostileRequests.indexOf(request)}`
              expect(got, name).toEqual(answer(theirs[kind](request)))
              expect(answer(ours.bind(entityId, context)[kind](flagKey)), name).toEqual(got)
              answers.add(JSON.stringify(got))
            }
            expect(ours.fingerprint(flagKey)).toBe(theirs.fingerprint(flagKey))
          }
          // the test is only useful if answers differ
          expect(answers.size).toBeGreaterThan(50)
          // a blank text is not a valid key or id, and would fail the batch
          const filled = hostileRequests.filter((it) => it.flagKey.trim() !== "" && it.entityId.trim() !== "")
          expect(yield* ours.batch(filled)).toEqual(yield* theirs.batch(filled))
          // a small request after the largest ones
          const small = { flagKey: "a\u0000b", entityId: "\u0000", context: { plan: "a" } }
          expect(answer(ours.variant(small))).toEqual(answer(theirs.variant(small)))
        })
      )
    )
  )

  it.live(
    "four worker threads compile and evaluate concurrently; two are terminated, and the others and the main thread continue",
    () =>
      Effect.gen(function* () {
        const { after, finished, main } = (yield* run("threads.mjs", { timeout: 240_000 })) as {
          readonly finished: ReadonlyArray<unknown>
          readonly main: unknown
          readonly after: ReadonlyArray<number>
        }
        expect(finished).toEqual(Array(2).fill({ isMainThread: false, round: 60, wrong: 0 }))
        expect(main).toEqual({ wrong: 0, right: true })
        const [snapshots, jobs, arenas, blobs] = after
        expect(arenas).toBe(0)
        // nothing closes the handles of a terminated thread except the library
        expect([snapshots, jobs, blobs]).toEqual([0, 0, 0])
      }),
    300_000
  )

  it.live("a panic in it becomes a code, and the process continues", () =>
    leavesNothing(
      Effect.gen(function* () {
        const loaded = yield* library
        expect(loaded.testPanic()).toBe(Code.panic)
        expect(loaded.testPanic()).toBe(Code.panic)
        yield* worksAgain(yield* make(loaded))
      })
    )
  )

  it.live("a panic while it compiles becomes an EngineError, and leaves nothing in it", () =>
    leavesNothing(
      Effect.gen(function* () {
        const loaded = yield* library
        const panicking = (part: Partial<Library>) => make({ ...loaded, ...part })
        const panic = loaded.testPanic
        const engines = yield* Effect.all([
          panicking({ jobNew: panic }),
          panicking({ jobPush: panic }),
          panicking({ jobRun: () => Effect.sync(panic) }),
          panicking({ jobTake: panic })
        ])
        const seed = yield* Effect.scoped(
          Effect.flatMap(portable.compile("default", smallDocument), (snapshot) => snapshot.seed)
        )
        for (const { compile, restore } of engines) {
          for (const effect of [compile("default", smallDocument), restore("default", seed)]) {
            expect(yield* Effect.flip(Effect.scoped(effect))).toMatchObject({ _tag: "EngineError", reason: "Panic" })
          }
        }
        yield* worksAgain(yield* make(loaded))
      })
    )
  )

  it.scopedLive("a panic in an evaluation becomes an EvaluationError that has the EngineError as its cause", () =>
    Effect.gen(function* () {
      const loaded = yield* library
      const engine = yield* make({ ...loaded, evaluate: loaded.testPanic, evaluateBatch: loaded.testPanic })
      const snapshot = yield* engine.compile("default", smallDocument)
      const request = { flagKey: "on", entityId: "e" }
      expect(yield* Effect.flip(snapshot.boolean(request))).toMatchObject({
        _tag: "EvaluationError",
        reason: "Unavailable",
        flagKey: "on",
        cause: { _tag: "EngineError", reason: "Panic" }
      })
      expect(yield* snapshot.batch([request])).toMatchObject([
        { _tag: "Error", reason: "UNKNOWN_ERROR_EVALUATION_REASON" }
      ])
    })
  )

  // a description that cannot be read is thrown
  it.scopedLive("a panic when it describes a flag becomes an EvaluationError too", () =>
    Effect.gen(function* () {
      const loaded = yield* library
      let broken = false
      const engine = yield* make({
        ...loaded,
        snapshotBlob: (...args) => (broken ? loaded.testPanic() : loaded.snapshotBlob(...args))
      })
      const snapshot = yield* engine.compile("default", smallDocument)
      broken = true
      const request = { flagKey: "on", entityId: "e" }
      expect(yield* Effect.flip(snapshot.seed)).toMatchObject({ _tag: "EngineError", reason: "Panic" })
      for (const call of [
        Effect.asVoid(Effect.suspend(() => snapshot.boolean(request))),
        Effect.asVoid(Effect.suspend(() => snapshot.flags))
      ]) {
        expect(yield* Effect.flip(call)).toMatchObject({
          _tag: "EvaluationError",
          cause: { _tag: "EngineError", reason: "Panic" }
        })
      }
      expect(yield* Effect.suspend(() => snapshot.batch([request]))).toMatchObject([
        { _tag: "Error", reason: "UNKNOWN_ERROR_EVALUATION_REASON" }
      ])
    })
  )

  it.live("a panic when a compiled document is described becomes an EngineError", () =>
    Effect.gen(function* () {
      const loaded = yield* library
      const engine = yield* make({ ...loaded, snapshotBlob: loaded.testPanic })
      const error = yield* Effect.flip(Effect.scoped(engine.compile("default", smallDocument)))
      expect(error).toMatchObject({ _tag: "EngineError", reason: "Panic" })
    })
  )

  // a getter's evaluation would overwrite the request that is being written
  it.scopedLive("an evaluation inside a getter of another one's context does not affect it", () =>
    Effect.gen(function* () {
      const engine = yield* make(yield* library)
      const plan = [segmentOf("s", [constraint("plan", "eq", "pro")])]
      const flag = { ...booleanFlag("flag", false), rollouts: [{ segment: { value: true, segments: plan } }] }
      for (const { compile } of [portable, engine]) {
        const snapshot = yield* compile("default", encode(makeDocument([flag])))
        const context = {
          get plan() {
            Either.getOrThrow(snapshot.boolean({ flagKey: "flag", entityId: "another", context: { plan: "free" } }))
            return "pro"
          }
        }
        expect((yield* snapshot.boolean({ flagKey: "flag", entityId: "e", context })).enabled).toBe(true)
      }
    })
  )

  // the request would make the arena grow, which would register it again
  it.live("an evaluation whose own context closes the Snapshot leaves nothing in it", () =>
    leavesNothing(
      Effect.gen(function* () {
        const engine = yield* make(yield* library)
        const plan = [segmentOf("s", [constraint("plan", "eq", "pro")])]
        const flag = { ...booleanFlag("flag", false), rollouts: [{ segment: { value: true, segments: plan } }] }
        for (const way of ["boolean", "batch", "bind"] as const) {
          const scope = yield* Scope.make()
          const snapshot = yield* Scope.extend(engine.compile("default", encode(makeDocument([flag]))), scope)
          let reads = 0
          const context = {
            get plan() {
              // validation reads it first
              if (++reads === 2) {
                Effect.runSync(Scope.close(scope, Exit.void))
              }
              return "x".repeat(10_000)
            }
          }
          const request = { flagKey: "flag", entityId: "e", context }
          const answer =
            way === "bind"
              ? snapshot.bind("e", context).boolean("flag")
              : way === "batch"
                ? snapshot.batch([request])
                : snapshot.boolean(request)
          expect(yield* Effect.flip(answer as Either.Either<unknown, EvaluateError>)).toMatchObject({
            reason: "Closed"
          })
        }
      })
    )
  )

  it.live("a handle that is zero, made up, stale, or of another kind becomes a code in every function", () =>
    leavesNothing(
      Effect.gen(function* () {
        const loaded = yield* library
        const none = new Uint8Array(0)
        const name = new TextEncoder().encode("default")
        const [document] = smallDocument
        const memory = new Uint8Array(4096)
        const job = loaded.jobNew(0, name, name.length)
        expect(loaded.jobTake(job)).toBe(Code.argument)
        expect(loaded.jobPush(job, document!, document!.length)).toBe(0)
        expect(yield* loaded.jobRun(job)).toBe(0)
        expect(yield* loaded.jobRun(job)).toBe(Code.argument)
        expect(loaded.jobPush(job, document!, document!.length)).toBe(Code.argument)
        const snapshot = loaded.jobTake(job)
        expect(loaded.jobTake(job)).toBe(Code.argument)
        const arena = loaded.arenaNew(memory, memory.length)
        const blob = loaded.snapshotBlob(snapshot, 0, none, 0)
        const live = { job, snapshot, arena, blob }
        expect(Math.min(...Object.values(live))).toBeGreaterThan(0)

        const functions: Record<
          keyof typeof live,
          ReadonlyArray<(handle: number) => Effect.Effect<number> | number>
        > = {
          job: [
            (it) => loaded.jobPush(it, document!, document!.length),
            (it) => loaded.jobRun(it),
            (it) => loaded.jobMessage(it, memory, memory.length),
            (it) => loaded.jobTake(it),
            (it) => loaded.jobFree(it)
          ],
          snapshot: [
            (it) => loaded.snapshotBlob(it, 0, none, 0),
            (it) => loaded.evaluate(arena, it, 0),
            (it) => loaded.evaluateBatch(arena, it, 0),
            (it) => loaded.snapshotClose(it)
          ],
          arena: [
            (it) => loaded.evaluate(it, snapshot, 0),
            (it) => loaded.evaluateBatch(it, snapshot, 0),
            (it) => loaded.arenaFree(it)
          ],
          blob: [
            (it) => loaded.blobLength(it),
            (it) => loaded.blobRead(it, 0, memory, memory.length),
            (it) => loaded.blobFree(it)
          ]
        }
        const kinds = Object.keys(live) as ReadonlyArray<keyof typeof live>
        const refused = (kind: keyof typeof live, handle: number) =>
          Effect.gen(function* () {
            for (const [index, call] of functions[kind].entries()) {
              const code = call(handle)
              const name = `function ${index} of ${kind} for ${handle}`
              expect(typeof code === "number" ? code : yield* code, name).toBe(Code.closed)
            }
          })
        const madeUp = [0, -0, 1, -1, 0.5, NaN, Infinity, -Infinity, 2 ** 53, Number.MAX_VALUE, 2 ** 50, 2 ** 52 + 1e6]
        for (const kind of kinds) {
          const others = kinds.filter((it) => it !== kind).map((it) => live[it])
          const near = [live[kind] + 1, live[kind] + 2 ** 24, -live[kind], live[kind] + 2 ** 23]
          for (const handle of [...madeUp, ...others, ...near]) {
            yield* refused(kind, handle)
          }
        }
        expect(held(loaded)).toMatchObject({ snapshots: 1, jobs: 1, arenas: 1, blobs: 1 })

        // out of bounds
        expect(loaded.evaluate(arena, snapshot, 2)).toBe(Code.noFlag)
        expect(loaded.evaluate(arena, snapshot, 2 ** 32 - 1)).toBe(Code.noFlag)
        expect(loaded.evaluateBatch(arena, snapshot, 2 ** 32 - 1)).toBe(Code.argument)
        expect(loaded.blobRead(blob, 2 ** 32 - 1, memory, memory.length)).toBe(Code.argument)
        expect(loaded.snapshotBlob(snapshot, 99, none, 0)).toBe(Code.argument)
        expect(loaded.jobNew(99, name, name.length)).toBe(Code.argument)
        expect(loaded.snapshotBlob(snapshot, 4, new Uint8Array([0xff]), 1)).toBe(Code.argument)
        memory.fill(0xff)
        expect(loaded.evaluate(arena, snapshot, 0)).toBe(Code.argument)
        expect(loaded.evaluateBatch(arena, snapshot, 1)).toBe(Code.argument)
        expect(loaded.stat(99)).toBe(Code.argument)

        expect(loaded.blobFree(blob)).toBe(0)
        expect(loaded.arenaFree(arena)).toBe(0)
        expect(loaded.snapshotClose(snapshot)).toBe(0)
        expect(loaded.jobFree(job)).toBe(0)
        for (const kind of kinds) {
          yield* refused(kind, live[kind])
        }
        yield* worksAgain(yield* make(loaded))
      })
    )
  )

  it.live("Snapshots can close concurrently beyond koffi's limit of asynchronous calls", () =>
    Effect.gen(function* () {
      const loaded = yield* library
      const codes = yield* Effect.all(
        Array.from({ length: 2000 }, () => loaded.snapshotCloseElsewhere(0)),
        { concurrency: "unbounded" }
      )
      expect(new Set(codes)).toEqual(new Set([Code.closed]))
    })
  )

  it.live("a process that closes its client's scope exits although the library stays loaded", () =>
    Effect.gen(function* () {
      expect(yield* run("nativeClose.mjs", { timeout: 240_000 })).toEqual({ enabled: true, left: [] })
    })
  )

  it.live("a process can exit in the middle of a compile", () =>
    Effect.gen(function* () {
      expect(yield* run("nativeClose.mjs", { args: ["middle"], timeout: 240_000 })).toBeUndefined()
    })
  )
})
