/**
 * Write-behind: saves each new state in the background.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Fetcher from "../../Fetcher.js"
import type * as SnapshotStore from "../../SnapshotStore.js"
import { disconnect } from "../util/fiber.js"

/** How long closing waits for the last save. */
const LAST_SAVE_TIMEOUT = Duration.seconds(5)

/**
 * Returns the function that schedules a save. If states arrive faster than they can be saved, only the latest is saved.
 * When the Scope closes, the last state is still saved, so even a program that runs for a second leaves a state for its
 * next start.
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
    // Forked first, so it closes last and a save in progress can finish.
    const saves = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const lock = yield* Effect.makeSemaphore(1)
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
        Effect.logWarning("Flipt: the SnapshotStore died with a defect; the state was not saved", defect)
      ),
      Effect.ensuring(
        Effect.sync(() => {
          isSaving = false
        })
      ),
      lock.withPermits(1)
    )

    yield* Effect.addFinalizer(() =>
      Effect.interruptible(disconnect(savePending)).pipe(
        Effect.timeoutOption(LAST_SAVE_TIMEOUT),
        Effect.flatMap((saved) =>
          Option.isSome(saved)
            ? Effect.void
            : Effect.logWarning(`Flipt: the last state was not saved within ${Duration.format(LAST_SAVE_TIMEOUT)}`)
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
        return Effect.asVoid(Effect.forkIn(disconnect(savePending), saves))
      })
  })
