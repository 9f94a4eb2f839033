/**
 * The client: its state, and the one way in which it is brought up to date.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Engine from "../../Engine.js"
import type * as Fetcher from "../../Fetcher.js"
import type * as FliptClient from "../../FliptClient.js"
import { type EngineError, EvaluationError, FetchError, type RefreshError, type StartError } from "../../FliptError.js"
import * as SnapshotStore from "../../SnapshotStore.js"
import * as Saving from "../store/writeBehind.js"
import * as Flight from "../util/singleFlight.js"
import * as Observe from "./changes.js"
import { listen, orDied } from "./events.js"
import * as Observing from "./instrumentation.js"
import type { StateSettings } from "./options.js"
import type { View } from "./snapshotRef.js"
import * as State from "./state.js"

/** How often an answer that a pushed document has overtaken is asked for again. */
const MAX_OVERTAKEN = 3

/** How long a client that can do without its first fetch waits for it before it starts; the fetch goes on. */
const START_PATIENCE = Duration.seconds(10)

const notModifiedFromNothing = () =>
  new FetchError({
    reason: "Source",
    retryable: false,
    message: "the Fetcher says that nothing has been modified, and nothing was loaded before"
  })

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
    const { engine, evaluations, fetcher, tellAge } = yield* Observing.make
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

    /** Whether what is loaded was pushed. */
    let isPushed = false

    const loadDocument = (
      bytes: ReadonlyArray<Uint8Array>,
      version: Option.Option<Fetcher.Version>,
      pushed: boolean
    ): Effect.Effect<void, EngineError> =>
      Effect.gen(function* () {
        yield* state.load(engine.compile(namespace, bytes), kind === "file" ? "file" : "server", version)
        isPushed = pushed
        yield* save(bytes, yield* state.version)
      })

    const loadStored = Effect.gen(function* () {
      const found = yield* Effect.disconnect(store.load(fetcher.source)).pipe(Effect.timeoutOption(START_PATIENCE))
      if (Option.isNone(found)) {
        return yield* Effect.logWarning(
          `Flipt: the store has given nothing within ${Duration.format(START_PATIENCE)}; it is not used`
        )
      }
      const stored = found.value
      if (Option.isSome(stored)) {
        const { bytes, storedAt, version } = stored.value
        yield* state.load(engine.compile(namespace, bytes), "store", version, storedAt)
        yield* Effect.logDebug(`Flipt: the state stored at ${DateTime.formatIso(storedAt)} is there to start from`)
      }
    }).pipe(
      Effect.catchAll((error) => Effect.logWarning(`Flipt: the stored state is not used: ${error.message}`)),
      Effect.catchAllDefect((defect) => Effect.logWarning("Flipt: the store of snapshots died; it is not used", defect))
    )

    /** True when a document was loaded, false when the state is confirmed; none when another one overtook the answer. */
    const attempt: Effect.Effect<Option.Option<boolean>, RefreshError> = Effect.gen(function* () {
      const begun = state.generation()
      const update = yield* fetcher.fetch(yield* state.version)
      return yield* Effect.suspend((): Effect.Effect<Option.Option<boolean>, RefreshError> => {
        if (state.generation() !== begun) {
          return Effect.succeedNone
        }
        if (update._tag === "Document") {
          return Effect.as(loadDocument(update.bytes, update.version, false), Option.some(true))
        }
        return begun === 0 ? Effect.fail(notModifiedFromNothing()) : Effect.succeedSome(false)
      }).pipe(loading.withPermits(1))
    })

    const bringUpToDate: Effect.Effect<boolean, RefreshError> = attempt.pipe(
      // Documents that are pushed faster than requests are answered confirm the state as well.
      Effect.repeat({ until: Option.isSome, times: MAX_OVERTAKEN }),
      Effect.flatMap((changed) =>
        Option.contains(changed, true) ? Effect.succeed(true) : Effect.as(state.confirm, false)
      ),
      orDied
    )

    const refresh = yield* Flight.make(Effect.tapError(bringUpToDate, state.fail), state.closed)

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
    yield* tellAge(state.status)
    yield* listen({
      state,
      refresh,
      events: fetcher.events({
        loaded: state.version,
        isPushed: Effect.sync(() => isPushed),
        isReady: Effect.map(state.status, ({ _tag }) => _tag === "Ready"),
        refresh
      }),
      push: (bytes, version) => loadDocument(bytes, version, true).pipe(loading.withPermits(1), orDied)
    })

    const own = {
      refresh,
      status: state.status,
      statusChanges: Observe.statusChanges(state),
      changes: Observe.changes(state),
      awaitReady: Observe.awaitReady(state),
      watchVariant: (request) => Observe.watchVariant(state, request),
      watchBoolean: (request) => Observe.watchBoolean(state, request)
    } satisfies Partial<FliptClient.Service>

    const serve = (view: View): FliptClient.Service => ({
      ...evaluations(view),
      listFlags: Effect.suspend(() => Either.flatMap(view.current(), (it) => it.flags)),
      snapshot: view.pin,
      getSnapshot: Effect.scoped(Effect.flatMap(view.pin, (snapshot) => snapshot.seed)).pipe(
        Effect.catchTag("EngineError", (cause) =>
          Effect.fail(new EvaluationError({ reason: "Closed", message: cause.message, cause }))
        )
      ),
      pinned: Effect.map(view.pinned, serve),
      ...own
    })

    return serve(state)
  })
