/**
 * The Fetcher and the Engine of a worker's client. Its documents are the names of states that the client of the main thread
 * has loaded.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Native from "#native"
import type * as Engine from "../../Engine.js"
import type * as Fetcher from "../../Fetcher.js"
import { EngineError, FetchError, type RefreshError } from "../../FliptError.js"
import type { Snapshot } from "../../Snapshot.js"
import { portable } from "../engine/portable/engine.js"
import { Document, Event, NotModified } from "../fetch/event.js"
import { quoted } from "../util/outsideText.js"
import type { TargetSettings } from "../util/target.js"
import type { Link, Received } from "./link.js"
import type { SharedState } from "./protocol.js"

/** The mode of a worker's client while there is no client in the main thread whose mode it could have. */
const MODE = "workers"

/** How long a worker waits for a client, and for its first state. */
const START_TIMEOUT = Duration.seconds(30)

export interface Source {
  readonly fetcher: Fetcher.Service
  readonly engine: Engine.Service
  /** The id of the state that the worker has loaded. */
  readonly loaded: () => string | undefined
}

const asFetchError = (error: RefreshError): FetchError =>
  error._tag === "FetchError"
    ? error
    : new FetchError({ reason: "Source", retryable: true, message: error.message, cause: error })

const nobody = ({ environment, namespace }: TargetSettings): FetchError =>
  new FetchError({
    reason: "Timeout",
    retryable: true,
    message: `no client of this process has served namespace ${quoted(namespace)} (environment ${quoted(environment)}) to workers within ${Duration.format(START_TIMEOUT)}; provide Workers.layerServe to the client of the main thread`
  })

const nothing = (): EngineError =>
  new EngineError({ reason: "Closed", message: "the state of the main thread is closed" })

const open = (namespace: string, { content }: SharedState): Effect.Effect<Snapshot, EngineError, Scope.Scope> => {
  switch (content.kind) {
    case "native":
      return Native.retain(content.native, namespace)
    case "document":
      return portable.compile(namespace, [new Uint8Array(content.bytes)])
    case "seed":
      // a copy, because not every decoder reads shared memory
      return portable
        .restore(namespace, new TextDecoder().decode(new Uint8Array(content.bytes).slice()))
        .pipe(Effect.catchTag("ValidationError", ({ message }) => new EngineError({ reason: "Document", message })))
  }
}

const isFilled = ({ error, state }: Received): boolean => state !== undefined || error !== undefined

export const make = (link: Link, target: TargetSettings): Source => {
  let loaded: string | undefined
  let hasFetched = false

  /** Waits for something that is known of the client. The changes do not end before this client. */
  const firstThat = (accepts: (received: Received) => boolean): Effect.Effect<Received> =>
    Effect.flatMap(
      Stream.runHead(Stream.filter(link.changes, accepts)),
      Option.match({ onNone: () => Effect.never, onSome: Effect.succeed })
    )

  /**
   * Opens the latest state. The client closes a state as soon as it has sent the next one, so a state that is closed has a
   * successor, unless the client itself is closed.
   */
  const openLatest: Effect.Effect<Snapshot, EngineError, Scope.Scope> = Effect.flatMap(link.received, ({ state }) =>
    state === undefined
      ? Effect.fail(nothing())
      : open(target.namespace, state).pipe(
          Effect.tap(() =>
            Effect.sync(() => {
              loaded = state.id
            })
          ),
          Effect.catchAll((error) =>
            error.reason !== "Closed"
              ? Effect.fail(error)
              : Effect.flatMap(
                  firstThat((next) => next.client === undefined || next.state?.id !== state.id),
                  (next) => (next.client === undefined ? Effect.fail(error) : openLatest)
                )
          )
        )
  )

  const documentOf = ({ state, status }: Received) => ({
    bytes: [new TextEncoder().encode(JSON.stringify(state?.id))],
    version: Option.fromNullable(status?.(undefined).version)
  })

  const fetch = (version: Option.Option<Fetcher.Version>): Effect.Effect<Fetcher.Update, FetchError> =>
    Effect.gen(function* () {
      const received = yield* firstThat(isFilled).pipe(
        Effect.timeoutFail({ duration: START_TIMEOUT, onTimeout: () => nobody(target) })
      )
      const { error, state } = received
      // a worker starts with a state that is out of date; the events report the outage
      if (error !== undefined && (hasFetched || state === undefined || received.client === undefined)) {
        return yield* asFetchError(error)
      }
      hasFetched = true
      return Option.isSome(version) && state?.id === loaded ? NotModified() : Document(documentOf(received))
    })

  const updateOf = (listener: Fetcher.Listener, received: Received): Effect.Effect<ReadonlyArray<Fetcher.Event>> => {
    const { client, error, state } = received
    if (error !== undefined && (client === undefined || state === undefined || state.id === loaded)) {
      return Effect.succeed([Event.Failed({ error: asFetchError(error) })])
    }
    if (state !== undefined && state.id !== loaded) {
      return Effect.succeed([Event.Pushed(documentOf(received))])
    }
    return Effect.map(listener.isReady, (isReady) => (isReady || client === undefined ? [] : [Event.Check()]))
  }

  const eventsOf = (listener: Fetcher.Listener): Effect.Effect<ReadonlyArray<Fetcher.Event>> =>
    // the latest, because this worker may be slow
    Effect.flatMap(link.received, (received) =>
      Effect.map(updateOf(listener, received), (events) => [
        Event.Mode({ mode: MODE, connected: received.client !== undefined }),
        ...events
      ])
    )

  return {
    loaded: () => loaded,
    fetcher: {
      source: { kind: MODE, ...target },
      fetch,
      events: (listener) => Stream.flattenIterables(Stream.mapEffect(link.changes, () => eventsOf(listener)))
    },
    engine: {
      name: "workers",
      compile: () => openLatest,
      restore: portable.restore
    }
  }
}
