/**
 * The lease of a leader: acquires, renews and releases it, and publishes states under it.
 */
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import process from "node:process"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { FetchError } from "flipt-client-effect/FliptError"
import type { Entry, Target } from "flipt-client-effect/SnapshotStore"
import * as Metrics from "./metrics.js"
import type { ReadSettings } from "./options.js"
import * as Published from "./published.js"
import { describe } from "./store.js"

/** Renewals per lease: two may fail before it is lost. */
const RENEWALS = 3
/** How long after the end of a lease other processes try to take it, as a share of the lease. */
const TAKEOVER_SHARE = 0.1
/** How long closing waits for Redis. */
const RELEASE_TIMEOUT = Duration.seconds(1)
/** The delay before publishing a state again after a failure. */
const REPUBLISH_DELAY = Duration.seconds(5)

interface Settings extends ReadSettings {
  readonly lead: boolean
  readonly leaseDuration: Duration.Duration
}

export interface Handlers {
  /** Whether the client's state is confirmed. */
  readonly isReady: Effect.Effect<boolean>
  readonly onAcquired: Effect.Effect<void>
  readonly onLost: Effect.Effect<void>
}

export interface Lease {
  /** Tries to acquire the lease once. Returns whether this process leads now. */
  readonly acquire: Effect.Effect<boolean, FetchError>
  /** Tries repeatedly to acquire the lease, and leads while it can. */
  readonly run: (handlers: Handlers) => Effect.Effect<never>
  /** Keeps a state, so that a leader can publish it again if Redis loses it. */
  readonly hold: (entry: Entry) => Effect.Effect<void>
  /** Keeps a state, and publishes it if this process leads. */
  readonly save: (entry: Entry) => Effect.Effect<void>
}

