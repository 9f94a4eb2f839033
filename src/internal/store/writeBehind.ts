/**
 * The last state, stored after every change, beside everything else that a client does.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Fetcher from "../../Fetcher.js"
import type * as SnapshotStore from "../../SnapshotStore.js"

/** How long a client that closes waits for its last state to be stored. */
const LAST_SAVE_TIMEOUT = Duration.seconds(5)

/**
 * Gives what hands a state over to be stored. Of states that come faster than they are stored the last one counts, and
 * at the end of the Scope the last one still is: a program that runs for a second has a state the next time, too.
 */
export const make = (
  store: SnapshotStore.Service,
  target: SnapshotStore.Target
): Effect.Effect<
  (bytes: ReadonlyArray<Uint8Array>, version: Option.Option<Fetcher.Version>) => Effect.Effect<void>,
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    // Forked first and so closed last: what is being saved has its time.
    const saves = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const saving = yield* Effect.makeSemaphore(1)
    let pending: Option.Option<SnapshotStore.Entry> = Option.none()
    let isScheduled = false
    let isSaving = false

    const savePending = Effect.suspend(() => {
      const entry = pending
      pending = Option.none()
      isScheduled = false
      isSaving = true
      return Option.isSome(entry) ? store.save(target, entry.value) : Effect.void
    }).pipe(
      Effect.catchAllDefect((defect) =>
        Effect.logWarning("Flipt: the store of snapshots died; the state is not stored", defect)
      ),
      Effect.ensuring(
        Effect.sync(() => {
          isSaving = false
        })
      ),
      saving.withPermits(1)
    )

    yield* Effect.addFinalizer(() =>
      Effect.interruptible(Effect.disconnect(savePending)).pipe(
        Effect.timeoutOption(LAST_SAVE_TIMEOUT),
        Effect.flatMap((saved) =>
          Option.isSome(saved)
            ? Effect.void
            : Effect.logWarning(`Flipt: the last state was not stored within ${Duration.format(LAST_SAVE_TIMEOUT)}`)
        ),
        Effect.when(() => isSaving || Option.isSome(pending))
      )
    )

    return (bytes, version) =>
      Effect.flatMap(DateTime.now, (storedAt) => {
        pending = Option.some({ bytes, version, storedAt })
        if (isScheduled) {
          return Effect.void
        }
        isScheduled = true
        return Effect.asVoid(Effect.forkIn(Effect.disconnect(savePending), saves))
      })
  })
