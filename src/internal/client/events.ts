/**
 * What a client does with what its Fetcher says. Nothing that happens there ends the listening: whoever listens no
 * longer would be old without knowing it.
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
import type { State } from "./state.js"

/** How soon a Fetcher is listened to again when its events ended, which they should not. */
const RESUBSCRIBE = Duration.seconds(30)

/** A bug in a part of the client is an outage too: it must not leave a state that nobody knows to be old. */
const died = (cause: Cause.Cause<unknown>): FetchError =>
  new FetchError({
    reason: "Source",
    retryable: false,
    message: `a part of the client died, which is a bug: ${Cause.pretty(cause)}`,
    cause: Cause.squash(cause)
  })

/** Makes an error of whatever else goes wrong. */
export const orDied = <A, E extends RefreshError>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | FetchError> =>
  Effect.catchAllCause(effect, (cause) =>
    Option.match(Cause.failureOption(cause), {
      onNone: (): Effect.Effect<never, E | FetchError> => Effect.fail(died(cause)),
      onSome: (error) => Effect.fail(error)
    })
  )

export interface Parts {
  readonly state: State
  readonly events: Stream.Stream<Fetcher.Event>
  readonly refresh: Effect.Effect<boolean, RefreshError>
  /** Loads a document that was pushed. */
  readonly push: (
    bytes: ReadonlyArray<Uint8Array>,
    version: Option.Option<Fetcher.Version>
  ) => Effect.Effect<void, RefreshError>
}

/** Listens in the Scope. */
export const listen = ({ events, push, refresh, state }: Parts): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    /** What else the Fetcher has to say does not wait for the answer. */
    const check = Effect.asVoid(Effect.forkIn(Effect.ignore(refresh), scope))
    // A request may bring what did not load. For a run of such documents it is made once, or it would be made for ever.
    let wasBad = false

    const handle = (event: Fetcher.Event): Effect.Effect<void> => {
      switch (event._tag) {
        case "Check":
          return check
        case "Pushed":
          return Effect.matchEffect(push(event.bytes, event.version), {
            onFailure: (error) => {
              const isFirst = !wasBad
              wasBad = true
              return Effect.zipRight(state.fail(error), isFirst ? check : Effect.void)
            },
            onSuccess: () =>
              Effect.sync(() => {
                wasBad = false
              })
          })
        case "Failed":
          return state.fail(event.error)
        case "Mode":
          return state.setMode(event.mode, event.connected)
      }
    }

    /** Until the events end, and then it is an outage: nobody says any more when to fetch. */
    const listenOnce = Effect.exit(Stream.runForEach(events, handle)).pipe(
      Effect.flatMap((exit) => {
        const cause = Exit.isFailure(exit) ? exit.cause : Cause.die("the events of the Fetcher ended")
        return Effect.zipRight(
          Effect.logError("Flipt: a Fetcher is heard no more; it is listened to again", cause),
          state.fail(died(cause))
        )
      })
    )

    yield* Effect.exit(listenOnce).pipe(
      Effect.zipRight(Effect.sleep(RESUBSCRIBE)),
      Effect.zipRight(check),
      Effect.forever,
      Effect.forkScoped
    )
  })
