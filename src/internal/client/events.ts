/**
 * Handles the events of a client's Fetcher. No failure ends the subscription: a client without one would become stale
 * without noticing.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Fetcher from "../../Fetcher.js"
import { FetchError, type RefreshError } from "../../FliptError.js"
import { repairSchedule } from "../fetch/schedules.js"
import { printable } from "../util/outsideText.js"
import { makeWaits } from "../util/schedule.js"
import { yieldToEventLoop } from "../util/yieldToEventLoop.js"
import type { State } from "./state.js"

/** The delay before subscribing again if the event stream ends, which is a bug in the Fetcher. */
const RESUBSCRIBE_DELAY = Duration.seconds(30)

/** A defect in a component counts as an outage, so that the state is known to be stale. */
const defectError = (cause: Cause.Cause<unknown>): FetchError =>
  new FetchError({
    reason: "Source",
    retryable: false,
    message: `a component of the client died, which is a bug: ${printable(Cause.pretty(cause), 2000)}`,
    cause: Cause.squash(cause)
  })

/** Turns defects and interruptions into errors. */
export const defectsToErrors = <A, E extends RefreshError>(
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E | FetchError> =>
  Effect.catchAllCause(effect, (cause) =>
    Option.match(Cause.failureOption(cause), {
      onNone: (): Effect.Effect<never, E | FetchError> => Effect.fail(defectError(cause)),
      onSome: (error) => Effect.fail(error)
    })
  )

interface EventHandlers {
  readonly state: State
  readonly events: Stream.Stream<Fetcher.Event>
  readonly refresh: Effect.Effect<boolean, RefreshError>
  /** Loads a pushed document. */
  readonly push: (
    bytes: ReadonlyArray<Uint8Array>,
    version: Option.Option<Fetcher.Version>
  ) => Effect.Effect<void, RefreshError>
}

/**
 * Fetches the state after a lost update: immediately the first time, then at the pace of the schedule. Returns the effect
 * that asks for such a repair. A repair is skipped if another update has arrived in the meantime.
 */
const makeRepairs = (
  state: State,
  refresh: Effect.Effect<boolean, RefreshError>
): Effect.Effect<Effect.Effect<void>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const isWanted = yield* Effect.makeLatch(false)
    const waitAfter = yield* makeWaits(repairSchedule)
    const repairOnce = Effect.gen(function* () {
      yield* isWanted.await
      yield* isWanted.close
      if ((yield* state.status)._tag !== "Ready") {
        yield* Effect.ignore(refresh)
        yield* waitAfter(undefined)
      }
    })
    yield* Effect.forkScoped(Effect.forever(repairOnce))
    return Effect.asVoid(isWanted.open)
  })

/** Subscribes to the events until the Scope ends. */
export const listen = ({ events, push, refresh, state }: EventHandlers): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    /** Refreshes in the background: later events do not wait for it. */
    const check = Effect.asVoid(Effect.forkIn(Effect.ignore(refresh), scope))
    const repair = yield* makeRepairs(state, refresh)
    // Of documents in a row that do not load, only the first one asks for a repair.
    let hasFailedPush = false

    const handle = (event: Fetcher.Event): Effect.Effect<void> => {
      switch (event._tag) {
        case "Check":
          return check
        case "Pushed":
          return Effect.matchEffect(push(event.bytes, event.version), {
            onFailure: (error) => {
              const isFirst = !hasFailedPush
              hasFailedPush = true
              return Effect.zipRight(state.fail(error), isFirst ? repair : Effect.void)
            },
            onSuccess: () =>
              Effect.sync(() => {
                hasFailedPush = false
              })
            // a fast stream must leave time for everything else
          }).pipe(Effect.zipLeft(yieldToEventLoop))
        case "Failed":
          return Effect.zipRight(state.fail(event.error), repair)
        case "Mode":
          return state.setMode(event.mode, event.connected)
      }
    }

    /** When the events end, an outage begins, because nothing triggers fetches any more. */
    const listenOnce = Effect.exit(Stream.runForEach(events, handle)).pipe(
      Effect.flatMap((exit) => {
        const cause = Exit.isFailure(exit) ? exit.cause : Cause.die("the events of the Fetcher ended")
        return Effect.zipRight(
          Effect.logError("Flipt: the event stream of the Fetcher ended; subscribing again", cause),
          state.fail(defectError(cause))
        )
      })
    )

    yield* Effect.exit(listenOnce).pipe(
      Effect.zipRight(Effect.sleep(RESUBSCRIBE_DELAY)),
      Effect.zipRight(check),
      Effect.forever,
      Effect.forkScoped
    )
  })
