/**
 * The native engine: it copies documents into native memory and compiles them on another thread.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type * as Engine from "../../../Engine.js"
import { EngineError } from "../../../FliptError.js"
import type { Snapshot } from "../../../Snapshot.js"
import { decodeSeed, seedError } from "../../document/seed/text.js"
import type { Evaluator } from "../../snapshot/evaluator.js"
import type { NativeHandle } from "../../snapshot/nativeHandle.js"
import { makeSnapshot } from "../../snapshot/snapshot.js"
import * as FairLock from "../../util/fairLock.js"
import { printable } from "../../util/outsideText.js"
import { sizeOf } from "../../util/slices.js"
import { yieldToEventLoop } from "../../util/yieldToEventLoop.js"
import { Arena } from "./arena.js"
import { engineFailure } from "./blob.js"
import { makeEvaluator } from "./evaluator.js"
import { Code, JobKind, type Library, loadFrom, load as loadLibrary } from "./library.js"

/** Bytes to copy before yielding to the event loop: half a millisecond of work. */
const SLICE_BYTES = 512 * 1024

/** Snapshots of larger documents are freed on another thread, because freeing them would block the event loop. */
const SLOW_CLOSE_BYTES = 512 * 1024

/** The library's message about a malformed document or seed. */
class Malformed {
  constructor(
    readonly code: number,
    readonly problem: string
  ) {}
}

const readProblem = (library: Library, job: number): string => {
  const length = library.jobMessage(job, new Uint8Array(0), 0)
  const text = new Uint8Array(Math.max(0, length))
  library.jobMessage(job, text, text.length)
  return new TextDecoder().decode(text)
}

/** Runs a library function, which returns a negative code on failure. */
const call = (action: string, run: () => number): Effect.Effect<number, EngineError> =>
  Effect.suspend(() => {
    const code = run()
    return code < 0 ? Effect.fail(engineFailure(action, code)) : Effect.succeed(code)
  })

const pushDocument = (
  library: Library,
  job: number,
  chunks: ReadonlyArray<Uint8Array>
): Effect.Effect<void, EngineError> =>
  Effect.gen(function* () {
    let copied = 0
    for (const chunk of chunks) {
      for (let start = 0; start < chunk.length; start += SLICE_BYTES) {
        const slice = chunk.subarray(start, start + SLICE_BYTES)
        yield* call("copy the document", () => library.jobPush(job, slice, slice.length))
        copied += slice.length
        if (copied >= SLICE_BYTES) {
          copied = 0
          yield* yieldToEventLoop
        }
      }
    }
  })

interface OpenSnapshot {
  readonly evaluator: Evaluator
  readonly close: (large: boolean) => Effect.Effect<unknown>
}

/** The handle of a compiled document. Outside of `compile`, like `acquireSnapshot`, so that no closure keeps the document. */
const takeSnapshot = (library: Library, job: number): Effect.Effect<number, EngineError> =>
  call("compile", () => library.jobTake(job))

/** Makes the evaluator of a handle that the caller owns. Closes the handle if it cannot be used. */
const openHandle = (library: Library, handle: number, namespace: string): Effect.Effect<OpenSnapshot, EngineError> =>
  Effect.suspend(() => {
    const arena = new Arena(library)
    const close = (large: boolean) =>
      Effect.suspend(() => {
        arena.free()
        return large ? library.snapshotCloseElsewhere(handle) : Effect.sync(() => library.snapshotClose(handle))
      })
    return Either.match(makeEvaluator(library, arena, namespace, handle), {
      onLeft: (error) => Effect.zipRight(close(false), Effect.fail(error)),
      onRight: (evaluator) => Effect.succeed({ evaluator, close })
    })
  })

/**
 * The Snapshot of a handle that `take` opens, open until the Scope ends. Outside of `compile`, so that no closure retains
 * the document.
 */
const acquireSnapshot = (
  library: Library,
  take: Effect.Effect<number, EngineError>,
  namespace: string,
  large: boolean
): Effect.Effect<Snapshot, EngineError, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.flatMap(take, (handle) => openHandle(library, handle, namespace)),
      ({ close }) => close(large)
    ),
    ({ evaluator }) => makeSnapshot(evaluator)
  )

/**
 * A Snapshot over the compiled state of another one, which any thread of the process may have opened. Fails with reason
 * `Closed` if that one is closed. The state is freed when both are closed.
 */
export const retain = (
  { handle, path }: NativeHandle,
  namespace: string
): Effect.Effect<Snapshot, EngineError, Scope.Scope> =>
  Effect.flatMap(loadFrom(path), (library) =>
    acquireSnapshot(
      library,
      call("share a snapshot", () => library.snapshotRetain(handle)),
      namespace,
      false
    )
  )

/** Makes an engine with a loaded library. */
export const make = (library: Library): Effect.Effect<Engine.Service> =>
  Effect.gen(function* () {
    // Fair, because the clients of many namespaces share an engine.
    const lock = yield* FairLock.make

    /** Uninterruptible: the library cannot cancel a compilation, and its result must be freed. */
    const run = (job: number): Effect.Effect<void, Malformed | EngineError> =>
      Effect.flatMap(lock.withLock(Effect.uninterruptible(library.jobRun(job))), (code) =>
        code >= 0
          ? Effect.void
          : Effect.fail(
              code === Code.malformed || code === Code.limit
                ? new Malformed(code, readProblem(library, job))
                : engineFailure("compile", code)
            )
      )

    const compile = (
      kind: number,
      namespace: string,
      chunks: ReadonlyArray<Uint8Array>
    ): Effect.Effect<Snapshot, Malformed | EngineError, Scope.Scope> =>
      Effect.acquireUseRelease(
        call("start compiling", () => {
          const name = new TextEncoder().encode(namespace)
          return library.jobNew(kind, name, name.length)
        }),
        (job) => {
          const large = sizeOf(chunks) > SLOW_CLOSE_BYTES
          return pushDocument(library, job, chunks).pipe(
            Effect.zipRight(run(job)),
            Effect.zipRight(acquireSnapshot(library, takeSnapshot(library, job), namespace, large))
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
                  message: `the document cannot be loaded: ${printable(error.problem, 1000)}`
                })
              : error
          )
        ),
      restore: (namespace, seed) =>
        decodeSeed(seed).pipe(
          Effect.flatMap((bytes) => compile(JobKind.seed, namespace, [bytes])),
          Effect.mapError((error) => (error instanceof Malformed ? seedError(error.problem) : error))
        )
    }
  })

/** Loads the library, from the given path or from the default places, and makes an engine with it. */
export const load = (path: string | undefined): Effect.Effect<Engine.Service, EngineError> =>
  Effect.flatMap(loadLibrary(path), make)