export const make = (
  published: Published.Published,
  target: Target,
  { lead, leaseDuration, staleAfter }: Settings
): Effect.Effect<Lease, never, Scope.Scope> =>
  Effect.gen(function* () {
    const label = describe(target)
    const metrics = Metrics.make(target)
    // Not Effect's Random: processes with the same seed must differ. Operators see the host and the process in Redis.
    const owner = `${hostname()}:${process.pid}:${randomUUID()}`
    const lock = yield* Effect.makeSemaphore(1)
    /** Open while there is a reason to check the lease early. */
    const news = yield* Effect.makeLatch(false)
    const retryAfter = Duration.times(leaseDuration, 1 / RENEWALS)
    let token: string | undefined
    /** Counts the states published under the token. */
    let sequence = 0
    /** The digest of the last state that was published under the token. */
    let publishedDigest: string | undefined
    let held: Published.Held | undefined
    /** The digest of the last state that could not be published, and when it may be tried again. */
    let refused: { readonly digest: string; readonly until: number } | undefined

    const pause = (duration: Duration.Duration): Effect.Effect<void> =>
      Effect.zipRight(Effect.timeoutOption(news.await, duration), news.close)

    const acquire = Effect.map(published.acquire(owner, leaseDuration), (acquired) => {
      if (acquired._tag === "Acquired") {
        token = acquired.token
        sequence = 0
        publishedDigest = undefined
      }
      return acquired
    })

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        metrics.setLeading(false)
        return token === undefined
          ? Effect.void
          : Effect.ignore(Effect.timeout(Effect.interruptible(published.release(owner)), RELEASE_TIMEOUT))
      })
    )

    const failed = (digest: string, error: FetchError) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const log = refused?.digest === digest ? Effect.logDebug : Effect.logWarning
        refused = { digest, until: now + Duration.toMillis(REPUBLISH_DELAY) }
        metrics.countPublished(error.reason === "TooLarge" ? "too_large" : "failed")
        return log(`${label}: the state could not be published, and the fleet keeps the previous one: ${error.message}`)
      })

    /** Publishes the kept state, if this process leads and `isWanted` still. */
    const publish = (isWanted: (state: Published.Held) => boolean): Effect.Effect<void> =>
      Effect.suspend(() => {
        const state = held
        if (token === undefined || state === undefined || !isWanted(state)) {
          return Effect.void
        }
        return published.publish(token, ++sequence, state).pipe(
          Effect.flatMap((outcome) => {
            refused = undefined
            publishedDigest = state.digest
            metrics.countPublished(outcome)
            metrics.setBytes(state.bytes.length)
            return Effect.zipRight(
              outcome === "fenced" ? news.open : Effect.void,
              Effect.logDebug(`${label}: ${outcome} a state of ${state.bytes.length} bytes with token ${token}`)
            )
          }),
          Effect.catchAll((error) => failed(state.digest, error))
        )
      }).pipe(lock.withPermits(1))

    const hold: Lease["hold"] = ({ bytes, version }) =>
      lead
        ? Effect.map(Published.hold(bytes, version), (state) => {
            held = state
          })
        : Effect.void

    const mayPublish = (digest: string, now: number): boolean => refused?.digest !== digest || now >= refused.until

    /** Leads until the lease is lost or given up. Returns how long to wait before the next attempt. */
    const leadOnce = (handlers: Handlers, leaseToken: string): Effect.Effect<Duration.Duration> =>
      Effect.gen(function* () {
        const lease = Duration.toMillis(leaseDuration)
        let readyAt = yield* Clock.currentTimeMillis
        let renewedAt = readyAt
        for (;;) {
          const isReady = yield* handlers.isReady
          const before = yield* Clock.currentTimeMillis
          if (isReady) {
            readyAt = before
          } else if (before - readyAt > Duration.toMillis(staleAfter)) {
            yield* Effect.logWarning(
              `${label}: this process no longer leads, because it could not confirm the state for ${Duration.format(staleAfter)}`
            )
            token = undefined
            yield* Effect.ignore(published.release(owner))
            return leaseDuration
          }
          const publishes = sequence
          const renewed = yield* published
            .renew({
              owner,
              token: leaseToken,
              lease: leaseDuration,
              digest: held?.digest ?? "",
              isConfirmed: isReady,
              staleAfter
            })
            .pipe(lock.withPermits(1), Effect.either)
          const now = yield* Clock.currentTimeMillis
          if (Either.isRight(renewed)) {
            if (renewed.right._tag === "Lost") {
              token = undefined
              yield* Effect.logInfo(`${label}: another process leads now`)
              return Duration.zero
            }
            renewedAt = before
            const { digest } = renewed.right
            const isMissing = held !== undefined && digest !== held.digest && (isReady || digest === "")
            if (isMissing && mayPublish(held?.digest ?? "", now)) {
              yield* publish(() => sequence === publishes)
            }
          }
          metrics.setLeading(now - renewedAt < lease)
          yield* pause(retryAfter)
        }
      })

    const elect = (handlers: Handlers): Effect.Effect<void> =>
      Effect.gen(function* () {
        if (token === undefined) {
          const acquired = yield* Effect.either(acquire)
          if (Either.isLeft(acquired)) {
            return yield* pause(retryAfter)
          }
          if (acquired.right._tag === "Taken") {
            const late = Duration.toMillis(leaseDuration) * TAKEOVER_SHARE * (yield* Random.next)
            return yield* pause(Duration.millis(Math.ceil(Duration.toMillis(acquired.right.left) + late)))
          }
        }
        const leaseToken = token
        if (leaseToken === undefined) {
          return
        }
        yield* Effect.logInfo(`${label}: this process leads now, with token ${leaseToken}`)
        yield* handlers.onAcquired
        const wait = yield* leadOnce(handlers, leaseToken)
        metrics.setLeading(false)
        yield* handlers.onLost
        yield* Effect.sleep(wait)
      })

    return {
      acquire: Effect.map(acquire, ({ _tag }) => _tag === "Acquired"),
      run: (handlers) =>
        Effect.scoped(
          Effect.gen(function* () {
            yield* Effect.forkScoped(
              Stream.runForEach(published.signals, (signal) =>
                signal._tag === "Subscribed" || (signal._tag === "Message" && signal.text === Published.VACANT)
                  ? news.open
                  : Effect.void
              )
            )
            return yield* Effect.forever(elect(handlers))
          })
        ),
      hold,
      save: (entry) =>
        Effect.zipRight(
          hold(entry),
          publish(({ digest }) => digest !== publishedDigest)
        )
    }
  })
