/**
 * Shared by the tests of TLS: authorities, certificates, and fetches over their own connections.
 */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Auth from "../../src/Auth.js"
import * as Fetcher from "../../src/Fetcher.js"
import * as FliptClient from "../../src/FliptClient.js"
import type { FetchError, StartError, ValidationError } from "../../src/FliptError.js"
import * as Tls from "../../src/Tls.js"
import { authority, encrypted, loopback, selfSigned } from "./certificates.js"
import { awaitOn } from "./clients.js"
import { onDocument } from "./documents.js"
import * as FliptServer from "./FliptServer.js"
import { untilOf } from "./wait.js"

export const passphrase = "op3n s3same"

const makePki = Effect.gen(function* () {
  const ours = yield* authority("ours")
  const stranger = yield* authority("stranger")
  const intermediate = yield* ours.intermediate
  const client = yield* ours.issue({ name: "client" })
  return {
    ours,
    stranger,
    server: yield* ours.issue({ name: "server", hosts: loopback }),
    named: yield* ours.issue({ name: "named", hosts: [{ type: "dns", value: "flipt.internal" }] }),
    below: yield* intermediate.issue({ name: "below", hosts: loopback }),
    expired: yield* ours.issue({ name: "expired", hosts: loopback, days: 0.5 }),
    early: yield* ours.issue({ name: "early", hosts: loopback, validIn: 1 }),
    itself: yield* selfSigned(loopback),
    client: { ...client, encrypted: encrypted(client.key, passphrase) },
    clientBelow: yield* intermediate.issue({ name: "client below" }),
    strange: yield* stranger.issue({ name: "strange" }),
    strangeServer: yield* stranger.issue({ name: "strange server", hosts: loopback }),
    expiredClient: yield* ours.issue({ name: "expired client", days: 0.5 })
  }
})

/** Created once per test file. */
export const pki = Effect.runSync(Effect.cached(makePki))

export type Pki = Effect.Effect.Success<typeof pki>

/** A stand-in over TLS with one document. */
export const serve = (tls: FliptServer.TlsOptions): Effect.Effect<FliptServer.Server, never, Scope.Scope> =>
  FliptServer.make({ tls, documents: { default: onDocument(true) } })

/** A Fetcher without retries that keeps its connections until the Scope ends. */
export const makeFetcher = <E>(
  tls: Layer.Layer<Tls.Tls, E>,
  options: Fetcher.Options
): Effect.Effect<Fetcher.Service, E | ValidationError, Scope.Scope> =>
  Layer.build(
    Fetcher.layerPolling(options).pipe(Layer.provide([Layer.provide(Tls.layerHttpClient, tls), Auth.layerNone]))
  ).pipe(
    Effect.flatMap((context) => Effect.provide(Fetcher.Fetcher, context)),
    Effect.provideService(Fetcher.RetryPolicy, Schedule.stop)
  )

/** One fetch over a new connection. */
export const fetchWith = <E>(
  tls: Layer.Layer<Tls.Tls, E>,
  options: Fetcher.Options
): Effect.Effect<Fetcher.Update, E | ValidationError | FetchError> =>
  Effect.scoped(Effect.flatMap(makeFetcher(tls, options), (fetcher) => fetcher.fetch(Option.none())))

/** A complete client without retries that learns about changes only through its stream. */
export const makeStreaming = (
  options: FliptClient.Options
): Effect.Effect<FliptClient.Service, StartError, Scope.Scope> =>
  FliptClient.make({ ...options, fetchMode: "streaming", updateInterval: Number.POSITIVE_INFINITY }).pipe(
    Effect.provideService(Fetcher.RetryPolicy, Schedule.stop)
  )

/** Changes the document several times, and waits each time until the client has it. */
export const pushTo = (client: FliptClient.Service, server: FliptServer.Server): Effect.Effect<void> =>
  Effect.forEach(
    [false, true, false, true],
    (enabled) => Effect.zipRight(server.setDocument(onDocument(enabled)), awaitOn(client, enabled)),
    { discard: true }
  )

/** Waits until the server has received `count` requests for streams. */
export const awaitStreams = (
  server: FliptServer.Server,
  count: number
): Effect.Effect<ReadonlyArray<FliptServer.Request>> =>
  Effect.map(server.requests, (requests) => requests.filter(({ path }) => path.endsWith("/stream"))).pipe((streams) =>
    untilOf(streams, ({ length }) => length >= count)
  )

/**
 * Opens a streaming client, pushes several documents to it, and closes it. Fails if it polled or left a connection open.
 */
export const streamWith = (options: FliptClient.Options, server: FliptServer.Server): Effect.Effect<void, StartError> =>
  Effect.gen(function* () {
    const before = (yield* server.requests).length
    yield* Effect.scoped(
      Effect.gen(function* () {
        const client = yield* makeStreaming(options)
        yield* server.awaitRequests(before + 2)
        yield* pushTo(client, server)
      })
    )
    yield* server.awaitConnections(0)
    const paths = (yield* server.requests).slice(before).map(({ path }) => path.split("/").at(-1))
    expect(paths).toEqual(["default", "stream"])
  })
