/**
 * Loads the native library and gives its functions types. The only module that knows koffi.
 */
import * as Effect from "effect/Effect"
import type { LibraryHandle } from "koffi"
import type { EngineError } from "../../../FliptError.js"
import { errorMessage } from "../../util/errorMessage.js"
import { globalValue } from "../../util/globalValue.js"
import { printable } from "../../util/outsideText.js"
import { yieldForTurn, yieldToEventLoop } from "../../util/yieldToEventLoop.js"
import { loadError, locate, requireOptional } from "./locate.js"

const { isMainThread } = process.getBuiltinModule("node:worker_threads")

/** The codes that the library's functions return on failure: `native/src/code.rs`, compared by a test. */
export const Code = {
  closed: -1,
  malformed: -2,
  limit: -3,
  argument: -4,
  tooSmall: -5,
  noFlag: -6,
  panic: -99
} as const

/** What a job compiles. */
export const JobKind = { document: 0, seed: 1 } as const

/** The texts that a Snapshot provides. */
export const BlobKind = { seed: 0, flags: 1, digest: 2, fingerprint: 3, flag: 4, escapedLists: 5 } as const

/** The counters of the library. */
export const Stat = { snapshots: 0, jobs: 1, arenas: 2, blobs: 3, bytes: 4 } as const

/**
 * The functions of the library. Handles are integers that a number holds exactly; a negative one is a code. The library
 * uses the memory that it is passed only during the call, except for an arena's memory, which it uses until the arena is
 * freed.
 */
export interface Library {
  readonly path: string
  readonly arenaNew: (buffer: Uint8Array, length: number) => number
  readonly arenaFree: (arena: number) => number
  readonly jobNew: (kind: number, namespace: Uint8Array, length: number) => number
  readonly jobPush: (job: number, chunk: Uint8Array, length: number) => number
  /** Compiles, on another thread if possible. */
  readonly jobRun: (job: number) => Effect.Effect<number>
  readonly jobMessage: (job: number, out: Uint8Array, capacity: number) => number
  readonly jobTake: (job: number) => number
  readonly jobFree: (job: number) => number
  /** Returns another handle of a Snapshot, which any thread of the process may have opened. */
  readonly snapshotRetain: (snapshot: number) => number
  readonly snapshotClose: (snapshot: number) => number
  /** Closes a large Snapshot, which takes a while, on another thread if possible. */
  readonly snapshotCloseElsewhere: (snapshot: number) => Effect.Effect<number>
  readonly snapshotBlob: (snapshot: number, kind: number, key: Uint8Array, length: number) => number
  readonly blobLength: (blob: number) => number
  readonly blobRead: (blob: number, offset: number, out: Uint8Array, capacity: number) => number
  readonly blobFree: (blob: number) => number
  readonly evaluate: (arena: number, snapshot: number, flag: number) => number
  readonly evaluateBatch: (arena: number, snapshot: number, count: number) => number
  readonly stat: (which: number) => number
  readonly testPanic: () => number
}

/** The version of the library's interface that this module is written for. */
const ABI_VERSION = 4

/** A function of the library, by its declaration in C. */
interface Functions {
  // biome-ignore lint/suspicious/noExplicitAny: `Library` gives the functions their types
  readonly func: (declaration: string) => ((...args: Array<any>) => any) & {
    readonly async?: LibraryFunction["async"]
  }
}

type LibraryFunction = ReturnType<LibraryHandle["func"]>

/** Calls a function on another thread with koffi, and in place with the addon. */
const elsewhere =
  (call: ReturnType<Functions["func"]>) =>
  (handle: number): Effect.Effect<number> => {
    const { async } = call
    return async === undefined
      ? Effect.sync(() => call(handle))
      : Effect.async((resume) => {
          try {
            async(handle, (error: unknown, code: number) => resume(Effect.succeed(error ? Code.panic : code)))
          } catch {
            // koffi refuses more asynchronous calls at a time than its configuration allows
            resume(Effect.sync(() => call(handle)))
          }
        })
  }

