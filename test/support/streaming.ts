/**
 * Streaming clients and Fetchers, for a server whose streams the test writes.
 */
import * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Auth from "../../src/Auth.js"
import * as Engine from "../../src/Engine.js"
import * as Fetcher from "../../src/Fetcher.js"
import * as FliptClient from "../../src/FliptClient.js"
import type { FetchError } from "../../src/FliptError.js"
import type * as Status from "../../src/Status.js"
import * as Tls from "../../src/Tls.js"
import { onDocument } from "./documents.js"
import * as FliptServer from "./FliptServer.js"
import { awaitSleepOf, untilOf } from "./wait.js"

export interface Parts {
  readonly auth?: Layer.Layer<Auth.Auth>
  readonly engine?: Layer.Layer<Engine.Engine>
  readonly http?: Layer.Layer<HttpClient.HttpClient>
  readonly errorStrategy?: "fail" | "fallback"
}

/**
 * The fixed random number: a delay is this share of the maximum, and the first poll comes after this share of an
 * interval.
 */
export const CHANCE = 0.7

export const layerFetcher = (options: Fetcher.Options, { auth = Auth.layerNone, http }: Parts) =>
  Fetcher.layerStreaming({ requestTimeout: Number.POSITIVE_INFINITY, ...options }).pipe(
    Layer.provide([http ?? Layer.provide(Tls.layerHttpClient, Tls.layerSystem), auth])
  )

/** A client without retries that keeps serving its state in an outage. */
export const makeClient = (options: Fetcher.Options, parts: Parts = {}, chance = CHANCE) =>
  Layer.build(
    FliptClient.layerWithoutDependencies({ errorStrategy: parts.errorStrategy ?? "fallback" }).pipe(
      Layer.provide([layerFetcher(options, parts), parts.engine ?? Engine.layerPortable])
    )
  ).pipe(
    Effect.map(Context.get(FliptClient.FliptClient)),
    Effect.provideService(Fetcher.RetryPolicy, Schedule.stop),
    Effect.withRandom(Random.fixed([chance]))
  )

/**
 * Collects the events of a Fetcher, like a client that has loaded this version. By default, a refresh finds nothing
 * new.
 */
export const listenTo = (
  options: Fetcher.Options,
  parts: Parts & {
    readonly loaded?: Fetcher.Version
    readonly refresh?: Fetcher.Listener["refresh"]
    readonly handle?: (event: Fetcher.Event) => Effect.Effect<unknown>
  } = {}
) =>
  Effect.gen(function* () {
    const fetcher = Context.get(yield* Layer.build(layerFetcher(options, parts)), Fetcher.Fetcher)
    const events: Array<Fetcher.Event> = []
    yield* fetcher
      .events({
        loaded: Effect.succeed(Option.fromNullable(parts.loaded)),
        isPushed: Effect.succeed(false),
        isReady: Effect.succeed(parts.loaded !== undefined),
        refresh: parts.refresh ?? Effect.succeed(false)
      })
      .pipe(
        Stream.runForEach((event) =>
          Effect.suspend(() => {
            events.push(event)
            return parts.handle?.(event) ?? Effect.void
          })
        ),
        Effect.withRandom(Random.fixed([CHANCE])),
        Effect.forkScoped
      )
    return events
  })

export const pushedIn = (events: ReadonlyArray<Fetcher.Event>): ReadonlyArray<string> =>
  events.flatMap((event) => (event._tag === "Pushed" ? [Buffer.concat([...event.bytes]).toString()] : []))

export const failedIn = (events: ReadonlyArray<Fetcher.Event>): ReadonlyArray<FetchError> =>
  events.flatMap((event) => (event._tag === "Failed" ? [event.error] : []))

export const isOn = (client: FliptClient.Service) =>
  Effect.map(client.evaluateBoolean({ flagKey: "on", entityId: "user-1" }), (result) => result.enabled)

/** Waits, in real time, until the status is as described, and returns it. */
export const awaitStatus = (client: FliptClient.Service, holds: (status: Status.Status) => boolean) =>
  untilOf(client.status, holds)

export const awaitOn = (client: FliptClient.Service, enabled: boolean) => untilOf(isOn(client), (is) => is === enabled)

/** The time that a stream has to push a change that a request has already found. */
export const grace = Effect.zipRight(awaitSleepOf(1000), TestClock.adjust(1000))

export const yes = onDocument(true)
export const no = onDocument(false)

/** A server whose streams send only what the test writes. */
export const scripted = FliptServer.make({ streams: "scripted", documents: { default: yes } })

/** A line of a stream with this text, which need not be valid, as the document. */
export const line = (text: string): string => `{"result":${text}}\n`

export const counting = () => {
  const counts = { authorized: 0, rejected: [] as Array<string | undefined> }
  const layer = Layer.succeed(Auth.Auth, {
    authorize: Effect.sync(() => Headers.fromInput({ authorization: `Bearer token-${++counts.authorized}` })),
    invalidate: (rejected) => Effect.sync(() => void counts.rejected.push(rejected.authorization))
  })
  return { counts, layer }
}
