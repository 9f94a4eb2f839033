/**
 * How current a client's flag state is.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as DateTime from "effect/DateTime"
import type { RefreshError } from "./FliptError.js"

/**
 * What is known of the state that a client serves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Info {
  /** The version of the state: the server's ETag, else the document's digest. */
  readonly version: string | undefined
  /**
   * When the source last said that this is the state; an answer of "not modified" says so too. Of a state from a store:
   * when it was stored.
   */
  readonly confirmedAt: DateTime.Utc | undefined
  /** Where the state came from. */
  readonly origin: "server" | "seed" | "store" | "file" | "none"
  /** How the state is kept current: the `kind` of the Fetcher's source, or `polling` where a server has no streams. */
  readonly mode: "polling" | "streaming" | "file" | (string & {})
  /** False while a stream is down. Until it is up again the state is asked for before each attempt to open it. */
  readonly connected: boolean
}

/**
 * What is known when the last attempt to bring the state up to date failed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Trouble extends Info {
  /** When the first of the failed attempts failed. */
  readonly since: DateTime.Utc
  /** How the last of them failed. */
  readonly error: RefreshError
}

/**
 * Whether a client has a state, and whether that is the latest.
 *
 * - `Starting`: the source has not answered yet, and nothing has failed.
 * - `Ready`: the state is what the source last had to say.
 * - `Stale`: there is a state, and the last attempt to bring it up to date failed.
 * - `Failed`: there is no state, and the last attempt to get one failed; or the client is closed.
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

const constructors: Data.TaggedEnum.Constructor<Status> = Data.taggedEnum<Status>()

/**
 * Makes a status `Starting`, for a client of your own in a test.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Starting: Data.Case.Constructor<Extract<Status, { _tag: "Starting" }>, "_tag"> = constructors.Starting

/**
 * Makes a status `Ready`, for a client of your own in a test.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Ready: Data.Case.Constructor<Extract<Status, { _tag: "Ready" }>, "_tag"> = constructors.Ready

/**
 * Makes a status `Stale`, for a client of your own in a test.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Stale: Data.Case.Constructor<Extract<Status, { _tag: "Stale" }>, "_tag"> = constructors.Stale

/**
 * Makes a status `Failed`, for a client of your own in a test.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Failed: Data.Case.Constructor<Extract<Status, { _tag: "Failed" }>, "_tag"> = constructors.Failed

/**
 * Whether a status is of a kind.
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
 * Handles every kind of status.
 *
 * @example
 * ```ts
 * import * as DateTime from "effect/DateTime"
 * import * as Status from "flipt-client-effect/Status"
 *
 * const describe = Status.match({
 *   Starting: () => "no answer yet",
 *   Ready: ({ version }) => `up to date, version ${version}`,
 *   Stale: ({ error, origin, since }) =>
 *     `the state of the ${origin} goes on; no other since ${DateTime.formatIso(since)}: ${error.message}`,
 *   Failed: ({ error }) => `nothing to serve: ${error.message}`
 * })
 * ```
 *
 * @since 0.1.0
 * @category pattern matching
 */
export const match: Data.TaggedEnum.Constructor<Status>["$match"] = constructors.$match
