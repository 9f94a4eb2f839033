/**
 * The engine over the native library: documents are copied into native memory and compiled on another thread.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type * as Engine from "../../../Engine.js"
import { EngineError } from "../../../FliptError.js"
import type { Snapshot } from "../../../Snapshot.js"
import { decodeSeed, invalidSeed } from "../../document/seed/text.js"
import type { Evaluator } from "../../snapshot/evaluator.js"
import { makeSnapshot } from "../../snapshot/snapshot.js"
import { yieldToEventLoop } from "../../util/yieldToEventLoop.js"
import { Arena } from "./arena.js"
import { failed, makeEvaluator } from "./evaluator.js"
import { Code, JobKind, type Library } from "./library.js"

/** How many bytes of a document are copied before others may run: a millisecond's worth. */
const SLICE_BYTES = 2 * 1024 * 1024

/** From what size of its document on a Snapshot takes so long to free that the event loop would notice. */
const LARGE_BYTES = 512 * 1024

/** What is wrong with a document or a seed, in the library's words. */
class Malformed {
  constructor(
    readonly code: number,
    readonly problem: string
  ) {}
}

const problemOf = (library: Library, job: number): string => {
  const length = library.jobMessage(job, new Uint8Array(0), 0)
  const text = new Uint8Array(Math.max(0, length))
  library.jobMessage(job, text, text.length)
  return new TextDecoder().decode(text)
}

/** The library's functions either succeed or give a negative code. */
const call = (doing: string, run: () => number): Effect.Effect<number, EngineError> =>
  Effect.suspend(() => {
    const code = run()
    return code < 0 ? Effect.fail(failed(doing, code)) : Effect.succeed(code)
  })

const push = (library: Library, job: number, chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, EngineError> =>
  Effect.gen(function* () {
    let copied = 0
    for (const chunk of chunks) {
      for (let start = 0; start < chunk.length; start += SLICE_BYTES) {
        const slice = chunk.subarray(start, start + SLICE_BYTES)
        yield* call("take a document", () => library.jobPush(job, slice, slice.length))
        copied += slice.length
        if (copied >= SLICE_BYTES) {
          copied = 0
          yield* yieldToEventLoop
        }
      }
    }
  })

interface Taken {
  readonly evaluator: Evaluator
  readonly close: (large: boolean) => Effect.Effect<unknown>
}

/** The Snapshot that a job has made, ready for evaluation; nothing of it is left when that fails. */
const take = (library: Library, job: number, namespace: string): Effect.Effect<Taken, EngineError> =>
  Effect.flatMap(
    call("compile", () => library.jobTake(job)),
    (snapshot) =>
      Effect.suspend(() => {
        const arena = new Arena(library)
        const close = (large: boolean) =>
          Effect.suspend(() => {
            arena.free()
            return large ? library.snapshotCloseElsewhere(snapshot) : Effect.sync(() => library.snapshotClose(snapshot))
          })
        return Either.match(makeEvaluator(library, arena, namespace, snapshot), {
          onLeft: (error) => Effect.zipRight(close(false), Effect.fail(error)),
          onRight: (evaluator) => Effect.succeed({ evaluator, close })
        })
      })
  )

/** The Snapshot of a job, until the Scope ends. Apart from `compile`, so that no closure of it keeps the document. */
const open = (
  library: Library,
  job: number,
  namespace: string,
  large: boolean
): Effect.Effect<Snapshot, EngineError, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(take(library, job, namespace), ({ close }) => close(large)),
    ({ evaluator }) => makeSnapshot(evaluator)
  )

/** The engine over a loaded library. */
export const make = (library: Library): Effect.Effect<Engine.Service> =>
  Effect.gen(function* () {
    const compiling = yield* Effect.makeSemaphore(1)

    /** Not to be interrupted while it runs: the library has no way to stop, and what it made must be freed. */
    const run = (job: number): Effect.Effect<void, Malformed | EngineError> =>
      Effect.flatMap(compiling.withPermits(1)(Effect.uninterruptible(library.jobRun(job))), (code) =>
        code >= 0
          ? Effect.void
          : Effect.fail(
              code === Code.malformed || code === Code.limit
                ? new Malformed(code, problemOf(library, job))
                : failed("compile", code)
            )
      )

    const compile = (
      kind: number,
      namespace: string,
      chunks: ReadonlyArray<Uint8Array>
    ): Effect.Effect<Snapshot, Malformed | EngineError, Scope.Scope> =>
      Effect.acquireUseRelease(
        call("begin to compile", () => {
          const name = new TextEncoder().encode(namespace)
          return library.jobNew(kind, name, name.length)
        }),
        (job) => {
          const large = chunks.reduce((size, chunk) => size + chunk.length, 0) > LARGE_BYTES
          return push(library, job, chunks).pipe(
            Effect.zipRight(run(job)),
            Effect.zipRight(open(library, job, namespace, large))
          )
        },
        (job) => Effect.sync(() => library.jobFree(job))
      )

    return {
      name: "native",
      compile: (namespace, document) =>
        compile(JobKind.document, namespace, document).pipe(
          Effect.mapError((error) =>
            error instanceof Malformed
              ? new EngineError({
                  reason: error.code === Code.limit ? "Limit" : "Document",
                  message: `the document does not load: ${error.problem}`
                })
              : error
          )
        ),
      restore: (namespace, seed) =>
        decodeSeed(seed).pipe(
          Effect.flatMap((bytes) => compile(JobKind.seed, namespace, [bytes])),
          Effect.mapError((error) => (error instanceof Malformed ? invalidSeed(error.problem) : error))
        )
    }
  })
