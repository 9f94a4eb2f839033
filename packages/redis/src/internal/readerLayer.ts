/**
 * The Fetcher and the SnapshotStore of a client that only reads.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fetcher from "flipt-client-effect/Fetcher"
import type { ValidationError } from "flipt-client-effect/FliptError"
import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
import type * as RedisFetcher from "../RedisFetcher.js"
import * as options from "./options.js"
import * as Published from "./published.js"
import * as Reader from "./reader.js"
import * as store from "./store.js"
import { Connection } from "./tags.js"
import { targetOf } from "./target.js"

export const make = (
  given: RedisFetcher.Options | undefined
): Effect.Effect<Context.Context<Fetcher.Fetcher | SnapshotStore.SnapshotStore>, ValidationError, Connection> =>
  Effect.gen(function* () {
    const checked = yield* options.known(given, [
      "environment",
      "namespace",
      "staleAfter",
      "updateInterval",
      "maxBodySize"
    ])
    const settings = yield* options.read(checked)
    const target = yield* targetOf(checked)
    const connection = yield* Connection
    const below = yield* SnapshotStore.SnapshotStore
    const reader = Reader.make(Published.make(connection, target, settings.maxBodySize), settings)
    let hasStarted = false
    return Context.make(Fetcher.Fetcher, {
      source: { kind: Reader.MODE, ...target },
      fetch: (loaded) => Effect.suspend(() => (hasStarted ? reader.fetch : reader.firstFetch)(loaded)),
      events: (listener) => {
        hasStarted = true
        return reader.follow(listener, () => Effect.void)
      }
    }).pipe(
      Context.add(SnapshotStore.SnapshotStore, {
        load: (loadTarget) => store.loadOr(reader.load, below, loadTarget),
        save: below.save
      })
    )
  })
