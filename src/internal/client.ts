/**
 * The client: its state, and the one way in which it is brought up to date.
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Engine from "../Engine.js"
import * as Fetcher from "../Fetcher.js"
import type * as FliptClient from "../FliptClient.js"
import { type EngineError, EvaluationError, FetchError, type RefreshError, type StartError } from "../FliptError.js"
import * as SnapshotStore from "../SnapshotStore.js"
import * as Flight from "./flight.js"
import * as Observe from "./observe.js"
import type { StateSettings } from "./options.js"
import * as Saving from "./saving.js"
import * as State from "./state.js"

/** How soon a Fetcher is listened to again when its events ended, which they should not. */
const RESUBSCRIBE = Schedule.spaced("30 seconds")

/** How often an answer that a pushed document has overtaken is asked for again. */
const MAX_OVERTAKEN = 3

/** How long a client that can do without its first fetch waits for it before it starts; the fetch goes on. */
const START_PATIENCE = Duration.seconds(10)

const slowStart = (): FetchError =>
  new FetchError({
    reason: "Timeout",
    retryable: true,
    message: `the first fetch has not ended within ${Duration.format(START_PATIENCE)}; the client starts, and goes on waiting`
  })

export const make = (
  settings: StateSettings
): Effect.Effect<FliptClient.Service, StartError, Engine.Engine | Fetcher.Fetcher | Scope.Scope> =>
  Effect.gen(function* () {
    const engine = yield* Engine.Engine
    const fetcher = yield* Fetcher.Fetcher
    const { kind, namespace } = fetcher.source
    const scope = yield* Effect.scope
    // Forked first and so closed last: whatever still runs while the client closes finds its state.
    const state = yield* State.make(fetcher.source, settings.errorStrategy).pipe(
      Scope.extend(yield* Scope.fork(scope, ExecutionStrategy.sequential))
    )
    // A document may be pushed while the answer of a request is being loaded.
    const loading = yield* Effect.makeSemaphore(1)
    const store = yield* SnapshotStore.SnapshotStore
    const save = yield* Saving.make(store, fetcher.source)

    const loadDocument = (
      bytes: ReadonlyArray<Uint8Array>,
      version: Option.Option<Fetcher.Version>
    ): Effect.Effect<void, EngineError> =>
      Effect.gen(function* () {
        yield* state.load(engine.compile(namespace, bytes), kind === "file" ? "file" : "server", version)
        yield* save(bytes, yield* state.version)
      })

    const loadStored = Effect.gen(function* () {
      const stored = yield* store.load(fetcher.source)
      if (Option.isSome(stored)) {
        const { bytes, storedAt, version } = stored.value
        yield* state.load(engine.compile(namespace, bytes), "store", version)
        yield* Effect.logDebug(`Flipt: the state stored at ${DateTime.formatIso(storedAt)} is there to start from`)
      }
    }).pipe(
      Effect.catchAll((error) => Effect.logWarning(`Flipt: the stored state is not used: ${error.message}`)),
      Effect.catchAllDefect((defect) => Effect.logWarning("Flipt: the store of snapshots died; it is not used", defect))
    )

    /** A bug in a part of the client is an outage too: it must not leave a state that nobody knows to be old. */
    const died = (cause: Cause.Cause<unknown>): FetchError =>
      new FetchError({
        reason: "Source",
        retryable: false,
        message: `fetching or compiling died, which is a bug: ${Cause.pretty(cause)}`,
        cause: Cause.squash(cause)
      })

    /** True when a document was loaded, false when the state is confirmed; none when another one overtook the answer. */
    const attempt: Effect.Effect<Option.Option<boolean>, RefreshError> = Effect.gen(function* () {
      const begun = state.generation()
      const update = yield* fetcher.fetch(yield* state.version)
      return yield* Effect.suspend(() => {
        if (state.generation() !== begun) {
          return Effect.succeedNone
        }
        return update._tag === "NotModified"
          ? Effect.succeedSome(false)
          : Effect.as(loadDocument(update.bytes, update.version), Option.some(true))
      }).pipe(loading.withPermits(1))
    })

    const bringUpToDate: Effect.Effect<boolean, RefreshError> = attempt.pipe(
      // Documents that are pushed faster than requests are answered confirm the state as well.
      Effect.repeat({ until: Option.isSome, times: MAX_OVERTAKEN }),
      Effect.flatMap((changed) =>
        Option.contains(changed, true) ? Effect.succeed(true) : Effect.as(state.confirm, false)
      ),
      Effect.catchAllCause((cause) =>
        Option.match(Cause.failureOption(cause), {
          onNone: () => Effect.fail(died(cause)),
          onSome: (error): Effect.Effect<never, RefreshError> => Effect.fail(error)
        })
      )
    )

    const refresh = yield* Flight.make(Effect.tapError(bringUpToDate, state.fail), state.closed)

    /** What else the Fetcher has to say does not wait for the answer. */
    const check = Effect.asVoid(Effect.forkIn(Effect.ignore(refresh), scope))

    const handle = (event: Fetcher.Event): Effect.Effect<void> => {
      switch (event._tag) {
        case "Check":
          return check
        case "Pushed":
          return loadDocument(event.bytes, event.version).pipe(
            loading.withPermits(1),
            // a change that did not load: a request may bring it
            Effect.catchAll((error) => Effect.zipRight(state.fail(error), check))
          )
        case "Failed":
          return state.fail(event.error)
        case "Mode":
          return state.setMode(event.mode, event.connected)
      }
    }

    const { snapshot: seed } = settings
    if (seed !== undefined) {
      yield* state.load(engine.restore(namespace, seed), "seed", Option.none())
    }
    if (settings.errorStrategy === "fallback") {
      // A client has stored it since the seed was chosen, so it is taken for the newer one.
      yield* loadStored
    }
    // Whoever builds the client gets the error itself, so it is no outage to report.
    yield* settings.errorStrategy === "fail"
      ? bringUpToDate
      : Effect.timeoutOption(Effect.exit(refresh), START_PATIENCE).pipe(
          Effect.zipRight(state.status),
          Effect.flatMap(({ _tag }) => (_tag === "Starting" ? state.fail(slowStart()) : Effect.void))
        )
    yield* fetcher.events({ loaded: state.version, refresh }).pipe(
      Stream.runForEach(handle),
      Effect.catchAllDefect((defect) =>
        Effect.logError("Flipt: a Fetcher died; it is listened to again", Cause.die(defect))
      ),
      Effect.repeat(RESUBSCRIBE),
      Effect.forkIn(scope)
    )

    return {
      evaluateVariant: (request) => Effect.suspend(() => Either.flatMap(state.current(), (it) => it.variant(request))),
      evaluateBoolean: (request) => Effect.suspend(() => Either.flatMap(state.current(), (it) => it.boolean(request))),
      evaluateBatch: (requests) => Effect.suspend(() => Either.flatMap(state.current(), (it) => it.batch(requests))),
      listFlags: Effect.suspend(() => Either.flatMap(state.current(), (it) => it.flags)),
      snapshot: state.pin,
      getSnapshot: Effect.scoped(Effect.flatMap(state.pin, (snapshot) => snapshot.seed)).pipe(
        Effect.catchTag("EngineError", (cause) =>
          Effect.fail(new EvaluationError({ reason: "Closed", message: cause.message, cause }))
        )
      ),
      refresh,
      status: state.status,
      statusChanges: Observe.statusChanges(state),
      changes: Observe.changes(state),
      awaitReady: Observe.awaitReady(state),
      watchVariant: (request) => Observe.watchVariant(state, request),
      watchBoolean: (request) => Observe.watchBoolean(state, request)
    }
  })
