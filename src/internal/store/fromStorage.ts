/**
 * Makes a SnapshotStore from a storage of named entries. A store never fails: what goes wrong is one logged warning.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Entry, Service, Target } from "../../SnapshotStore.js"
import { errorMessage } from "../util/errorMessage.js"
import { quoted } from "../util/outsideText.js"
import { decode, encode, entryName } from "./entry.js"

const describeTarget = ({ environment, namespace }: Target): string =>
  `the stored snapshot of the namespace ${quoted(namespace)} in the environment ${quoted(environment)}`

/** Reads and writes entries by name. */
export interface Storage {
  /** Where the entry of a name is, for messages. */
  readonly describeLocation: (name: string) => string
  readonly read: (name: string) => Effect.Effect<Option.Option<Uint8Array>, unknown>
  readonly write: (name: string, pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void, unknown>
}

/** Turns every failure into a warning, including the defects of a KeyValueStore, and returns `fallback`. */
const orWarn =
  <B>(fallback: B, warning: (problem: string) => string) =>
  <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A | B> =>
    Effect.catchAllCause(self, (cause) =>
      Effect.as(Effect.logWarning(warning(errorMessage(Cause.squash(cause)))), fallback)
    )

export const fromStorage = (storage: Storage): Service => ({
  load: (target) =>
    Effect.suspend(() => {
      const name = entryName(target)
      const location = storage.describeLocation(name)
      return storage.read(name).pipe(
        Effect.flatMap(
          Option.match({
            onNone: () => Effect.succeedNone,
            onSome: (bytes) => Effect.asSome(decode(target, bytes))
          })
        ),
        orWarn(
          Option.none<Entry>(),
          (problem) =>
            `Flipt: ${describeTarget(target)} is ignored: ${problem} (${location}); the next loaded state replaces it`
        )
      )
    }),
  save: (target, entry) =>
    Effect.suspend(() => {
      const name = entryName(target)
      const location = storage.describeLocation(name)
      return encode(target, entry).pipe(
        Effect.flatMap((pieces) => storage.write(name, pieces)),
        orWarn(
          undefined,
          (problem) =>
            `Flipt: ${describeTarget(target)} could not be saved: ${problem} (${location}); the previous one stays stored, ` +
            "and a start without the server uses it; check the permissions and the free space"
        )
      )
    })
})
