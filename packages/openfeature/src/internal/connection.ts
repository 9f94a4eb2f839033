/**
 * One lifetime of a provider, from `initialize` to `onClose`: a fiber that owns the client, keeps the served state
 * current and emits events.
 */
import {
  ErrorCode,
  type FlagMetadata,
  GeneralError,
  type OpenFeatureError,
  type OpenFeatureEventEmitter,
  ProviderEvents,
  ProviderFatalError,
  ProviderNotReadyError
} from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as FliptClient from "flipt-client-effect/FliptClient"
import { EvaluationError, type StartError } from "flipt-client-effect/FliptError"
import type { Snapshot } from "flipt-client-effect/Snapshot"
import type { Status } from "flipt-client-effect/Status"
import type { NestedContext } from "./context.js"
import { errorCodes, type Serving } from "./resolve.js"

/** The client of a provider, and the settings of its evaluations. */
export interface Source {
  readonly client: Effect.Effect<FliptClient.Service, StartError, Scope.Scope>
  readonly environment: string | undefined
  readonly nestedContext: NestedContext
}

export interface Connection {
  readonly serving: () => Serving
  /** Resolves when there is a state to evaluate. Rejects if there is none after the first attempt to get one. */
  readonly started: Promise<void>
  /** False once it has closed or failed to open. */
  readonly isOpen: () => boolean
  /** May be called more than once. */
  readonly close: () => Promise<void>
}

const refusal = (reason: EvaluationError["reason"], message: string): Serving => ({
  snapshot: Either.left(new EvaluationError({ reason, message })),
  isStale: false,
  nestedContext: "reject",
  metadata: {},
  withSegments: new WeakMap(),
  attachments: new WeakMap()
})

export const notInitialized: Serving = refusal(
  "NotReady",
  "the provider is not initialized; wait for OpenFeature.setProviderAndWait, which initializes it"
)

const CLOSED = "the client of the provider is closed"
const closed = refusal("Closed", CLOSED)

/** The metadata of every result of a Snapshot. `flagSetId` and `version` are OpenFeature's names for telemetry. */
const metadataOf = (environment: string | undefined, { digest, namespace }: Snapshot): FlagMetadata =>
  Object.freeze({
    ...(environment === undefined ? {} : { environment }),
    namespace,
    flagSetId: environment === undefined ? namespace : `${environment}/${namespace}`,
    ...(digest === undefined || digest === "" ? {} : { digest, version: digest })
  })

/** Errors that no later attempt can resolve, so OpenFeature need not initialize the provider again. */
const isFatal = (error: StartError): boolean =>
  error._tag === "ValidationError" ||
  (error._tag === "EngineError"
    ? error.reason === "Load"
    : error.reason === "Unauthorized" || error.reason === "Forbidden" || error.reason === "Certificate")

const startError = (cause: StartError): OpenFeatureError =>
  isFatal(cause) ? new ProviderFatalError(cause.message, { cause }) : new GeneralError(cause.message, { cause })

const endError = (cause: Cause.Cause<StartError>): OpenFeatureError =>
  Cause.isInterruptedOnly(cause)
    ? new ProviderNotReadyError("the provider was closed before it was ready")
    : Either.match(Cause.failureOrCause(cause), {
        onLeft: startError,
        onRight: (defect) => new GeneralError(Cause.pretty(defect))
      })

const isSame = (a: Serving["snapshot"], b: Serving["snapshot"]): boolean =>
  Either.isRight(a) ? Either.isRight(b) && a.right === b.right : Either.isLeft(b) && a.left === b.left

const notReady = (cause: EvaluationError): OpenFeatureError =>
  cause.reason === "NotReady"
    ? new ProviderNotReadyError(cause.message, { cause })
    : new GeneralError(cause.message, { cause })

type News =
  | { readonly _tag: "Status"; readonly status: Status }
  | { readonly _tag: "Changes"; readonly changes: FliptClient.Changes }

