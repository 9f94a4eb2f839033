/**
 * The state of a client: the current Snapshot, its version, and whether it is up to date. Evaluations read a plain
 * variable.
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
import type * as Status from "../../Status.js"
import { monotonicMillis } from "../util/monotonic.js"
import { printable } from "../util/outsideText.js"
import type { StateSettings } from "./options.js"
import * as RefCounted from "./refCounted.js"
import * as SnapshotRef from "./snapshotRef.js"
import { status } from "./status.js"

interface Loaded {
  readonly refCounted: RefCounted.RefCounted
  readonly version: Option.Option<Fetcher.Version>
  readonly origin: Status.Info["origin"]
}

interface Outage {
  readonly since: DateTime.Utc
  readonly error: RefreshError
  /** Whether its beginning was logged above Debug level. */
  readonly isLogged: boolean
}

/** An outage that begins this soon after the last one is logged only if it lasts longer than this. */
const QUIET_MILLIS = 60_000

export interface State extends SnapshotRef.SnapshotRef {
  /** The error of all operations after the Scope has ended. */
  readonly closed: EngineError
  /** The loaded Snapshot, even in an outage, kept open until the Scope ends. */
  readonly acquireLoaded: Effect.Effect<Option.Option<Snapshot>, never, Scope.Scope>
  /** The version of the loaded state. */
  readonly version: Effect.Effect<Option.Option<Fetcher.Version>>
  /** Incremented with every load. */
  readonly generation: () => number
  /**
   * Compiles a Snapshot in its own Scope, then sets Snapshot and version in one step. This also confirms the state, unless
   * it comes from a seed or a store.
   */
  readonly load: <E>(
    compile: Effect.Effect<Snapshot, E, Scope.Scope>,
    origin: Status.Info["origin"],
    version: Option.Option<Fetcher.Version>,
    storedAt?: DateTime.Utc
  ) => Effect.Effect<void, E>
  /** Records that the source has confirmed the loaded state. */
  readonly confirm: Effect.Effect<void>
  /** Records a failed update. */
  readonly fail: (error: RefreshError) => Effect.Effect<void>
  /** Sets how the state is kept up to date from now on, and whether that works. */
  readonly setMode: (mode: Status.Info["mode"], connected: boolean) => Effect.Effect<void>
  readonly status: Effect.Effect<Status.Status>
  /**
   * Emits once immediately and then whenever the state has changed since the last element was taken. Slow consumers skip
   * intermediate changes. Ends with the Scope.
   */
  readonly signals: Stream.Stream<void>
}

/** Skips validation: compiling it adds about a millisecond to startup, and each client creates two errors. */
const unchecked = { disableValidation: true }

const evaluationError = (reason: EvaluationError["reason"], message: string, cause?: RefreshError): EvaluationError =>
  new EvaluationError({ reason, message, ...(cause === undefined ? {} : { cause }) }, unchecked)

export const make = (
  source: Fetcher.Source,
  errorStrategy: StateSettings["errorStrategy"]
): Effect.Effect<State, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const closed = new EngineError(
      { reason: "Closed", message: "the client is closed: its scope has ended" },
      unchecked
    )
    const label = `Flipt namespace ${printable(source.namespace)} (environment ${printable(source.environment)})`

    let loaded: Loaded | undefined
    let outage: Outage | undefined
    /** When the last outage ended, by the monotonic clock. */
    let endedAt: number | undefined
    let confirmedAt: DateTime.Utc | undefined
    let isConfirmed = false
    let mode = source.kind
    // a stream is opened only after the first request
    let connected = source.kind !== "streaming"
    let generation = 0
    const ref = SnapshotRef.make(Either.left(evaluationError("NotReady", `${label}: nothing has been loaded yet`)))

    // Capacity 2: with capacity 1, a slow subscriber can take the elements of the others (Effect 3.22).
    const hub = yield* PubSub.sliding<void>(2)
    const signal = Effect.unlessEffect(PubSub.publish(hub, undefined), PubSub.isShutdown(hub))

    const updateRef = () => {
      if (loaded === undefined) {
        if (outage !== undefined) {
          const { error } = outage
          ref.setError(evaluationError("NotReady", `${label}: nothing could be loaded yet: ${error.message}`, error))
        }
      } else if (outage !== undefined && errorStrategy === "fail") {
        const { error } = outage
        ref.setError(
          evaluationError("Unavailable", `${label}: the state could not be updated: ${error.message}`, error)
        )
      } else {
        ref.set(loaded.refCounted)
      }
    }

    /** Confirms the state without a signal. Returns the log effect. */
    const confirmAt = (now: DateTime.Utc, millis: number): Effect.Effect<void> => {
      const ended = outage
      confirmedAt = now
      isConfirmed = true
      outage = undefined
      if (ended === undefined) {
        return Effect.void
      }
      endedAt = millis
      const log = ended.isLogged ? Effect.logInfo : Effect.logDebug
      return log(`${label}: up to date again after an outage that began at ${DateTime.formatIso(ended.since)}`)
    }

    yield* Effect.addFinalizer(() =>
      Effect.map(DateTime.now, (since) => {
        loaded = undefined
        connected = false
        outage = { since, error: closed, isLogged: true }
        ref.setError(evaluationError("Closed", closed.message))
      }).pipe(Effect.zipRight(PubSub.shutdown(hub)))
    )

    return {
      closed,
      current: ref.current,
      acquire: ref.acquire,
      pinned: ref.pinned,
      acquireLoaded: Effect.acquireRelease(
        Effect.sync(() => {
          loaded?.refCounted.retain()
          return loaded?.refCounted
        }),
        (refCounted) => refCounted?.release ?? Effect.void
      ).pipe(Effect.map((refCounted) => Option.fromNullable(refCounted?.snapshot))),
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
            const millis = yield* monotonicMillis
            const replaced = loaded
            loaded = {
              refCounted: RefCounted.make(snapshot, own),
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
              log = confirmAt(now, millis)
            }
            updateRef()
            yield* signal
            // a logger may throw, but the replaced Snapshot must be released
            yield* Effect.ensuring(log, replaced?.refCounted.release ?? Effect.void)
          })
        ),
      confirm: Effect.flatMap(Effect.zip(DateTime.now, monotonicMillis), ([now, millis]) => {
        const log = confirmAt(now, millis)
        updateRef()
        return Effect.zipRight(signal, log)
      }),
      fail: (error) =>
        Effect.gen(function* () {
          const now = yield* DateTime.now
          const millis = yield* monotonicMillis
          const wasLogged = outage?.isLogged === true
          // An outage that was silent at first is logged once it lasts longer.
          const isLogged = wasLogged || endedAt === undefined || millis - endedAt >= QUIET_MILLIS
          outage = { since: outage?.since ?? now, error, isLogged }
          updateRef()
          yield* signal
          const log = isLogged && !wasLogged ? Effect.logWarning : Effect.logDebug
          const serving = Either.isRight(ref.current()) ? "serving the last state" : "evaluations fail"
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
          engine: loaded?.refCounted.snapshot.engine,
          mode,
          connected
        }
        if (outage !== undefined) {
          const { error, since } = outage
          return loaded === undefined
            ? status.Failed({ ...info, since, error })
            : status.Stale({ ...info, since, error })
        }
        return isConfirmed ? status.Ready(info) : status.Starting(info)
      })
    }
  })
