/**
 * Reads the published state: once for a fetch, and again whenever Redis reports a change.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Fetcher from "flipt-client-effect/Fetcher"
import { FetchError, type RefreshError } from "flipt-client-effect/FliptError"
import type { Entry } from "flipt-client-effect/SnapshotStore"
import type * as Connection from "../Connection.js"
import type { ReadSettings } from "./options.js"
import type { Found, Published } from "./published.js"

/** The value of `status.mode` while a client reads from Redis. */
export const MODE = "redis"

/** How long the first fetch waits for a confirmed state, and how often it checks. */
const START_TIMEOUT = Duration.seconds(10)
const START_INTERVAL = Duration.millis(250)
/** How often to read again after a change that another caller's fetch may have missed. */
const MAX_REPEATS = 3
const BUFFERED_EVENTS = 16

export interface Reader {
  readonly fetch: (loaded: Option.Option<Fetcher.Version>) => Effect.Effect<Fetcher.Update, FetchError>
  /** Like `fetch`, but waits for a confirmed state if Redis answers. */
  readonly firstFetch: (loaded: Option.Option<Fetcher.Version>) => Effect.Effect<Fetcher.Update, FetchError>
  /** The published state, confirmed or not. */
  readonly load: Effect.Effect<Option.Option<Entry>, FetchError>
  /** Whether Redis has a confirmed state. */
  readonly isAvailable: Effect.Effect<boolean>
  /** Refreshes the client after each signal and each interval. `onOutcome` gets the outcomes. */
  readonly follow: (
    listener: Fetcher.Listener,
    onOutcome: (outcome: Either.Either<boolean, RefreshError>) => Effect.Effect<void>
  ) => Stream.Stream<Fetcher.Event>
}

const nothing = (): FetchError =>
  new FetchError({
    reason: "Source",
    retryable: true,
    message:
      "Redis has no state of this environment and namespace; start a process that may lead, and check prefix, environment and namespace"
  })

const unconfirmed = ({ confirmedAt }: Found): FetchError =>
  new FetchError({
    reason: "Source",
    retryable: true,
    message:
      `the state in Redis was last confirmed at ${DateTime.formatIso(confirmedAt)}: no process leads, or the leader ` +
      "cannot reach Flipt; its log has the reason"
  })

/** Slightly varied, in whole milliseconds, because timers are no finer. */
export const intervals = (interval: Duration.Duration): Schedule.Schedule<unknown> =>
  Schedule.spaced(interval).pipe(
    Schedule.jitteredWith({ min: 0.9, max: 1.1 }),
    Schedule.modifyDelay((_, delay) => Duration.millis(Math.round(Duration.toMillis(delay))))
  )

export const make = (published: Published, { staleAfter, updateInterval }: ReadSettings): Reader => {
  /** The digest of the last document that the client received. */
  let delivered: string | undefined
  /** The error of the last read that returned a state without a confirmation. */
  let outdated: FetchError | undefined
  let changes = 0
  let changesRead = 0

  const isConfirmed = ({ age }: Found): boolean => Duration.lessThanOrEqualTo(age, staleAfter)

  const fetch: Reader["fetch"] = (loaded) =>
    Effect.gen(function* () {
      changesRead = changes
      outdated = undefined
      const read = yield* published.read
      if (Option.isNone(read)) {
        return yield* nothing()
      }
      const found = read.value
      const isDelivered = delivered === found.digest
      if (!isConfirmed(found)) {
        outdated = unconfirmed(found)
        // An unknown state is delivered, because it is newer than the loaded one. At the start, the store has it.
        if (delivered === undefined || isDelivered) {
          return yield* outdated
        }
      }
      if (isDelivered && Option.contains(loaded, found.version)) {
        return Fetcher.NotModified()
      }
      const bytes = yield* published.body(found)
      delivered = found.digest
      return Fetcher.Document({ bytes: [bytes], version: Option.some(found.version) })
    })

  const follow: Reader["follow"] = (listener, onOutcome) =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const events = yield* Queue.sliding<Fetcher.Event>(BUFFERED_EVENTS)
        const hasChanged = yield* Effect.makeLatch(false)
        const change = Effect.suspend(() => {
          changes++
          return hasChanged.open
        })
        const setConnected = (connected: boolean) => Queue.offer(events, Fetcher.Event.Mode({ mode: MODE, connected }))
        let isRefused = false

        const onSignal = (signal: Connection.Signal): Effect.Effect<unknown> => {
          switch (signal._tag) {
            case "Subscribed":
              return Effect.zipRight(setConnected(true), change)
            case "Message":
              return change
            case "Lost":
              return Effect.zipRight(setConnected(false), change)
            case "Refused": {
              const log = isRefused ? Effect.logDebug : Effect.logWarning
              isRefused = true
              return Effect.zipRight(
                log(`Flipt: Redis refuses the subscription, so changes arrive with the next read: ${signal.message}`),
                setConnected(false)
              )
            }
          }
        }
        const refreshOnce = Effect.either(listener.refresh).pipe(
          Effect.tap(onOutcome),
          Effect.tap((outcome) =>
            Either.isRight(outcome) && outdated !== undefined
              ? Queue.offer(events, Fetcher.Event.Failed({ error: outdated }))
              : Effect.void
          )
        )
        // A fetch that another caller started before the change may have missed it.
        const refresh = Effect.repeat(refreshOnce, {
          until: () => changesRead >= changes,
          times: MAX_REPEATS
        })

        yield* Effect.forkScoped(Stream.runForEach(published.signals, onSignal))
        // Spreads the reads of processes that start together.
        const phase = Effect.map(Random.next, (random) =>
          Duration.millis(Math.round(random * Duration.toMillis(updateInterval)))
        )
        yield* Effect.forkScoped(
          Effect.zipRight(Effect.flatMap(phase, Effect.sleep), Effect.repeat(change, intervals(updateInterval)))
        )
        yield* Effect.forkScoped(
          Effect.forever(Effect.zipRight(Effect.zipRight(hasChanged.await, hasChanged.close), refresh))
        )
        return Stream.fromQueue(events)
      })
    )

  return {
    fetch,
    firstFetch: (loaded) =>
      Effect.retry(fetch(loaded), {
        while: ({ reason }) => reason === "Source",
        schedule: Schedule.spaced(START_INTERVAL).pipe(Schedule.upTo(START_TIMEOUT))
      }),
    load: Effect.flatMap(
      published.read,
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (found) =>
          Effect.map(published.body(found), (bytes) => {
            delivered = found.digest
            return Option.some({
              bytes: [bytes],
              version: Option.some(found.version),
              storedAt: found.confirmedAt
            })
          })
      })
    ),
    isAvailable: Effect.match(published.read, {
      onFailure: () => false,
      onSuccess: Option.exists(isConfirmed)
    }),
    follow
  }
}
