/**
 * The Fetcher that receives documents over a stream, and also polls: streams have no heartbeat, so only a request reveals
 * a dead stream.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type * as Auth from "../../Auth.js"
import type * as Fetcher from "../../Fetcher.js"
import { FetchError, type RefreshError, type ValidationError } from "../../FliptError.js"
import { printable } from "../util/outsideText.js"
import { Event } from "./event.js"
import { decodeFetcher, type FetcherSettings } from "./options.js"
import { periodicChecks } from "./periodicChecks.js"
import { withoutUnhandledLogs } from "./request.js"
import { type Policy, retry } from "./retry.js"
import { reconnectSchedule, type StreamEnd } from "./schedules.js"
import { makeServer, type Server, streamUrl, toSource } from "./server.js"
import { fetchSnapshot } from "./snapshotRequest.js"
import { connected, disconnected, type Emit, readStream } from "./stream.js"

/**
 * How long to wait before an open stream counts as connected, and before a change counts as missed. A server sends the
 * head of its response with the first frame, so silence is the only sign of an open stream.
 */
const GRACE = Duration.seconds(1)

/** How long to poll a server without streams before trying again. Random, to spread the attempts of many clients. */
const pollingDuration = Effect.map(Random.nextRange(0.5, 1.5), Duration.hours)
const UNSUPPORTED_STATUSES: ReadonlySet<number> = new Set([404, 405, 501])

/**
 * Verifies a stream by polling. Fails when the stream is not reliable: a request failed, or a request, by whichever
 * caller, returned a state that the stream should have pushed.
 */
const verify = (
  settings: FetcherSettings,
  listener: Fetcher.Listener,
  opened: Option.Option<Fetcher.Version>,
  emit: Emit
): Effect.Effect<never, RefreshError> =>
  Effect.gen(function* () {
    /** The latest version known to come from the stream. */
    let streamed = opened
    const hasMissed = Effect.gen(function* () {
      const loaded = yield* listener.loaded
      if (yield* listener.isPushed) {
        streamed = loaded
      }
      return !Equal.equals(loaded, streamed)
    })
    yield* Effect.sleep(GRACE)
    yield* emit(connected)
    yield* Stream.runForEach(periodicChecks(settings.updateInterval), () =>
      Effect.gen(function* () {
        yield* hasMissed
        yield* listener.refresh
        if (yield* hasMissed) {
          // The request may only have been faster than the stream.
          yield* Effect.sleep(GRACE)
          if (yield* hasMissed) {
            return yield* new FetchError({
              reason: "Network",
              retryable: true,
              message: `GET ${printable(streamUrl(settings, Option.none()))}: the stream missed a change`
            })
          }
        }
      })
    )
    return yield* Effect.never
  })

/** Makes a request, then reads a stream until it or a verifying request fails. */
const runStream = (
  server: Server,
  listener: Fetcher.Listener,
  request: Effect.Effect<unknown, RefreshError>,
  emit: Emit
): Effect.Effect<StreamEnd> =>
  Effect.gen(function* () {
    const requested = yield* Effect.either(request)
    if (Either.isLeft(requested)) {
      return { error: requested.left, lifetime: Option.none() }
    }
    const openedAt = yield* Clock.currentTimeMillis
    const loaded = yield* listener.loaded
    const error = yield* Effect.raceFirst(
      Effect.flip(readStream(server, loaded, emit)),
      Effect.flip(verify(server.settings, listener, loaded, emit))
    ).pipe(withoutUnhandledLogs)
    return { error, lifetime: Option.some(Duration.millis((yield* Clock.currentTimeMillis) - openedAt)) }
  })

/** The status with which the server refused to open a stream. */
const refusedStatus = ({ error, lifetime }: StreamEnd): number | undefined =>
  Option.isSome(lifetime) && error._tag === "FetchError" ? error.status : undefined

/** Opens one stream after another. Polls for a while if the server does not support streams. */
const run = (server: Server, listener: Fetcher.Listener, emit: Emit): Effect.Effect<never> =>
  Effect.gen(function* () {
    const driver = yield* Schedule.driver(reconnectSchedule)
    const request = Effect.asVoid(listener.refresh)
    // The client has already made its first request.
    let skipRequest = yield* listener.isReady
    let problem: "refused" | "unsupported" | undefined
    /** Logs the first message of a problem as a warning, and repetitions at Debug level. */
    const logOnce = (kind: typeof problem, message: string) => {
      const log = kind === undefined || kind === problem ? Effect.logDebug : Effect.logWarning
      problem = kind
      return log(message)
    }
    for (;;) {
      const ended = yield* runStream(server, listener, skipRequest ? Effect.void : request, emit)
      yield* emit(disconnected)

      const status = refusedStatus(ended)
      // A missing environment has the same statuses, but then a request fails too: the one before the stream, or one now.
      const isUnsupported =
        status !== undefined && UNSUPPORTED_STATUSES.has(status) && (!skipRequest || (yield* Effect.isSuccess(request)))
      skipRequest = false
      if (isUnsupported) {
        yield* logOnce(
          "unsupported",
          `Flipt: GET ${printable(streamUrl(server.settings, Option.none()))}: status ${status}: the server has no streams and is polled instead; streams require Flipt v2`
        )
        yield* emit(Event.Mode({ mode: "polling", connected: true }))
        yield* Stream.runForEach(periodicChecks(server.settings.updateInterval), emit).pipe(
          Effect.timeoutOption(yield* pollingDuration)
        )
        yield* emit(disconnected)
      } else {
        yield* logOnce(
          // A failed request does not tell whether streams work, so the last problem stands.
          status !== undefined ? "refused" : Option.isNone(ended.lifetime) ? problem : undefined,
          `Flipt: the stream ended and will be opened again: ${ended.error.message}`
        )
        yield* Effect.orDie(driver.next(ended))
      }
    }
  })

export const fromSettings = (
  settings: FetcherSettings,
  policy: Policy
): Effect.Effect<Fetcher.Service, never, HttpClient.HttpClient | Auth.Auth> =>
  Effect.map(makeServer(settings), (server) => ({
    source: toSource("streaming", settings),
    fetch: (loaded) => fetchSnapshot(server, loaded).pipe(retry(policy)),
    events: (listener) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          // Capacity 1: the stream is not read further until the previous document is loaded.
          const events = yield* Mailbox.make<Fetcher.Event>(1)
          yield* run(server, listener, (event) => events.offer(event)).pipe(Mailbox.into(events), Effect.forkScoped)
          return Mailbox.toStream(events)
        })
      )
  }))

export const make = (
  options: Fetcher.Options | undefined,
  policy: Policy
): Effect.Effect<Fetcher.Service, ValidationError, HttpClient.HttpClient | Auth.Auth> =>
  Effect.flatMap(decodeFetcher(options), (settings) => fromSettings(settings, policy))
