/**
 * SnapshotStores in Redis. Like every store, they never fail, but log problems.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FetchError, ValidationError } from "flipt-client-effect/FliptError"
import type * as SnapshotStore from "flipt-client-effect/SnapshotStore"
import type * as RedisSnapshotStore from "../RedisSnapshotStore.js"
import * as options from "./options.js"
import * as Published from "./published.js"
import * as Reader from "./reader.js"
import { Connection } from "./tags.js"
import { printable } from "./text.js"

/** Older than any token of a lease, so a relay's states are never replaced. */
const NO_TOKEN = "0"

export const describe = ({ environment, namespace }: SnapshotStore.Target): string =>
  `Flipt namespace ${printable(namespace)} of environment ${printable(environment)}`

/** Loads from Redis, or from another store if Redis has nothing. */
export const loadOr = (
  load: Effect.Effect<Option.Option<SnapshotStore.Entry>, FetchError>,
  below: SnapshotStore.Service,
  target: SnapshotStore.Target
): Effect.Effect<Option.Option<SnapshotStore.Entry>> =>
  Effect.catchAll(load, ({ message }) =>
    Effect.as(
      Effect.logWarning(`${describe(target)}: the state in Redis is ignored: ${message}`),
      Option.none<SnapshotStore.Entry>()
    )
  ).pipe(Effect.flatMap((found) => (Option.isSome(found) ? Effect.succeed(found) : below.load(target))))

export const make = (
  given: RedisSnapshotStore.Options | undefined
): Effect.Effect<SnapshotStore.Service, ValidationError, Connection> =>
  Effect.gen(function* () {
    const checked = yield* options.known(given, ["maxBodySize"])
    const settings = yield* options.read(checked)
    const connection = yield* Connection
    const none: SnapshotStore.Service = { load: () => Effect.succeedNone, save: () => Effect.void }
    const publishedOf = (target: SnapshotStore.Target) => Published.make(connection, target, settings.maxBodySize)
    return {
      load: (target) => loadOr(Reader.make(publishedOf(target), settings).load, none, target),
      save: (target, { bytes, storedAt, version }) =>
        Published.hold(bytes, version).pipe(
          Effect.flatMap((held) => publishedOf(target).publish(NO_TOKEN, DateTime.toEpochMillis(storedAt), held)),
          Effect.catchAll(({ message }) =>
            Effect.logWarning(
              `${describe(target)}: the state could not be stored in Redis: ${message}; the previous one remains`
            )
          )
        )
    }
  })
