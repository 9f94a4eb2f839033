/**
 * The client: its state and the single path on which it is updated.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Engine from "../../Engine.js"
import type * as Fetcher from "../../Fetcher.js"
import type * as FliptClient from "../../FliptClient.js"
import { type EngineError, EvaluationError, FetchError, type RefreshError, type StartError } from "../../FliptError.js"
import { contentHash } from "../document/contentHash.js"
import { SnapshotStore } from "../store/tags.js"
import * as WriteBehind from "../store/writeBehind.js"
import * as FairLock from "../util/fairLock.js"
import { disconnect } from "../util/fiber.js"
import { printable } from "../util/outsideText.js"
import * as SingleFlight from "../util/singleFlight.js"
import { withoutParentSpan } from "../util/withoutParentSpan.js"
import * as Changes from "./changes.js"
import { defectsToErrors, listen } from "./events.js"
import * as Instrumentation from "./instrumentation.js"
import * as LoadedContent from "./loadedContent.js"
import type { StateSettings } from "./options.js"
import { Sharing } from "./sharing.js"
import type { SnapshotRef } from "./snapshotRef.js"
import * as State from "./state.js"

/** Retries of a fetch that was overtaken by a pushed document. */
const MAX_OVERTAKEN_FETCHES = 3

/** How long a client with a fallback waits for its first fetch before it starts. The fetch continues. */
const START_TIMEOUT = Duration.seconds(10)

/** How long a start is silent. */
const START_NOTICE_DELAY = Duration.seconds(2)

/** Logs what a start waits for if its first fetch takes longer than a moment. */
const withStartNotice = <A, E>(firstFetch: Effect.Effect<A, E>, source: Fetcher.Source): Effect.Effect<A, E> =>
  Effect.suspend(() =>
    Effect.logInfo(
      `Flipt namespace ${printable(source.namespace)} (environment ${printable(source.environment)}): still waiting for ` +
        `the first state from ${printable(source.url ?? source.kind)}; failed attempts are repeated and logged at Debug level`
    )
  ).pipe(Effect.delay(START_NOTICE_DELAY), Effect.forkScoped, Effect.zipRight(firstFetch), Effect.scoped)

const notModifiedFromNothing = () =>
  new FetchError({
    reason: "Source",
    retryable: false,
    message: "the Fetcher returned NotModified, but no document has been loaded; the first fetch must return a document"
  })

const slowStart = (): FetchError =>
  new FetchError({
    reason: "Timeout",
    retryable: true,
    message: `the first fetch did not complete within ${Duration.format(START_TIMEOUT)}; the client starts and keeps waiting for it`
  })