export const open = (source: Source, events: OpenFeatureEventEmitter): Connection => {
  const { environment, nestedContext } = source
  const started = Deferred.unsafeMake<void, OpenFeatureError>(FiberId.none)
  let serving = notInitialized
  let phase: ProviderEvents | undefined

  const follow = (client: FliptClient.Service) =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      let held: Scope.CloseableScope | undefined

      /** Serves the client's current Snapshot, then releases the previous one. */
      const serve = (isStale: boolean) =>
        Effect.gen(function* () {
          const next = yield* Scope.fork(scope, ExecutionStrategy.sequential)
          const snapshot = yield* Effect.either(Scope.extend(client.snapshot, next))
          const previous = held
          held = next
          if (isStale !== serving.isStale || !isSame(snapshot, serving.snapshot)) {
            serving = {
              snapshot,
              isStale,
              nestedContext,
              metadata: Either.isRight(snapshot) ? metadataOf(environment, snapshot.right) : {},
              withSegments: new WeakMap(),
              attachments: new WeakMap()
            }
          }
          if (previous !== undefined) {
            yield* Scope.close(previous, Exit.void)
          }
        }).pipe(Effect.uninterruptible)

      const onStatus = (status: Status) =>
        Effect.gen(function* () {
          yield* serve(status._tag === "Stale")
          const { snapshot } = serving
          if (phase === undefined) {
            yield* Deferred.complete(started, Either.mapBoth(snapshot, { onLeft: notReady, onRight: () => undefined }))
            phase = Either.isLeft(snapshot) ? ProviderEvents.Error : ProviderEvents.Ready
            // The SDK sets the status in a microtask after `initialize`. A different status must be emitted after that.
            yield* Effect.sleep(Duration.zero)
          }
          const next = Either.isLeft(snapshot)
            ? ProviderEvents.Error
            : status._tag === "Stale"
              ? ProviderEvents.Stale
              : ProviderEvents.Ready
          if (next !== phase) {
            phase = next
            events.emit(
              next,
              Either.isLeft(snapshot)
                ? { message: snapshot.left.message, errorCode: errorCodes[snapshot.left.reason] }
                : status._tag === "Stale"
                  ? { message: status.error.message }
                  : {}
            )
          }
        })

      const onChanges = ({ added, changed, removed }: FliptClient.Changes) =>
        Effect.map(serve(serving.isStale), () => {
          events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: [...added, ...changed, ...removed] })
        })

      yield* Stream.merge(
        Stream.map(client.statusChanges, (status): News => ({ _tag: "Status", status })),
        Stream.map(client.changes, (changes): News => ({ _tag: "Changes", changes }))
      ).pipe(Stream.runForEach((news) => (news._tag === "Status" ? onStatus(news.status) : onChanges(news.changes))))
    })

  const onEnd = (exit: Exit.Exit<void, StartError>) =>
    Effect.suspend(() => {
      if (Exit.isSuccess(exit)) {
        serving = closed
        events.emit(ProviderEvents.Error, { message: CLOSED, errorCode: ErrorCode.PROVIDER_FATAL })
        return Effect.void
      }
      serving = notInitialized
      return Deferred.fail(started, endError(exit.cause))
    })

  const fiber = source.client.pipe(
    Effect.flatMap(follow),
    // runs before the scope closes the Snapshot that evaluations still use
    Effect.onExit(onEnd),
    Effect.scoped,
    Effect.exit,
    Effect.runFork
  )

  const outcome = Effect.runPromise(Effect.either(Deferred.await(started))).then(
    Either.getOrElse((error) => {
      throw error
    })
  )

  return {
    serving: () => serving,
    started: outcome,
    isOpen: () => fiber.unsafePoll() === null,
    close: () => Effect.runPromise(Effect.asVoid(Fiber.interrupt(fiber)))
  }
}
