/**
 * The Fetcher that lets a Flipt server push its documents, and asks for them beside that: a stream has no heartbeat, so
 * only a request finds out that one is dead.
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
import { type Attempt, bodyTooLargeError, requestError, serverMessage, statusError, transportError } from "./errors.js"
import { Event } from "./event.js"
import { type Line, makeLineSplitter, parseFrame } from "./frames.js"
import { decodeFetcher, type FetcherSettings } from "./options.js"
import { periodicChecks } from "./periodicChecks.js"
import { execute, fetchSnapshot } from "./request.js"
import { type Policy, retry } from "./retry.js"
import { reconnectSchedule, type StreamEnd } from "./schedules.js"
import { makeServer, type Server, streamUrl, toSource } from "./server.js"

/** A server holds the head of its answer back until there is a frame: an open stream is one of which nothing is heard. */
const SETTLE = Duration.seconds(1)

/** How long a server without streams is polled before it is asked for one again: not by all clients at once. */
const withoutStream = Effect.map(Random.nextRange(0.5, 1.5), Duration.hours)
const NO_STREAM: ReadonlySet<number> = new Set([404, 405, 501])

/** What proxies answer in the place of a server, with whatever status. */
const htmlPattern = /^\s*text\/html\b/i

type Emit = (event: Fetcher.Event) => Effect.Effect<unknown>

const connected = Event.Mode({ mode: "streaming", connected: true })
const disconnected = Event.Mode({ mode: "streaming", connected: false })

const broken = (attempt: Attempt, what: string): FetchError =>
  requestError(attempt, what, { reason: "Network", retryable: true })

/** What a line has to say, if anything, or why the stream is over. */
const readLine = (attempt: Attempt, line: Line): Either.Either<Option.Option<Fetcher.Event>, FetchError> => {
  const failed = (error: FetchError) => Either.right(Option.some(Event.Failed({ error })))
  if (line === "TooLarge") {
    return failed(bodyTooLargeError(attempt))
  }
  const frame = parseFrame(line)
  switch (frame._tag) {
    case "Document":
      return frame.size > attempt.settings.maxBodySize
        ? failed(bodyTooLargeError(attempt))
        : Either.right(Option.some(Event.Pushed({ bytes: frame.bytes, version: Option.none() })))
    case "Error":
      return Either.left(broken(attempt, `the server ended the stream: ${serverMessage(attempt, frame.bytes)}`))
    case "Bad":
      return failed(
        requestError(attempt, "a frame of the stream holds no document; the next request repairs it", {
          reason: "Body",
          retryable: false
        })
      )
    case "Blank":
      return Either.right(Option.none())
  }
}

/**
 * Passes on what lines say. A bad one is told and passed over, and a request is to repair what it spoiled: at once, but
 * for a run of them only the first time.
 */
const makeLineHandler = (attempt: Attempt, emit: Emit): ((line: Line) => Effect.Effect<void, FetchError>) => {
  let wasBad = false
  return (line) =>
    Effect.gen(function* () {
      const event = yield* readLine(attempt, line)
      if (Option.isNone(event)) {
        return
      }
      yield* emit(event.value)
      const isBad = event.value._tag === "Failed"
      if (isBad && !wasBad) {
        yield* emit(Event.Check())
      }
      wasBad = isBad
    })
}

/** One stream: passes on what it brings, and fails with the reason why it ended. */
const readStream = (
  server: Server,
  loaded: Option.Option<Fetcher.Version>,
  emit: Emit
): Effect.Effect<never, FetchError> =>
  Effect.gen(function* () {
    const { attempt, response } = yield* execute(server, {
      url: streamUrl(server.settings, loaded),
      loaded: Option.none(),
      timeout: Duration.infinity
    })
    if (response.status !== 200) {
      return yield* statusError(attempt, response)
    }
    if (htmlPattern.test(response.headers["content-type"] ?? "")) {
      return yield* requestError(
        attempt,
        "status 200: the answer is text/html and no stream; a proxy may have sent it",
        {
          reason: "Body",
          status: 200,
          retryable: true
        }
      )
    }
    yield* emit(connected)
    const split = makeLineSplitter(server.settings.maxBodySize)
    const handleLine = makeLineHandler(attempt, emit)
    yield* response.stream.pipe(
      Stream.mapError((error) => transportError(attempt, error, "the stream broke off")),
      Stream.runForEach((chunk) => Effect.forEach(split(chunk), handleLine, { discard: true }))
    )
    return yield* broken(attempt, "the server ended the stream")
  }).pipe(Effect.scoped)

