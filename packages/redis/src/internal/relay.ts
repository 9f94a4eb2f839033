/**
 * A relay: decides who leads, and where the fetches and events of its client come from.
 *
 * The client saves each state in its SnapshotStore after loading it, so the relay publishes states through its own store.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Fetcher from "flipt-client-effect/Fetcher"
import type { FetchError, ValidationError } from "flipt-client-effect/FliptError"
import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
import type * as Relay from "../Relay.js"
import * as Lease from "./lease.js"
import * as options from "./options.js"
import * as Published from "./published.js"
import * as Reader from "./reader.js"
import * as store from "./store.js"
import { Connection } from "./tags.js"

const LEASE_DURATION = Duration.seconds(6)

/** `direct`: this process fetches from Flipt because it cannot read from Redis. */
type Role = "following" | "leading" | "direct"

const nowMillis = Clock.currentTimeMillis

const decode = (given: Relay.Options | undefined) =>
  Effect.gen(function* () {
    const checked = yield* options.known(given, [
      "lead",
      "leaseDuration",
      "fallbackAfter",
      "staleAfter",
      "updateInterval",
      "maxBodySize"
    ])
    const read = yield* options.read(checked)
    return {
      ...read,
      lead: yield* options.boolean("lead", checked.lead, true),
      leaseDuration: yield* options.duration("leaseDuration", checked.leaseDuration, LEASE_DURATION),
      fallbackAfter: yield* options.duration("fallbackAfter", checked.fallbackAfter, Duration.infinity, {
        mayBeInfinite: true
      })
    }
  })

export const make = (
  given: Relay.Options | undefined
): Effect.Effect<
  Context.Context<Fetcher.Fetcher | SnapshotStore.SnapshotStore>,
  ValidationError,
  Connection | Fetcher.Fetcher | Scope.Scope
> =>
  Effect.gen(function* () {
    const settings = yield* decode(given)
    const { fallbackAfter, lead } = settings
    const origin = yield* Fetcher.Fetcher
    const below = yield* SnapshotStore.SnapshotStore
    const { environment, namespace } = origin.source
    const target = { environment, namespace }
    const published = Published.make(yield* Connection, target, settings.maxBodySize)
    const reader = Reader.make(published, settings)
    const role = yield* SubscriptionRef.make<Role>("following")
    const lease = yield* Lease.make(published, target, settings)
    const mayFallBack = Duration.isFinite(fallbackAfter)
    let hasStarted = false
    /** When reading from Redis started to fail, and after how many milliseconds to fetch from Flipt. */
    let trouble: { readonly since: number; readonly limit: number } | undefined

    /** Changes the role. With `from`, only if that is the role now. */
    const setRole = (next: Role, from?: Role) =>
      Effect.flatMap(
        SubscriptionRef.modify(role, (current) => [current, from === undefined || from === current ? next : current]),
        (previous) =>
          from !== undefined && from !== previous
            ? Effect.void
            : previous === next || previous === "leading" || next === "leading"
              ? Effect.void
              : Effect.logInfo(
                  next === "direct"
                    ? `${store.describe(target)}: reading from Redis fails, so this process fetches from Flipt`
                    : `${store.describe(target)}: reading from Redis again`
                )
      )

    const fetchDirect = (loaded: Option.Option<Fetcher.Version>) =>
      Effect.zipRight(setRole("direct"), origin.fetch(loaded))

    /** The first process of a fleet leads immediately. Others wait until it has published its state. */
    const firstFetch = (loaded: Option.Option<Fetcher.Version>): Effect.Effect<Fetcher.Update, FetchError> =>
      Effect.catchAll(reader.fetch(loaded), (error) =>
        Effect.gen(function* () {
          if (error.reason !== "Source") {
            return yield* mayFallBack ? fetchDirect(loaded) : error
          }
          if (lead && (yield* Effect.orElseSucceed(lease.acquire, () => false))) {
            yield* setRole("leading")
            return yield* origin.fetch(loaded)
          }
          return yield* Effect.catchAll(reader.firstFetch(loaded), (later) =>
            mayFallBack ? fetchDirect(loaded) : later
          )
        })
      )

    const fetch = (loaded: Option.Option<Fetcher.Version>): Effect.Effect<Fetcher.Update, FetchError> =>
      Effect.flatMap(SubscriptionRef.get(role), (current) =>
        current !== "following" ? origin.fetch(loaded) : hasStarted ? reader.fetch(loaded) : firstFetch(loaded)
      )

    const onOutcome = (outcome: Either.Either<boolean, unknown>): Effect.Effect<void> =>
      Effect.gen(function* () {
        if (Either.isRight(outcome)) {
          trouble = undefined
        } else if (mayFallBack) {
          const now = yield* nowMillis
          trouble ??= { since: now, limit: Duration.toMillis(fallbackAfter) * (1 + (yield* Random.next)) }
          if (now - trouble.since >= trouble.limit) {
            yield* setRole("direct", "following")
          }
        }
      })

    /** Returns to Redis as soon as it has a confirmed state. */
    const probe = Stream.runForEach(
      Stream.merge(published.signals, Stream.fromSchedule(Reader.intervals(settings.updateInterval))),
      () =>
        Effect.flatMap(reader.isAvailable, (isAvailable) => {
          if (!isAvailable) {
            return Effect.void
          }
          trouble = undefined
          return setRole("following", "direct")
        })
    )

    const { kind } = origin.source
    /**
     * Fetches from Flipt immediately, because the state from Redis may be outdated, and then follows the Fetcher's
     * events.
     */
    const fromOrigin = (listener: Fetcher.Listener): Stream.Stream<Fetcher.Event> =>
      Stream.concat(
        Stream.make(Fetcher.Event.Mode({ mode: kind, connected: kind !== "streaming" })),
        Stream.concat(Stream.execute(Effect.ignore(listener.refresh)), origin.events(listener))
      )

    const eventsOf = (current: Role, listener: Fetcher.Listener): Stream.Stream<Fetcher.Event> => {
      switch (current) {
        case "following":
          return reader.follow(listener, onOutcome)
        case "leading":
          return fromOrigin(listener)
        case "direct":
          return Stream.merge(fromOrigin(listener), Stream.drain(Stream.fromEffect(probe)))
      }
    }

    const election = (listener: Fetcher.Listener) =>
      lease.run({
        isReady: listener.isReady,
        // A new leader first reads the last state, in case it missed it and Flipt cannot be reached.
        onAcquired: Effect.zipRight(
          Effect.unlessEffect(
            Effect.ignore(listener.refresh),
            Effect.map(SubscriptionRef.get(role), (current) => current !== "following")
          ),
          setRole("leading")
        ),
        onLost: setRole("following")
      })

    return Context.make(Fetcher.Fetcher, {
      source: { kind: Reader.MODE, ...target },
      fetch,
      events: (listener) => {
        hasStarted = true
        const events = Stream.flatMap(Stream.changes(role.changes), (current) => eventsOf(current, listener), {
          switch: true
        })
        return lead ? Stream.merge(events, Stream.drain(Stream.fromEffect(election(listener)))) : events
      }
    }).pipe(
      Context.add(SnapshotStore.SnapshotStore, {
        load: (loadTarget) =>
          store.loadOr(
            Effect.tap(reader.load, (entry) => (Option.isSome(entry) ? lease.hold(entry.value) : Effect.void)),
            below,
            loadTarget
          ),
        save: (saveTarget, entry) => Effect.zipRight(lease.save(entry), below.save(saveTarget, entry))
      })
    )
  })
