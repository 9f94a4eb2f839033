/**
 * Polling Fetchers, and single fetches.
 */
import * as Http from "node:http"
import * as Headers from "@effect/platform/Headers"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Auth from "../../src/Auth.js"
import * as Fetcher from "../../src/Fetcher.js"
import type { FetchError, ValidationError } from "../../src/FliptError.js"
import { retryPolicy } from "../../src/internal/fetch/schedules.js"
import * as Tls from "../../src/Tls.js"
import { booleanFlag, makeDocument } from "./documents.js"
import * as FliptServer from "./FliptServer.js"
import { listen } from "./Listener.js"
import { errorOf } from "./updates.js"

export type Policy = Schedule.Schedule<unknown, FetchError>

export interface Parts {
  readonly auth?: Layer.Layer<Auth.Auth, ValidationError>
  readonly policy?: Policy
  readonly tls?: Layer.Layer<Tls.Tls>
}

/** Three retries without delays. */
export const atOnce: Policy = Schedule.recurs(3)

export const makeFetcher = (
  options?: Fetcher.Options,
  { auth = Auth.layerNone, policy = atOnce, tls = Tls.layerSystem }: Parts = {}
): Effect.Effect<Fetcher.Service, ValidationError, Scope.Scope> =>
  Layer.build(Fetcher.layerPolling(options).pipe(Layer.provide([Layer.provide(Tls.layerHttpClient, tls), auth]))).pipe(
    Effect.map(Context.get(Fetcher.Fetcher)),
    Effect.provideService(Fetcher.RetryPolicy, policy)
  )

/** A fetch for a client that has loaded nothing. */
export const fetchOf = (options?: Fetcher.Options, parts?: Parts) =>
  Effect.flatMap(makeFetcher(options, parts), (fetcher) => fetcher.fetch(Option.none()))

export const failureOf = (options?: Fetcher.Options, parts?: Parts) =>
  Effect.flatMap(makeFetcher(options, parts), (fetcher) => errorOf(fetcher.fetch(Option.none())))

/** The same with the default retry policy. */
export const defaultPolicy: Parts = { policy: retryPolicy }
export const never: Parts = { policy: Schedule.stop }

export const small = makeDocument([booleanFlag("on", true)])

/** Too large for one packet or one chunk of a decoder, and hard to compress. */
export const large = makeDocument(
  Array.from({ length: 5000 }, (_, n) => booleanFlag(`flag-${n}-${(n * 2654435761).toString(36)}`, n % 3 === 0))
)

export const serve = (options: FliptServer.Options = {}) =>
  FliptServer.make({ documents: { default: small }, ...options })

export function* endless(text: string) {
  while (true) {
    yield text
  }
}

/** An Auth that counts its calls. */
export const counting = () => {
  const counts = { authorized: 0, rejected: [] as Array<Headers.Headers> }
  const layer = Layer.succeed(Auth.Auth, {
    authorize: Effect.sync(() => Headers.fromInput({ authorization: `Bearer token-${++counts.authorized}` })),
    invalidate: (rejected) => Effect.sync(() => void counts.rejected.push(rejected))
  })
  return { counts, layer }
}

/** Starts a fetch without retries, and returns it with the response, which the test writes. */
export const begun = (options: Fetcher.Options) =>
  Effect.gen(function* () {
    const answer = yield* Deferred.make<Http.ServerResponse>()
    const server = Http.createServer((_, response) => Deferred.unsafeDone(answer, Effect.succeed(response)))
    const url = http(yield* listen(server))
    const fetching = yield* Effect.fork(Effect.either(fetchOf({ ...options, url }, never)))
    return { fetching, response: yield* Deferred.await(answer) }
  })

export const http = (port: number) => `http://127.0.0.1:${port}`