/**
 * Asks beside a stream, and fails when that is not to be relied on: a request failed, or a request has brought what the
 * stream should have, whoever made it.
 */
const watch = (
  settings: FetcherSettings,
  listener: Fetcher.Listener,
  opened: Option.Option<Fetcher.Version>,
  emit: Emit
): Effect.Effect<never, RefreshError> =>
  Effect.gen(function* () {
    /** What the stream has brought, as far as it was seen. */
    let known = opened
    const hasMissed = Effect.gen(function* () {
      const loaded = yield* listener.loaded
      if (yield* listener.isPushed) {
        known = loaded
      }
      return !Equal.equals(loaded, known)
    })
    yield* Effect.sleep(SETTLE)
    yield* emit(connected)
    yield* Stream.runForEach(periodicChecks(settings.updateInterval), () =>
      Effect.gen(function* () {
        yield* hasMissed
        yield* listener.refresh
        if (yield* hasMissed) {
          // a request may just have been quicker
          yield* Effect.sleep(SETTLE)
          if (yield* hasMissed) {
            return yield* new FetchError({
              reason: "Network",
              retryable: true,
              message: `GET ${streamUrl(settings, Option.none())}: the stream has missed a change`
            })
          }
        }
      })
    )
    return yield* Effect.never
  })

/** A request, then a stream, until either fails. */
const connection = (
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
    const opened = yield* Clock.currentTimeMillis
    const loaded = yield* listener.loaded
    const error = yield* Effect.raceFirst(
      Effect.flip(readStream(server, loaded, emit)),
      Effect.flip(watch(server.settings, listener, loaded, emit))
    )
    return { error, lifetime: Option.some(Duration.millis((yield* Clock.currentTimeMillis) - opened)) }
  })

/** The server has answered, and has not opened a stream. */
const refusal = ({ error, lifetime }: StreamEnd): number | undefined =>
  Option.isSome(lifetime) && error._tag === "FetchError" ? error.status : undefined

/** Opens one stream after the other, and polls for a while where there is none to be had. */
const run = (server: Server, listener: Fetcher.Listener, emit: Emit): Effect.Effect<never> =>
  Effect.gen(function* () {
    const driver = yield* Schedule.driver(reconnectSchedule)
    const execute = Effect.asVoid(listener.refresh)
    // The client's own first request need not be made again.
    let isAsked = yield* listener.isReady
    let told: "refused" | "no streams" | undefined
    /** Trouble of a kind is told once, until it is over or another. */
    const tell = (kind: typeof told, message: string) => {
      const log = kind === undefined || kind === told ? Effect.logDebug : Effect.logWarning
      told = kind
      return log(message)
    }
    for (;;) {
      const ended = yield* connection(server, listener, isAsked ? Effect.void : execute, emit)
      yield* emit(disconnected)

      const status = refusal(ended)
      // An environment that there is not is refused alike, and then a request is too: the one before, or one now.
      const hasNone = status !== undefined && NO_STREAM.has(status) && (!isAsked || (yield* Effect.isSuccess(execute)))
      isAsked = false
      if (hasNone) {
        yield* tell(
          "no streams",
          `Flipt: the server has no streams and is polled; streams need Flipt v2: GET ${streamUrl(server.settings, Option.none())}: status ${status}`
        )
        yield* emit(Event.Mode({ mode: "polling", connected: true }))
        yield* Stream.runForEach(periodicChecks(server.settings.updateInterval), emit).pipe(
          Effect.timeoutOption(yield* withoutStream)
        )
        yield* emit(disconnected)
      } else {
        yield* tell(
          // a failed request says nothing of streams
          status !== undefined ? "refused" : Option.isNone(ended.lifetime) ? told : undefined,
          `Flipt: the stream is over and will be opened again: ${ended.error.message}`
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
          // One event at a time: a document waits for the one before it to be loaded.
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