export const make = (
  settings: StateSettings
): Effect.Effect<FliptClient.Service, StartError, Engine.Engine | Fetcher.Fetcher | Scope.Scope> =>
  Effect.gen(function* () {
    const { engine, evaluations, fetcher, reportAge } = yield* Instrumentation.make
    const { environment, kind, namespace } = fetcher.source
    const sharer = (yield* Sharing)()
    const scope = yield* Effect.scope
    // Forked first and therefore closed last: everything that runs while the client closes still has its state.
    const state = yield* State.make(fetcher.source, settings.errorStrategy).pipe(
      Scope.extend(yield* Scope.fork(scope, ExecutionStrategy.sequential))
    )
    const fetchLock = yield* FairLock.make
    // A document may be pushed while a fetched one is being loaded. Fair, so that a fast stream does not starve requests.
    const loadLock = yield* FairLock.make
    const store = yield* SnapshotStore
    const save = yield* WriteBehind.make(store, fetcher.source)
    const loadedContent = yield* LoadedContent.make

    /** Whether the loaded document was pushed. */
    let isPushed = false
    /** Whether the source has returned a document: until then, fetches are unconditional. */
    let hasFetched = false

    const compile = (bytes: ReadonlyArray<Uint8Array>) =>
      Effect.tap(engine.compile(namespace, bytes), (snapshot) => Effect.sync(() => sharer.compiled(snapshot, bytes)))

    /** Loads a document and returns true, or confirms the state if it is the loaded document. */
    const loadDocument = (
      bytes: ReadonlyArray<Uint8Array>,
      version: Option.Option<Fetcher.Version>,
      pushed: boolean
    ): Effect.Effect<boolean, EngineError> =>
      Effect.gen(function* () {
        // A new version is loaded even if the content is the same, so that the next condition is the new version.
        const hasNewVersion = Option.isSome(version) && !Equal.equals(version, yield* state.version)
        const content = hasNewVersion || state.generation() === 0 ? undefined : yield* contentHash(bytes)
        if (content !== undefined && (yield* loadedContent.has(state.generation(), content))) {
          isPushed ||= pushed
          yield* state.confirm
          return false
        }
        // In one step, so that an interruption cannot separate a state from what is known about it.
        yield* Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            yield* state.load(restore(compile(bytes)), kind === "file" ? "file" : "server", version)
            isPushed = pushed
            yield* loadedContent.set(state.generation(), bytes, content)
          })
        )
        yield* save(bytes, yield* state.version)
        return true
      })

    const loadStored = Effect.gen(function* () {
      const found = yield* disconnect(store.load(fetcher.source)).pipe(Effect.timeoutOption(START_TIMEOUT))
      if (Option.isNone(found)) {
        return yield* Effect.logWarning(
          `Flipt: ignoring the store: it did not respond within ${Duration.format(START_TIMEOUT)}`
        )
      }
      const stored = found.value
      if (Option.isSome(stored)) {
        const { bytes, storedAt, version } = stored.value
        yield* state.load(compile(bytes), "store", version, storedAt)
        yield* loadedContent.set(state.generation(), bytes, undefined)
        yield* Effect.logDebug(`Flipt: starting from the state stored at ${DateTime.formatIso(storedAt)}`)
      }
    }).pipe(
      Effect.catchAll((error) =>
        Effect.logWarning(`Flipt: ignoring the stored state: ${printable(error.message, 1000)}`)
      ),
      Effect.catchAllDefect((defect) => Effect.logWarning("Flipt: ignoring the store: it died", defect))
    )

    /** True if a document was loaded, false if the state was confirmed, none if a pushed document overtook the fetch. */
    const fetchAndLoad = (unconditional: boolean): Effect.Effect<Option.Option<boolean>, RefreshError> =>
      Effect.gen(function* () {
        const generation = state.generation()
        const update = yield* fetcher.fetch(unconditional || !hasFetched ? Option.none() : yield* state.version)
        return yield* Effect.suspend((): Effect.Effect<Option.Option<boolean>, RefreshError> => {
          if (state.generation() !== generation) {
            return Effect.succeedNone
          }
          if (update._tag === "Document") {
            return Effect.map(loadDocument(update.bytes, update.version, false), (changed) => {
              hasFetched = true
              return Option.some(changed)
            })
          }
          return generation === 0 ? Effect.fail(notModifiedFromNothing()) : Effect.succeedSome(false)
        }).pipe(loadLock.withLock)
      })

    const updateState = (unconditional: boolean): Effect.Effect<boolean, RefreshError> =>
      fetchAndLoad(unconditional).pipe(
        // If documents are pushed faster than fetches complete, they confirm the state as well.
        Effect.repeat({ until: Option.isSome, times: MAX_OVERTAKEN_FETCHES }),
        Effect.flatMap((changed) =>
          Option.contains(changed, true) ? Effect.succeed(true) : Effect.as(state.confirm, false)
        ),
        defectsToErrors,
        fetchLock.withLock
      )

    const makeRefresh = (unconditional: boolean) =>
      SingleFlight.make(Effect.tapError(updateState(unconditional), state.fail), state.closed)
    const refresh = yield* makeRefresh(false)
    const refetch = yield* makeRefresh(true)

    const { snapshot: seed } = settings
    if (seed !== undefined) {
      yield* state.load(engine.restore(namespace, seed), "seed", Option.none())
    }
    if (settings.errorStrategy === "fallback") {
      // Loaded after the seed: a client wrote it after the seed was chosen, so it is newer.
      yield* loadStored
    }
    // With `fail`, building the client fails with the error itself, so there is no outage to report.
    yield* settings.errorStrategy === "fail"
      ? withStartNotice(updateState(false), fetcher.source)
      : withStartNotice(Effect.timeoutOption(Effect.exit(refresh), START_TIMEOUT), fetcher.source).pipe(
          Effect.zipRight(state.status),
          Effect.flatMap(({ _tag }) => (_tag === "Starting" ? state.fail(slowStart()) : Effect.void))
        )
    yield* withoutParentSpan(reportAge(state.status))
    yield* listen({
      state,
      refresh,
      events: fetcher.events({
        loaded: state.version,
        isPushed: Effect.sync(() => isPushed),
        isReady: Effect.map(state.status, ({ _tag }) => _tag === "Ready"),
        refresh
      }),
      push: (bytes, version) =>
        loadDocument(bytes, version, true).pipe(loadLock.withLock, defectsToErrors, Effect.asVoid)
    }).pipe(withoutParentSpan)

    const { acquireLoaded, signals, status } = state
    yield* withoutParentSpan(sharer.start({ source: fetcher.source, acquireLoaded, signals, status, refresh, refetch }))

    const spanOptions = {
      captureStackTrace: false,
      attributes: { "flipt.environment": environment, "flipt.namespace": namespace }
    }
    const shared = {
      // polls call `refresh` itself: only a caller's own request is part of the caller's trace
      refresh: Effect.withSpan(refresh, "FliptClient.refresh", spanOptions),
      refetch: Effect.withSpan(refetch, "FliptClient.refetch", spanOptions),
      status: state.status,
      statusChanges: Changes.statusChanges(state),
      changes: Changes.changes(state),
      awaitReady: Changes.awaitReady(state),
      watchVariant: (request) => Changes.watchVariant(state, request),
      watchBoolean: (request) => Changes.watchBoolean(state, request)
    } satisfies Partial<FliptClient.Service>

    const fromRef = (ref: SnapshotRef): FliptClient.Service => ({
      ...evaluations(ref),
      listFlags: Effect.suspend(() => Either.flatMap(ref.current(), (it) => it.flags)),
      snapshot: ref.acquire,
      getSnapshot: Effect.scoped(Effect.flatMap(ref.acquire, (snapshot) => snapshot.seed)).pipe(
        Effect.catchTag("EngineError", (cause) =>
          Effect.fail(new EvaluationError({ reason: "Closed", message: cause.message, cause }))
        )
      ),
      pinned: Effect.map(ref.pinned, fromRef),
      ...shared
    })

    return fromRef(state)
  })
