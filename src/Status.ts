/**
 * How up to date a client's flag state is.
 *
 * @since 0.1.0
 */
import type * as Data from "effect/Data"
import type * as DateTime from "effect/DateTime"
import type { RefreshError } from "./FliptError.js"
import { status as constructors } from "./internal/client/status.js"

/**
 * Facts about the state that a client serves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Info {
  /** The version of the state: the server's ETag, or the document's digest if there is no ETag. */
  readonly version: string | undefined
  /**
   * When the source last confirmed the state, which a response of "not modified" also does. For a state loaded from a
   * store: when it was stored.
   */
  readonly confirmedAt: DateTime.Utc | undefined
  /** Where the state came from. `seed` is the option `snapshot`. */
  readonly origin: "server" | "seed" | "store" | "file" | "none"
  /** The engine of the state, `undefined` if there is none. It can change with each update, see `Engine.layer`. */
  readonly engine: "native" | "portable" | (string & {}) | undefined
  /** How the state is kept up to date: the `kind` of the Fetcher's source, or `polling` if the server has no streams. */
  readonly mode: "polling" | "streaming" | "file" | (string & {})
  /**
   * False while a stream is down or has not answered yet. Flipt sends nothing until the first change, not even response
   * headers, so a quiet stream counts as connected only from then on. Until then polls keep the state up to date.
   */
  readonly connected: boolean
}

/**
 * Facts about a state whose last update failed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Trouble extends Info {
  /** When the first of the consecutive failures happened. */
  readonly since: DateTime.Utc
  /** The error of the most recent failure. */
  readonly error: RefreshError
}

/**
 * Whether a client has a state, and whether that state is up to date.
 *
 * - `Starting`: the source has not responded yet, and nothing has failed.
 * - `Ready`: the source has confirmed the state, and no update has failed since.
 * - `Stale`: the client has a state, but the last attempt to update it failed.
 * - `Failed`: the client has no state and the last attempt to get one failed, or the client is closed.
 *
 * @since 0.1.0
 * @category models
 */
export type Status = Data.TaggedEnum<{
  Starting: Info
  Ready: Info
  Stale: Trouble
  Failed: Trouble
}>

/**
 * Creates a `Starting` status, for example for a stub client in a test.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Starting: Data.TaggedEnum.Constructor<Status>["Starting"] = constructors.Starting

/**
 * Creates a `Ready` status, for example for a stub client in a test.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Ready: Data.TaggedEnum.Constructor<Status>["Ready"] = constructors.Ready

/**
 * Creates a `Stale` status, for example for a stub client in a test.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Stale: Data.TaggedEnum.Constructor<Status>["Stale"] = constructors.Stale

/**
 * Creates a `Failed` status, for example for a stub client in a test.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Failed: Data.TaggedEnum.Constructor<Status>["Failed"] = constructors.Failed

/**
 * Tests the kind of a status.
 *
 * @example
 * ```ts
 * import * as Status from "flipt-client-effect/Status"
 *
 * const isServing = (status: Status.Status): boolean => Status.is("Ready")(status) || Status.is("Stale")(status)
 * ```
 *
 * @since 0.1.0
 * @category refinements
 */
export const is: Data.TaggedEnum.Constructor<Status>["$is"] = constructors.$is

/**
 * Pattern matches on every kind of status.
 *
 * @example
 * ```ts
 * import * as DateTime from "effect/DateTime"
 * import * as Status from "flipt-client-effect/Status"
 *
 * const describe = Status.match({
 *   Starting: () => "waiting for the first response",
 *   Ready: ({ version }) => `up to date, version ${version}`,
 *   Stale: ({ error, origin, since }) =>
 *     `serving the state from ${origin}; updates have failed since ${DateTime.formatIso(since)}: ${error.message}`,
 *   Failed: ({ error }) => `no state to serve: ${error.message}`
 * })
 * ```
 *
 * @since 0.1.0
 * @category pattern matching
 */
export const match: Data.TaggedEnum.Constructor<Status>["$match"] = constructors.$match
