/**
 * The state that a client serves: the Snapshot of now, its version, and how current it is. What an evaluation reads is
 * a plain variable.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Fetcher from "../../Fetcher.js"
import { EngineError, EvaluationError, type RefreshError } from "../../FliptError.js"
import type { Snapshot } from "../../Snapshot.js"
import * as Status from "../../Status.js"
import type { StateSettings } from "./options.js"
import * as Pinned from "./refCounted.js"
import * as View from "./snapshotRef.js"

interface Loaded {
  readonly pinned: Pinned.Pinned
  readonly version: Option.Option<Fetcher.Version>
  readonly origin: Status.Info["origin"]
}

interface Outage {
  readonly since: DateTime.Utc
  readonly error: RefreshError
}

export interface State extends View.View {
  /** Of everything that is asked for when the Scope is over. */
  readonly closed: EngineError
  /** What is loaded, in an outage too, kept open until the Scope ends. */
  readonly hold: Effect.Effect<Option.Option<Snapshot>, never, Scope.Scope>
  /** The version of what is loaded. */
  readonly version: Effect.Effect<Option.Option<Fetcher.Version>>
  /** Grows with everything that is loaded. */
  readonly generation: () => number
  /**
   * Compiles in a Scope of the Snapshot's own, then puts Snapshot and version in place in one step, in which it confirms
   * them too: it is the source that gave them, but for a seed and what a store has kept.
   */
  readonly load: <E>(
    compile: Effect.Effect<Snapshot, E, Scope.Scope>,
    origin: Status.Info["origin"],
    version: Option.Option<Fetcher.Version>,
    storedAt?: DateTime.Utc
  ) => Effect.Effect<void, E>
  /** The source has confirmed that what is loaded is its state. */
  readonly confirm: Effect.Effect<void>
  /** An attempt to bring the state up to date has failed. */
  readonly fail: (error: RefreshError) => Effect.Effect<void>
  /** How the state is kept current from here on, and whether that works. */
  readonly setMode: (mode: Status.Info["mode"], connected: boolean) => Effect.Effect<void>
  readonly status: Effect.Effect<Status.Status>
  /**
   * One element now, and one when something of all this has changed since the last was taken: who is slow misses steps,
   * and not where they lead. Ends when the Scope does.
   */
  readonly signals: Stream.Stream<void>
}

const refusal = (reason: EvaluationError["reason"], message: string, cause?: RefreshError): EvaluationError =>
  new EvaluationError({ reason, message, ...(cause === undefined ? {} : { cause }) })

export const make = (
  source: Fetcher.Source,
  errorStrategy: StateSettings["errorStrategy"]
): Effect.Effect<State, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const closed = new EngineError({
      reason: "Closed",
      message: "the client is closed: the scope that it was made in is over"
    })
    const label = `Flipt namespace ${source.namespace} of environment ${source.environment}`

    let loaded: Loaded | undefined
    let outage: Outage | undefined
    let confirmedAt: DateTime.Utc | undefined
    let isConfirmed = false
    let mode = source.kind
    // a stream is opened after the first request
    let connected = source.kind !== "streaming"
    let generation = 0
    const view = View.make(Either.left(refusal("NotReady", `${label}: nothing has been loaded yet`)))

    // Room for two, since a hub with room for one lets a slow subscriber take what is meant for the others (Effect 3.22).
    const hub = yield* PubSub.sliding<void>(2)
    const signal = Effect.unlessEffect(PubSub.publish(hub, undefined), PubSub.isShutdown(hub))

    const serve = () => {
      if (loaded === undefined) {
        if (outage !== undefined) {
          const { error } = outage
          view.refuse(refusal("NotReady", `${label}: nothing could be loaded yet: ${error.message}`, error))
        }
      } else if (outage !== undefined && errorStrategy === "fail") {
        const { error } = outage
        view.refuse(
          refusal("Unavailable", `${label}: the state could not be brought up to date: ${error.message}`, error)
        )
      } else {
        view.serve(loaded.pinned)
      }
    }

    /** The step alone; gives what there is to log. */
    const confirmAt = (now: DateTime.Utc): Effect.Effect<void> => {
      const ended = outage
      confirmedAt = now
      isConfirmed = true
      outage = undefined
      return ended === undefined
        ? Effect.void
        : Effect.logInfo(`${label}: up to date again; the trouble began at ${DateTime.formatIso(ended.since)}`)
    }

    yield* Effect.addFinalizer(() =>
      Effect.map(DateTime.now, (since) => {
        loaded = undefined
        connected = false
        outage = { since, error: closed }
        view.refuse(refusal("Closed", closed.message))
      }).pipe(Effect.zipRight(PubSub.shutdown(hub)))
    )

    return {
      closed,
      current: view.current,
      pin: view.pin,
      pinned: view.pinned,
      hold: Effect.acquireRelease(
        Effect.sync(() => {
          loaded?.pinned.hold()
          return loaded?.pinned
        }),
        (pinned) => pinned?.release ?? Effect.void
      ).pipe(Effect.map((pinned) => Option.fromNullable(pinned?.snapshot))),
      version: Effect.sync(() => loaded?.version ?? Option.none()),
      generation: () => generation,
      load: (compile, origin, version, storedAt) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
            const snapshot = yield* restore(Scope.extend(compile, own)).pipe(
              Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
            )
            const now = yield* DateTime.now
            const replaced = loaded
            loaded = {
              pinned: Pinned.make(snapshot, own),
              version: Option.orElse(version, () =>
                Option.filter(Option.fromNullable(snapshot.digest), (digest) => digest !== "")
              ),
              origin
            }
            generation++
            let log: Effect.Effect<void> = Effect.void
            if (origin === "seed" || origin === "store") {
              confirmedAt = storedAt
            } else {
              log = confirmAt(now)
            }
            serve()
            yield* signal
            // a logger may throw, and nobody else would close what was replaced
            yield* Effect.ensuring(log, replaced?.pinned.release ?? Effect.void)
          })
        ),
      confirm: Effect.flatMap(DateTime.now, (now) => {
        const log = confirmAt(now)
        serve()
        return Effect.zipRight(signal, log)
      }),
      fail: (error) =>
        Effect.gen(function* () {
          const begun = outage
          outage = { since: begun?.since ?? (yield* DateTime.now), error }
          serve()
          yield* signal
          const log = begun === undefined ? Effect.logWarning : Effect.logDebug
          const serving = Either.isRight(view.current()) ? "the last state goes on" : "evaluations fail"
          yield* log(`${label}: not up to date, ${serving}: ${error.message}`)
        }),
      setMode: (nextMode, nextConnected) =>
        Effect.suspend(() => {
          mode = nextMode
          connected = nextConnected
          return signal
        }),
      signals: Stream.unwrapScoped(
        Effect.map(PubSub.subscribe(hub), (queue) => Stream.concat(Stream.void, Stream.fromQueue(queue)))
      ),
      status: Effect.sync(() => {
        const info: Status.Info = {
          version: Option.getOrUndefined(loaded?.version ?? Option.none()),
          confirmedAt,
          origin: loaded?.origin ?? "none",
          mode,
          connected
        }
        if (outage !== undefined) {
          return loaded === undefined ? Status.Failed({ ...info, ...outage }) : Status.Stale({ ...info, ...outage })
        }
        return isConfirmed ? Status.Ready(info) : Status.Starting(info)
      })
    }
  })
