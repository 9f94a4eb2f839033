/**
 * The Fetcher that receives documents over a stream, and also polls: streams have no heartbeat, so only a request reveals
 * a dead stream.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Auth from "../../Auth.js"
import type * as Fetcher from "../../Fetcher.js"
import { FetchError, type RefreshError, type ValidationError } from "../../FliptError.js"
import { withoutUnhandledLogs } from "../util/fiber.js"
import { printable } from "../util/outsideText.js"
import { makeWaits } from "../util/schedule.js"
import { Event } from "./event.js"
import * as LatestEvents from "./latestEvents.js"
import { decodeFetcher, type FetcherSettings } from "./options.js"
import { periodicChecks } from "./periodicChecks.js"
import type { Policy } from "./retry.js"
import { isHealthy, randomDuration, reconnectSchedule, type StreamEnd } from "./schedules.js"
import { type Server, streamUrl } from "./server.js"
import { makeService } from "./service.js"
import { disconnected, type Emit, readStream } from "./stream.js"

/** How long a stream may lag behind a request before a change counts as missed. */
const GRACE = Duration.seconds(1)

/** How long to poll a server without streams before trying again. Random, to spread the attempts of many clients. */
const pollingDuration = randomDuration(Duration.minutes(30), Duration.minutes(90))
const UNSUPPORTED_STATUSES: ReadonlySet<number> = new Set([404, 405, 501])

/** The polls that verify an open stream. */
interface Watch {
  readonly poll: Effect.Effect<void>
  /** Fails when the stream is not reliable. */
  readonly broken: Effect.Effect<never, RefreshError>
}

/**
 * Verifies a stream by polling. It is not reliable if a request failed, or if a request, by whichever caller, returned a
 * state that the stream should have pushed.
 */
const makeWatch = (
  settings: FetcherSettings,
  listener: Fetcher.Listener,
  opened: Option.Option<Fetcher.Version>
): Effect.Effect<Watch> =>
  Effect.map(Deferred.make<never, RefreshError>(), (broken) => {
    /** The latest version known to come from the stream. */
    let streamed = opened
    const hasMissed = Effect.gen(function* () {
      const loaded = yield* listener.loaded
      if (yield* listener.isPushed) {
        streamed = loaded
      }
      return !Equal.equals(loaded, streamed)
    })
    const verify = Effect.gen(function* () {
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
    return {
      poll: Effect.catchAll(verify, (error) => Effect.asVoid(Deferred.fail(broken, error))),
      broken: Deferred.await(broken)
    }
  })

interface Ended extends StreamEnd {
  /** The status with which the server refused the stream itself, as opposed to a request for the snapshot. */
  readonly refusal: number | undefined
}

/** Makes a request, then reads a stream until it ends or a poll finds it unreliable. `setWatch` receives its watch. */
const runStream = (
  server: Server,
  listener: Fetcher.Listener,
  request: Effect.Effect<unknown, RefreshError>,
  emit: Emit,
  setWatch: (watch: Watch | undefined) => void
): Effect.Effect<Ended> =>
  Effect.gen(function* () {
    const requested = yield* Effect.either(request)
    if (Either.isLeft(requested)) {
      return { error: requested.left, lifetime: Option.none(), refusal: undefined }
    }
    const openedAt = yield* Clock.currentTimeMillis
    const loaded = yield* listener.loaded
    const watch = yield* makeWatch(server.settings, listener, loaded)
    setWatch(watch)
    const { error, refusal } = yield* Effect.raceFirst(
      Effect.flip(readStream(server, loaded, emit)).pipe(Effect.map((error) => ({ error, refusal: error.status }))),
      Effect.flip(watch.broken).pipe(Effect.map((error) => ({ error, refusal: undefined })))
    ).pipe(withoutUnhandledLogs, Effect.ensuring(Effect.sync(() => setWatch(undefined))))
    const lifetime = Option.some(Duration.millis((yield* Clock.currentTimeMillis) - openedAt))
    return { error, lifetime, refusal }
  })

/** Opens one stream after another. Pauses for a while if the server does not support streams. */
const runStreams = (
  server: Server,
  listener: Fetcher.Listener,
  emit: Emit,
  setWatch: (watch: Watch | undefined) => void
): Effect.Effect<never> =>
  Effect.gen(function* () {
    const waitAfter = yield* makeWaits(reconnectSchedule)
    const request = Effect.asVoid(listener.refresh)
    // The client has already made its first request.
    let skipRequest = yield* listener.isReady
    let problem: "refused" | "unsupported" | undefined
    /** Logs the first message of a problem as a warning, and repetitions at Debug level. */
    const logOnce = (kind: typeof problem, message: string) => {
      const log = kind === undefined || kind === problem ? Effect.logDebug : Effect.logWarning
      problem = kind ?? problem
      return log(message)
    }
    for (;;) {
      const ended = yield* runStream(server, listener, skipRequest ? Effect.void : request, emit, setWatch)
      emit(disconnected)

      skipRequest = false
      const status = ended.refusal
      // A missing environment has the same statuses, but then a request fails too.
      const isUnsupported =
        status !== undefined && UNSUPPORTED_STATUSES.has(status) && (yield* Effect.isSuccess(request))
      if (isUnsupported) {
        yield* logOnce(
          "unsupported",
          `Flipt: GET ${printable(streamUrl(server.settings, Option.none()))}: status ${status}: the server has no streams and is polled instead; streams require Flipt v2`
        )
        emit(Event.Mode({ mode: "polling", connected: true }))
        yield* Effect.sleep(yield* pollingDuration)
        emit(disconnected)
      } else {
        if (isHealthy(ended)) {
          problem = undefined
        }
        yield* logOnce(
          status === undefined ? undefined : "refused",
          `Flipt: the stream ended and will be opened again: ${ended.error.message}`
        )
        yield* waitAfter(ended)
      }
    }
  })

/** Polls at a steady pace, even if streams fail, so that no client is behind for longer than the interval. */
const run = (server: Server, listener: Fetcher.Listener, emit: Emit): Effect.Effect<never> =>
  Effect.suspend(() => {
    let watch: Watch | undefined
    const poll = Effect.suspend(() => watch?.poll ?? Effect.ignore(listener.refresh))
    const polls = Stream.runForEach(periodicChecks(server.settings.updateInterval), () => poll)
    const streams = runStreams(server, listener, emit, (next) => {
      watch = next
    })
    return Effect.map(Effect.all([polls, streams], { concurrency: "unbounded" }), ([, ended]) => ended)
  })

export const fromSettings = (
  settings: FetcherSettings,
  policy: Policy
): Effect.Effect<Fetcher.Service, never, HttpClient.HttpClient | Auth.Auth> =>
  makeService(
    "streaming",
    settings,
    policy,
    (server) => (listener) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const { events, fail, offer } = yield* LatestEvents.make
          yield* Effect.forkScoped(
            Effect.catchAllCause(run(server, listener, offer), (cause) => Effect.sync(() => fail(cause)))
          )
          return events
        })
      )
  )

export const make = (
  options: Fetcher.Options | undefined,
  policy: Policy
): Effect.Effect<Fetcher.Service, ValidationError, HttpClient.HttpClient | Auth.Auth> =>
  Effect.flatMap(decodeFetcher(options), (settings) => fromSettings(settings, policy))