const bind = (path: string, native: Functions): Library => ({
  path,
  arenaNew: native.func("double fce_arena_new(uint8_t *buffer, uint32_t length)"),
  arenaFree: native.func("int32_t fce_arena_free(double arena)"),
  jobNew: native.func("double fce_job_new(uint32_t kind, const uint8_t *text, uint32_t length)"),
  jobPush: native.func("int32_t fce_job_push(double job, const uint8_t *chunk, uint32_t length)"),
  jobRun: elsewhere(native.func("int32_t fce_job_run(double job)")),
  jobMessage: native.func("int32_t fce_job_message(double job, uint8_t *out, uint32_t capacity)"),
  jobTake: native.func("double fce_job_take(double job)"),
  jobFree: native.func("int32_t fce_job_free(double job)"),
  snapshotRetain: native.func("double fce_snapshot_retain(double snapshot)"),
  snapshotClose: native.func("int32_t fce_snapshot_close(double snapshot)"),
  snapshotCloseElsewhere: elsewhere(native.func("int32_t fce_snapshot_close(double snapshot)")),
  snapshotBlob: native.func(
    "double fce_snapshot_blob(double snapshot, uint32_t kind, const uint8_t *key, uint32_t length)"
  ),
  blobLength: native.func("int32_t fce_blob_len(double blob)"),
  blobRead: native.func("int32_t fce_blob_read(double blob, uint32_t offset, uint8_t *out, uint32_t capacity)"),
  blobFree: native.func("int32_t fce_blob_free(double blob)"),
  evaluate: native.func("int32_t fce_evaluate(double arena, double snapshot, uint32_t flag)"),
  evaluateBatch: native.func("int32_t fce_evaluate_batch(double arena, double snapshot, uint32_t count)"),
  stat: native.func("double fce_stat(uint32_t which)"),
  testPanic: native.func("int32_t fce_test_panic()")
})

/**
 * The libraries that this thread has loaded. Global, because neither the dynamic loader nor koffi frees a loaded library:
 * binding its functions again for each Engine layer would leak.
 */
const libraries = globalValue("flipt-client-effect/native/libraries", () => new Map<string, Library>())

/** The functions of koffi that are used here. */
interface Koffi {
  readonly load: (path: string) => LibraryHandle
}

/** Loads the library as a Node-API addon: its functions by name. */
const addon = (path: string): Functions => {
  const module: { exports: Readonly<Record<string, (...args: Array<unknown>) => number>> } = { exports: {} }
  process.dlopen(module, path)
  return {
    func: (declaration) => {
      const name = /fce_\w+/.exec(declaration)?.[0] ?? declaration
      const found = module.exports[name]
      if (found === undefined) {
        throw new Error(`it has no function ${name}. Build or install it again`)
      }
      return found
    }
  }
}

const open = (path: string, native: Functions): Library => {
  const version: number = native.func("uint32_t fce_abi_version()")()
  if (version !== ABI_VERSION) {
    throw new Error(`it has ABI version ${version} instead of ${ABI_VERSION}. Build or install it again`)
  }
  if (!isMainThread) {
    // a worker thread can be terminated, and then no Scope closes what it has open
    native.func("int32_t fce_thread_owns()")()
  }
  const library = bind(path, native)
  libraries.set(path, library)
  return library
}

/**
 * Loads the library from a path. Worker threads load it as an addon, because a thread that is terminated while koffi loads
 * aborts the process. The main thread uses koffi, which can call a function on another thread.
 */
export const loadFrom = (path: string): Effect.Effect<Library, EngineError> =>
  Effect.gen(function* () {
    const known = libraries.get(path)
    if (known !== undefined) {
      return known
    }
    // Finding and opening the library takes ten milliseconds, so it gets a turn of the event loop of its own.
    yield* yieldForTurn
    const koffi = isMainThread ? ((yield* requireOptional("koffi")) as Koffi) : undefined
    const library = yield* Effect.try({
      try: () => open(path, koffi === undefined ? addon(path) : koffi.load(path)),
      catch: (cause) => loadError(`${printable(path)} does not load: ${errorMessage(cause)}`, cause)
    })
    yield* yieldToEventLoop
    return library
  })

/** Loads the library from the path, or from where {@link locate} finds it. */
export const load = (path: string | undefined): Effect.Effect<Library, EngineError> =>
  Effect.flatMap(locate(path), loadFrom)
