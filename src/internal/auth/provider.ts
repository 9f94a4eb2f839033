/**
 * Acquires a credential with an effect, and renews it before it expires.
 *
 * One fiber renews, so renewals never overlap: when the credential is due, when a caller requests it, and with back-off
 * after a failure. Callers wait for the renewal in progress.
 */
import * as Boolean from "effect/Boolean"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type * as Auth from "../../Auth.js"
import { AuthError, ValidationError } from "../../FliptError.js"
import { disconnect } from "../util/fiber.js"
import { printable } from "../util/outsideText.js"
import { MAX_SLEEP_MILLIS } from "../util/timers.js"
import { withoutParentSpan } from "../util/withoutParentSpan.js"
import * as BackoffGate from "./backoffGate.js"
import { decodeCredential, type ExpiringCredential, MAX_CLOCK_SKEW_MILLIS } from "./credential.js"
import * as ObservedLifetime from "./observedLifetime.js"
import { decodeProvider } from "./options.js"
import * as Renewable from "./renewable.js"
import { MAX_REFUSAL_DELAY, refusalSchedule, renewalSchedule } from "./schedules.js"

/** Bounds the wait for an identity provider that does not answer. */
const ACQUIRE_TIMEOUT = Duration.minutes(1)
/** A credential is renewed with at most this share of its lifetime left. */
const MAX_LEAD = 0.5
/** Spreads the renewals of instances that started together: `renewBefore` grows by up to this share. */
const JITTER = 0.5
/** The shortest time between two renewals, however short the lifetime. */
const MIN_WAIT_MILLIS = 1000

/** The name of an error. Its message may contain a secret. */
const describeErrorName = (error: unknown): string => {
  const name =
    typeof error !== "object" || error === null
      ? undefined
      : "_tag" in error
        ? error._tag
        : error instanceof Error
          ? error.name
          : undefined
  return typeof name === "string" ? ` with ${printable(name)}` : ""
}

const acquireError = (problem: string, cause?: unknown): AuthError =>
  new AuthError({ reason: "Acquire", message: problem, ...(cause === undefined ? {} : { cause }) })

/** Acquires and checks a credential. Defects become errors, so the renewing fiber survives them. */
const acquireFrom = <E>(acquire: Effect.Effect<Auth.Credential, E>): Effect.Effect<ExpiringCredential, AuthError> =>
  acquire.pipe(
    Effect.catchAllCause((cause) => {
      const error = Cause.squash(cause)
      return acquireError(`the effect acquire failed${describeErrorName(error)}; its error is the cause`, error)
    }),
    // `disconnect` ends the wait on timeout even if the effect cannot be interrupted. `either` keeps the failure out of
    // the log, where the runtime reports the failures of fibers.
    Effect.either,
    disconnect,
    Effect.flatten,
    Effect.timeoutFail({
      duration: ACQUIRE_TIMEOUT,
      onTimeout: () => acquireError(`the effect acquire did not complete within ${Duration.format(ACQUIRE_TIMEOUT)}`)
    }),
    Effect.flatMap((credential) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Either.mapLeft(decodeCredential(credential, now, MAX_CLOCK_SKEW_MILLIS), (problem) =>
          acquireError(`the effect acquire returned a credential that cannot be used: ${problem}`)
        )
      )
    )
  )

/** When to renew a credential that was just acquired. */
const renewalTime = (current: ExpiringCredential, renewBefore: Duration.Duration): Effect.Effect<number> =>
  Effect.gen(function* () {
    if (!Number.isFinite(current.expiresAt)) {
      return Number.POSITIVE_INFINITY
    }
    const now = yield* Clock.currentTimeMillis
    const lifetime = current.expiresAt - now
    const lead =
      Math.min(Duration.toMillis(renewBefore), lifetime * MAX_LEAD) * (yield* Random.nextRange(1, 1 + JITTER))
    return now + Math.max(lifetime - lead, MIN_WAIT_MILLIS)
  })

