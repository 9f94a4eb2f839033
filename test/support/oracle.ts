/**
 * The official engine, to compare with. It answers in the corpus's form: segment keys sorted, since the engine's own
 * order is random, and without timestamps and durations.
 */
import { FliptClient } from "@flipt-io/flipt-client-js"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** The official client takes strings alone. */
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
  /** The official client does not look for blank keys here, as it does elsewhere. */
  readonly batch: (requests: ReadonlyArray<Request>) => Answer<ReadonlyArray<Result>>
  /** In an order of the engine's own. */
  readonly flags: ReadonlyArray<Result & { readonly key: string }>
  /** Base64 text. */
  readonly seed: string
}

/** What is used of the official client, whose own declarations do not resolve in an ESM project. */
interface Official {
  readonly engine: { readonly free: () => void }
  readonly evaluateVariant: (request: Request) => Result
  readonly evaluateBoolean: (request: Request) => Result
  readonly evaluateBatch: (requests: ReadonlyArray<Request>) => { readonly responses: ReadonlyArray<Result> }
  readonly listFlags: () => Oracle["flags"]
  readonly getSnapshot: () => string
}

interface Options {
  readonly namespace: string
  readonly fetcher: () => Promise<Response>
  readonly snapshot?: string
  readonly errorStrategy?: "fail" | "fallback"
}

const init: (options: Options) => Promise<Official> = (options) =>
  (FliptClient as unknown as { readonly init: (options: Options) => Promise<Official> }).init(options)

const serve = (document: unknown) => () => Promise.resolve(new Response(JSON.stringify(document)))

const notice = /^using deprecated parameters for the initialization function/

/** The first client starts the engine, which prints a notice about the official client's own use of it. */
const start = async (): Promise<void> => {
  const warn = console.warn
  console.warn = (...values: ReadonlyArray<unknown>) => {
    if (!notice.test(String(values[0]))) {
      warn(...values)
    }
  }
  try {
    const client = await init({ namespace: "default", fetcher: serve({ namespace: { key: "default" }, flags: [] }) })
    client.engine.free()
  } finally {
    console.warn = warn
  }
}

let started: Promise<void> | undefined

/** The official engine throws texts as well as Errors. */
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

const make = (options: Options): Effect.Effect<Oracle, string, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        started ??= start()
        await started
        return await init(options)
      },
      catch: messageOf
    }),
    // the engine lives in memory that JavaScript does not collect in time
    (client) => Effect.sync(() => client.engine.free())
  ).pipe(
    Effect.map((client) => ({
      variant: (request) => attempt(() => normalize(client.evaluateVariant(request))),
      boolean: (request) => attempt(() => normalize(client.evaluateBoolean(request))),
      batch: (requests) => attempt(() => client.evaluateBatch(requests).responses.map(normalizeEntry)),
      get flags() {
        return client.listFlags()
      },
      get seed() {
        return client.getSnapshot()
      }
    }))
  )

/** The official engine over a document, or its reason for not taking it. */
export const load = (namespace: string, document: unknown): Effect.Effect<Oracle, string, Scope.Scope> =>
  make({ namespace, fetcher: serve(document) })

/** The official engine over a seed, or its reason for not taking it. */
export const restore = (namespace: string, seed: string): Effect.Effect<Oracle, string, Scope.Scope> =>
  make({
    namespace,
    snapshot: seed,
    // or else the seed is only taken until the document comes
    errorStrategy: "fallback",
    fetcher: () => Promise.reject(new Error("there is only the seed"))
  })
