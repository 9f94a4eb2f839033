/**
 * The client of a worker: one like any other, whose status is that of the client in the main thread.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Platform from "#platform"
import type * as FliptClient from "../../FliptClient.js"
import { type StartError, ValidationError } from "../../FliptError.js"
import type { Status } from "../../Status.js"
import type * as Workers from "../../Workers.js"
import * as client from "../client/make.js"
import { OnLoad } from "../client/onLoad.js"
import { stateFields } from "../client/options.js"
import { none, Sharing } from "../client/sharing.js"
import { Engine } from "../engine/tags.js"
import { Fetcher } from "../fetch/tags.js"
import { SnapshotStore } from "../store/tags.js"
import { decodeWith, struct } from "../util/decodeOptions.js"
import { targetFields } from "../util/target.js"
import * as Link from "./link.js"
import * as Source from "./source.js"

const decode = decodeWith(struct({ ...targetFields, ...stateFields }))

/** Fails where there are no threads. */
export const checkPlatform: Effect.Effect<void, ValidationError> = Effect.suspend(() =>
  Platform.supportsThreads
    ? Effect.void
    : Effect.fail(
        new ValidationError({
          reason: "Argument",
          path: "Workers",
          message: "this platform has no worker threads that share a state; use FliptClient in each worker"
        })
      )
)

/** The context of the worker's client: its own Engine and Fetcher, and nothing that repeats what the main thread does. */
const provideSource =
  (source: Source.Source) =>
  <A, E>(self: Effect.Effect<A, E, Engine | Fetcher | Scope.Scope>) =>
    self.pipe(
      Effect.provideService(Engine, source.engine),
      Effect.provideService(Fetcher, source.fetcher),
      // the documents are names, which mean nothing later
      Effect.provideService(SnapshotStore, { load: () => Effect.succeedNone, save: () => Effect.void }),
      // the main thread serves and warns
      Effect.provideService(Sharing, none),
      Effect.provideService(OnLoad, () => () => Effect.void)
    )

export const make = (
  options: Workers.ClientOptions | undefined
): Effect.Effect<FliptClient.Service, StartError, Scope.Scope> =>
  Effect.gen(function* () {
    yield* checkPlatform
    const settings = yield* decode(options)
    const link = yield* Link.make(settings)
    const source = Source.make(link, settings)
    const own = yield* provideSource(source)(client.make(settings))

    /** The status of the main thread's client once this worker has loaded its state; until then its own. */
    const status: Effect.Effect<Status> = Effect.zipWith(own.status, link.received, (here, { state, status }) =>
      status !== undefined && state?.id === source.loaded() ? status(here.engine) : here
    )
    const statusChanges = Stream.merge(Stream.as(own.statusChanges, undefined), Stream.as(link.changes, undefined), {
      haltStrategy: "left"
    }).pipe(
      Stream.mapEffect(() => status),
      Stream.changes
    )
    const ask = (kind: "refresh" | "refetch") =>
      // loads what the client has fetched
      Effect.zipLeft(link.ask(kind), own.refresh)

    const withMain = (self: FliptClient.Service): FliptClient.Service => ({
      ...self,
      refresh: ask("refresh"),
      refetch: ask("refetch"),
      status,
      statusChanges,
      awaitReady: statusChanges.pipe(
        Stream.filter(({ _tag }) => _tag === "Ready"),
        Stream.runHead,
        Effect.flatMap(Option.match({ onNone: () => Effect.interrupt, onSome: () => Effect.void }))
      ),
      pinned: Effect.map(self.pinned, withMain)
    })
    return withMain(own)
  }).pipe(Effect.withSpan("Workers.make", { captureStackTrace: false }))