export const make = <E, R>(options: {
  readonly acquire: Effect.Effect<Auth.Credential, E, R>
  readonly renewBefore?: Duration.DurationInput | undefined
}): Effect.Effect<Auth.Service, AuthError | ValidationError, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.gen(function* () {
    const { acquire, ...rest } = options ?? {}
    const { renewBefore } = yield* decodeProvider(rest)
    if (!Effect.isEffect(acquire)) {
      return yield* new ValidationError({
        reason: "Option",
        path: "acquire",
        message: "the option acquire must be an effect that returns a credential"
      })
    }
    // Renewals are not part of the trace in which the layer was built.
    const context = Context.omit(Tracer.ParentSpan)(
      (yield* Effect.context<Exclude<R, Scope.Scope>>()) as Context.Context<Exclude<R, Scope.Scope> | Tracer.ParentSpan>
    ) as Context.Context<Exclude<R, Scope.Scope>>
    const renewable = yield* Renewable.make(
      "the credential",
      acquireFrom(Effect.mapInputContext(Effect.scoped(acquire), () => context))
    )

    let renewAt = yield* renewalTime(renewable.current(), renewBefore)
    const lifetime = ObservedLifetime.make(MIN_WAIT_MILLIS)
    const noteAcquired = Effect.map(Clock.currentTimeMillis, (now) =>
      lifetime.acquired(renewable.current().headers.authorization, now)
    )
    yield* noteAcquired
    /** Completes with the renewal that is requested or in progress. */
    let pendingRenewal: Deferred.Deferred<void> | undefined
    let open = true
    const renewalRequested = Effect.unsafeMakeLatch()
    const refusals = BackoffGate.make(refusalSchedule, {
      minInterval: Duration.millis(MIN_WAIT_MILLIS),
      resetAfter: MAX_REFUSAL_DELAY
    })

    const startRenewal = (): Deferred.Deferred<void> => {
      pendingRenewal ??= Deferred.unsafeMake(FiberId.none)
      return pendingRenewal
    }
    const finishRenewal = Effect.sync(() => {
      const completed = pendingRenewal
      pendingRenewal = undefined
      if (completed !== undefined) {
        Deferred.unsafeDone(completed, Effect.void)
      }
    })
    const requestRenewal = Effect.suspend(() => {
      if (!open) {
        return Effect.void
      }
      const renewed = startRenewal()
      renewalRequested.unsafeOpen()
      return Deferred.await(renewed)
    })

    /**
     * Waits by the clock, because a timer does not count while the machine sleeps; in parts, because timers are limited
     * to 31 bits; and in whole milliseconds, because a fraction would round to no sleep at all.
     */
    const awaitRenewalTime: Effect.Effect<void> = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now >= renewAt
        ? Effect.void
        : Effect.flatMap(
            Effect.timeoutOption(renewalRequested.await, Math.min(Math.ceil(renewAt - now), MAX_SLEEP_MILLIS)),
            Option.match({ onNone: () => awaitRenewalTime, onSome: () => Effect.void })
          )
    )
    const renew = Effect.gen(function* () {
      startRenewal()
      renewalRequested.unsafeClose()
      yield* renewable.renew
      yield* noteAcquired
      renewAt = yield* renewalTime(renewable.current(), renewBefore)
    }).pipe(Effect.ensuring(finishRenewal))

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        open = false
        return finishRenewal
      })
    )
    yield* awaitRenewalTime.pipe(
      Effect.zipRight(Effect.retry(renew, renewalSchedule)),
      Effect.forever,
      withoutParentSpan,
      Effect.forkScoped
    )

    /**
     * Waits for the renewal in progress, or requests one. After a failure it returns immediately, because the back-off
     * decides when to try again.
     */
    const awaitRenewal = Effect.suspend(() =>
      pendingRenewal !== undefined
        ? Deferred.await(pendingRenewal)
        : renewable.lastError() === undefined
          ? requestRenewal
          : Effect.void
    )
    const isTooOld = Effect.map(Clock.currentTimeMillis, lifetime.isExceeded)
    return {
      // Clocks jump and machines sleep, so the credential can expire before its renewal.
      authorize: Effect.zipRight(
        Effect.whenEffect(awaitRenewal, Effect.zipWith(renewable.isExpired, isTooOld, Boolean.or)),
        renewable.headers
      ),
      accepted: (headers) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          if (renewable.matches(headers)) {
            lifetime.accepted(now)
            refusals.reset()
          }
        }),
      invalidate: (rejected) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          if (!renewable.matches(rejected)) {
            return Effect.void
          }
          lifetime.refused(now)
          return pendingRenewal === undefined && renewable.lastError() === undefined
            ? Effect.asVoid(Effect.whenEffect(awaitRenewal, refusals.tryPass))
            : awaitRenewal
        })
    }
  })
