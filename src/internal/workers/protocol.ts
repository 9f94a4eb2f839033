/**
 * The messages between the client that loads and the workers that share its states. Both run the same copy of this library
 * or copies of the same version: the name of the channel contains the version.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import { EngineError, FetchError, type RefreshError } from "../../FliptError.js"
import type * as Status from "../../Status.js"
import { status } from "../client/status.js"
import type { NativeHandle } from "../snapshot/nativeHandle.js"
import type { TargetSettings } from "../util/target.js"
import { version } from "../util/version.js"

/**
 * What a worker makes a Snapshot of. A native state is shared itself; otherwise the bytes are shared, and each worker
 * compiles them.
 */
export type Content =
  | { readonly kind: "native"; readonly native: NativeHandle }
  | { readonly kind: "document" | "seed"; readonly bytes: SharedArrayBuffer }

export interface SharedState {
  /** Unique among all states of the process. */
  readonly id: string
  readonly content: Content
}

/** An error as plain data: an instance would lose its class. */
interface PlainError {
  readonly tag: RefreshError["_tag"]
  readonly reason: string
  readonly message: string
  readonly status: number | undefined
  readonly retryable: boolean
  readonly retryAfter: number | undefined
}

interface PlainStatus {
  readonly tag: Status.Status["_tag"]
  readonly version: string | undefined
  readonly confirmedAt: number | undefined
  readonly origin: Status.Info["origin"]
  readonly mode: string
  readonly connected: boolean
  readonly since: number
  readonly error: PlainError | undefined
}

/** What the client says, to all workers. */
export type FromClient =
  | {
      readonly kind: "state"
      /** Identifies the client, because another one may take its place. */
      readonly client: string
      /** Increases with each message, except for one that is repeated for a new worker. */
      readonly number: number
      readonly state: SharedState | undefined
      readonly status: PlainStatus
    }
  | {
      readonly kind: "answer"
      readonly client: string
      readonly question: string
      readonly answer: boolean | PlainError
    }
  | { readonly kind: "closed"; readonly client: string }

/** What a worker says. Other workers ignore it. */
export type FromWorker =
  | { readonly kind: "hello" }
  | { readonly kind: "refresh" | "refetch"; readonly client: string; readonly question: string }

export type Message = FromClient | FromWorker

export const channelName = ({ environment, namespace }: TargetSettings): string =>
  `flipt-client-effect/Workers ${version} ${JSON.stringify([environment, namespace])}`

export const encodeError = (error: RefreshError): PlainError => ({
  tag: error._tag,
  reason: error.reason,
  message: error.message,
  status: error._tag === "FetchError" ? error.status : undefined,
  retryable: error._tag === "FetchError" && error.retryable,
  retryAfter:
    error._tag === "FetchError" && error.retryAfter !== undefined ? Duration.toMillis(error.retryAfter) : undefined
})

export const decodeError = ({ message, reason, retryAfter, retryable, status, tag }: PlainError): RefreshError =>
  tag === "EngineError"
    ? new EngineError({ reason: reason as EngineError["reason"], message })
    : new FetchError({
        reason: reason as FetchError["reason"],
        message,
        retryable,
        ...(status === undefined ? {} : { status }),
        ...(retryAfter === undefined ? {} : { retryAfter: Duration.millis(retryAfter) })
      })

export const encodeStatus = (from: Status.Status): PlainStatus => {
  const outage = from._tag === "Stale" || from._tag === "Failed" ? from : undefined
  return {
    tag: from._tag,
    version: from.version,
    confirmedAt: from.confirmedAt === undefined ? undefined : DateTime.toEpochMillis(from.confirmedAt),
    origin: from.origin,
    mode: from.mode,
    connected: from.connected,
    since: outage === undefined ? 0 : DateTime.toEpochMillis(outage.since),
    error: outage === undefined ? undefined : encodeError(outage.error)
  }
}

/** The engine is that of the worker. */
export const decodeStatus = (plain: PlainStatus, engine: Status.Info["engine"]): Status.Status => {
  const { confirmedAt, connected, error, mode, origin, since, tag, version } = plain
  const info = {
    version,
    confirmedAt: confirmedAt === undefined ? undefined : DateTime.unsafeMake(confirmedAt),
    origin,
    engine,
    mode,
    connected
  }
  if (error !== undefined) {
    const trouble = { ...info, since: DateTime.unsafeMake(since), error: decodeError(error) }
    return tag === "Stale" ? status.Stale(trouble) : status.Failed(trouble)
  }
  return tag === "Ready" ? status.Ready(info) : status.Starting(info)
}
