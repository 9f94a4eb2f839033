/**
 * A credential that is acquired by an effect, and renewed before it runs out.
 *
 * One fiber renews, so that there is one renewal at a time: when it is due, when somebody asks for it, and again and
 * again after a failure. Whoever asks waits for the end of the renewal that is under way.
 */
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
import { MAX_SLEEP_MILLIS } from "../util/timers.js"
import * as Gate from "./backoffGate.js"
import { type Held, hold } from "./credential.js"
import { decodeProvider } from "./options.js"
import * as Holder from "./renewable.js"
import { MAX_REFUSAL_DELAY, refusals, renewals } from "./schedules.js"

/** An identity provider that says nothing must not keep everybody waiting for ever. */
const ACQUIRE_TIMEOUT = Duration.minutes(1)
/** Of a credential's life, the most that is left of it when it is renewed. */
const MAX_LEAD = 0.5
/** By how much a renewal may come before the time, so that instances which start together do not renew together. */
const JITTER = 0.5
/** However short lives are. */
const MIN_WAIT_MILLIS = 1000

/** The name of an error, for a message; what it says may hold a secret. */
const nameOf = (error: unknown): string => {
  const name =
    typeof error !== "object" || error === null
      ? undefined
      : "_tag" in error
        ? error._tag
        : error instanceof Error
          ? error.name
          : undefined
  return typeof name === "string" ? ` with ${name}` : ""
}

const failed = (problem: string, cause?: unknown): AuthError =>
  new AuthError({ reason: "Acquire", message: problem, ...(cause === undefined ? {} : { cause }) })

/** One credential, checked; whatever goes wrong is an error, so that the fiber which renews lives on. */
const acquireFrom = <E>(acquire: Effect.Effect<Auth.Credential, E>): Effect.Effect<Held, AuthError> =>
  acquire.pipe(
    Effect.catchAllCause((cause) => {
      const error = Cause.squash(cause)
      return failed(`the effect acquire failed${nameOf(error)}; its error is the cause`, error)
    }),
    // Nobody waits longer than that, whether it can be interrupted or not. As a value: what a fiber fails with is logged.
    Effect.either,
    Effect.disconnect,
    Effect.flatten,
    Effect.timeoutFail({
      duration: ACQUIRE_TIMEOUT,
      onTimeout: () => failed(`the effect acquire gave nothing within ${Duration.format(ACQUIRE_TIMEOUT)}`)
    }),
    Effect.flatMap((credential) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Either.mapLeft(hold(credential, now), (problem) => failed(`what the effect acquire gave is no use: ${problem}`))
      )
    )
  )

/** When to renew a credential that was acquired just now. */
const dueAt = (held: Held, renewBefore: Duration.Duration): Effect.Effect<number> =>
  Effect.gen(function* () {
    if (!Number.isFinite(held.expiresAt)) {
      return Number.POSITIVE_INFINITY
    }
    const now = yield* Clock.currentTimeMillis
    const life = held.expiresAt - now
    const lead = Math.min(Duration.toMillis(renewBefore), life * MAX_LEAD) * (yield* Random.nextRange(1, 1 + JITTER))
    return now + Math.max(life - lead, MIN_WAIT_MILLIS)
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
        message: "the option acquire must be the effect that gives a credential"
      })
    }
    // A renewal is no part of what went on when the layer was built, nor of what a request is part of.
    const context = Context.omit(Tracer.ParentSpan)(
      (yield* Effect.context<Exclude<R, Scope.Scope>>()) as Context.Context<Exclude<R, Scope.Scope> | Tracer.ParentSpan>
    ) as Context.Context<Exclude<R, Scope.Scope>>
    const holder = yield* Holder.make(
      "the credential",
      acquireFrom(Effect.mapInputContext(Effect.scoped(acquire), () => context))
    )

    let due = yield* dueAt(holder.held(), renewBefore)
    /** Done with the renewal that is under way, or asked for. */
    let round: Deferred.Deferred<void> | undefined
    let open = true
    const asked = Effect.unsafeMakeLatch()
    const refused = Gate.make(refusals, MAX_REFUSAL_DELAY)

    const begin = (): Deferred.Deferred<void> => {
      round ??= Deferred.unsafeMake(FiberId.none)
      return round
    }
    const end = Effect.sync(() => {
      const ended = round
      round = undefined
      if (ended !== undefined) {
        Deferred.unsafeDone(ended, Effect.void)
      }
    })
    const renewal = Effect.suspend(() => {
      if (!open) {
        return Effect.void
      }
      const renewed = begin()
      asked.unsafeOpen()
      return Deferred.await(renewed)
    })

    /**
     * By the clock, since a timer knows nothing of a machine that sleeps; in parts, since a timer holds 31 bits; and in
     * whole milliseconds, lest what is left becomes too little to sleep for.
     */
    const untilDue: Effect.Effect<void> = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now >= due
        ? Effect.void
        : Effect.flatMap(
            Effect.timeoutOption(asked.await, Math.min(Math.ceil(due - now), MAX_SLEEP_MILLIS)),
            Option.match({ onNone: () => untilDue, onSome: () => Effect.void })
          )
    )
    const renew = Effect.gen(function* () {
      begin()
      asked.unsafeClose()
      yield* holder.renew
      due = yield* dueAt(holder.held(), renewBefore)
    }).pipe(Effect.ensuring(end))

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        open = false
        return end
      })
    )
    yield* untilDue.pipe(Effect.zipRight(Effect.retry(renew, renewals)), Effect.forever, Effect.forkScoped)

    /** Waits for a renewal that is under way; asks for one unless the last failed, for then the back-off decides. */
    const shared = Effect.suspend(() =>
      round !== undefined ? Deferred.await(round) : holder.trouble() === undefined ? renewal : Effect.void
    )
    return {
      // it may have run out before it was due: clocks jump and machines sleep
      authorize: Effect.zipRight(Effect.whenEffect(shared, holder.isExpired), holder.headers),
      invalidate: (rejected) =>
        Effect.suspend(() => {
          if (!holder.has(rejected)) {
            return Effect.void
          }
          return round === undefined && holder.trouble() === undefined
            ? Effect.asVoid(Effect.whenEffect(shared, refused))
            : shared
        })
    }
  })
