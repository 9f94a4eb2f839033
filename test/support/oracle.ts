/**
 * The official engine, for comparisons. It answers in the form of the corpus: with sorted segment keys, because the
 * engine's order is random, and without timestamps and durations.
 */
import { FliptClient } from "@flipt-io/flipt-client-js"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** The official client takes only strings. */
export interface Request {
  readonly flagKey: string
  readonly entityId: string
  readonly context: Readonly<Record<string, string>>
}

export type Answer<A> = { readonly ok: A } | { readonly error: string }

export type Result = Readonly<Record<string, unknown>>

export interface Oracle {
  readonly variant: (request: Request) => Answer<Result>
  readonly boolean: (request: Request) => Answer<Result>
  /** Unlike its other functions, the official client does not reject blank keys here. */
  readonly batch: (requests: ReadonlyArray<Request>) => Answer<ReadonlyArray<Result>>
  /** In the engine's own order. */
  readonly flags: ReadonlyArray<Result & { readonly key: string }>
  /** Base64 text. */
  readonly seed: string
}

/** The part of the official client that is used here. Its own declarations do not resolve in an ESM project. */
interface Official {
  readonly engine: RawEngine
  readonly evaluateVariant: (request: Request) => Result
  readonly evaluateBoolean: (request: Request) => Result
  readonly evaluateBatch: (requests: ReadonlyArray<Request>) => { readonly responses: ReadonlyArray<Result> }
  readonly listFlags: () => Oracle["flags"]
  readonly getSnapshot: () => string
}

/** The WebAssembly engine inside a client. */
interface RawEngine {
  readonly snapshot: (document: unknown) => void
  readonly seed_snapshot: (seed: string) => void
  readonly free: () => void
}

interface Classes {
  readonly Client: new (engine: RawEngine, fetcher: () => Promise<Response>) => Official
  readonly Engine: new (namespace: string) => RawEngine
}

const Client = FliptClient as unknown as Classes["Client"] & {
  readonly init: (options: {
    readonly namespace: string
    readonly fetcher: () => Promise<Response>
  }) => Promise<Official>
}

const notice = /^using deprecated parameters for the initialization function/

/**
 * Creates the first client through the official API, which starts the engine and prints a notice about the official
 * client's own use of it. Since that compiles the module each time, other clients are created from its engine's class.
 */
const start = async (): Promise<Classes> => {
  const warn = console.warn
  console.warn = (...values: ReadonlyArray<unknown>) => {
    if (!notice.test(String(values[0]))) {
      warn(...values)
    }
  }
  try {
    const document = JSON.stringify({ namespace: { key: "default" }, flags: [] })
    const { engine } = await Client.init({
      namespace: "default",
      fetcher: () => Promise.resolve(new Response(document))
    })
    engine.free()
    return { Client, Engine: engine.constructor as Classes["Engine"] }
  } finally {
    console.warn = warn
  }
}

let started: Promise<Classes> | undefined

const classes = Effect.promise(() => {
  started ??= start()
  return started
})

/** The official engine throws strings as well as Errors. */
const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

const attempt = <A>(evaluate: () => A): Answer<A> => {
  try {
    return { ok: evaluate() }
  } catch (thrown) {
    return { error: messageOf(thrown) }
  }
}

const normalize = ({ requestDurationMillis: _, timestamp: __, ...result }: Result): Result =>
  Array.isArray(result.segmentKeys) ? { ...result, segmentKeys: [...result.segmentKeys].sort() } : result

const normalizeEntry = ({ type, ...rest }: Result): Result => {
  const kind = /^[A-Z]+/.exec(String(type))![0].toLowerCase()
  return { type, [kind]: normalize(rest[`${kind}EvaluationResponse`] as Result) }
}

const make = (namespace: string, fill: (engine: RawEngine) => void): Effect.Effect<Oracle, string, Scope.Scope> =>
  Effect.gen(function* () {
    const { Client, Engine } = yield* classes
    const engine = yield* Effect.acquireRelease(
      Effect.sync(() => new Engine(namespace)),
      // the engine's memory is not garbage collected in time
      (engine) => Effect.sync(() => engine.free())
    )
    yield* Effect.try({ try: () => fill(engine), catch: messageOf })
    const client = new Client(engine, () => Promise.reject(new Error("the oracle fetches nothing")))
    return {
      variant: (request) => attempt(() => normalize(client.evaluateVariant(request))),
      boolean: (request) => attempt(() => normalize(client.evaluateBoolean(request))),
      batch: (requests) => attempt(() => client.evaluateBatch(requests).responses.map(normalizeEntry)),
      get flags() {
        return client.listFlags()
      },
      get seed() {
        return client.getSnapshot()
      }
    }
  })

/** Loads a document into the official engine. Fails with the engine's reason if it refuses the document. */
export const load = (namespace: string, document: unknown): Effect.Effect<Oracle, string, Scope.Scope> =>
  // through JSON, because the official client receives JSON
  make(namespace, (engine) => engine.snapshot(JSON.parse(JSON.stringify(document))))

/** Loads a seed into the official engine. Fails with the engine's reason if it refuses the seed. */
export const restore = (namespace: string, seed: string): Effect.Effect<Oracle, string, Scope.Scope> =>
  make(namespace, (engine) => engine.seed_snapshot(seed))
