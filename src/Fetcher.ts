/**
 * Sources of flag state: a Flipt server, a file, an effect, or a fixed document. A Fetcher delivers documents and
 * decides when to fetch them; it does not load or evaluate them.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Stream from "effect/Stream"
import type { Auth } from "./Auth.js"
import type { FetchError, RefreshError, ValidationError } from "./FliptError.js"
import * as effect from "./internal/fetch/effect.js"
import * as event from "./internal/fetch/event.js"
import * as file from "./internal/fetch/file.js"
import * as polling from "./internal/fetch/polling.js"
import * as source from "./internal/fetch/static.js"
import * as streaming from "./internal/fetch/streaming.js"
import { Fetcher, RetryPolicy } from "./internal/fetch/tags.js"
import type { Target } from "./Model.js"

/**
 * Identifies the content of a document. For a Flipt server it is the ETag, byte for byte.
 *
 * @since 0.1.0
 * @category models
 */
export type Version = string

/**
 * The result of a fetch: either a Flipt snapshot document as the chunks in which it was received, with its version if
 * known, or `NotModified` if the loaded version is still the latest.
 *
 * @since 0.1.0
 * @category models
 */
export type Update = Data.TaggedEnum<{
  Document: { readonly bytes: ReadonlyArray<Uint8Array>; readonly version: Option.Option<Version> }
  NotModified: {}
}>

/**
 * A notification from a Fetcher to its client.
 *
 * - `Check`: it is time to fetch.
 * - `Pushed`: the source pushed a document.
 * - `Failed`: an update was lost, and the Fetcher continues. The client reports an outage and fetches the state:
 *   immediately the first time, then after delays that double from one second to 30.
 * - `Mode`: the way the state is kept current has changed, or the connection went up or down.
 *
 * @since 0.1.0
 * @category models
 */
export type Event = Data.TaggedEnum<{
  Check: {}
  Pushed: { readonly bytes: ReadonlyArray<Uint8Array>; readonly version: Option.Option<Version> }
  Failed: { readonly error: FetchError }
  Mode: { readonly mode: Source["kind"]; readonly connected: boolean }
}>

/**
 * Creates an `Update` that carries a document.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Document: Data.TaggedEnum.Constructor<Update>["Document"] = event.Document

/**
 * Creates an `Update` that says the loaded version is still the latest.
 *
 * @since 0.1.0
 * @category constructors
 */
export const NotModified: Data.TaggedEnum.Constructor<Update>["NotModified"] = event.NotModified

/**
 * The constructors of {@link Event}, with `$is` and `$match`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Event: Data.TaggedEnum.Constructor<Event> = event.Event

/**
 * Describes where a Fetcher gets its documents. A client takes its environment and namespace from here.
 *
 * @since 0.1.0
 * @category models
 */
export interface Source {
  readonly kind: "polling" | "streaming" | "file" | (string & {})
  readonly environment: string
  readonly namespace: string
  readonly url?: string | undefined
}

/**
 * Delivers the documents of one namespace.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly source: Source
  /**
   * Fetches the state unless the loaded version is still the latest. Without a loaded version it must return a document:
   * a client passes none at its first fetch and for `refetch`. Retries according to the {@link RetryPolicy}.
   */
  readonly fetch: (loaded: Option.Option<Version>) => Effect.Effect<Update, FetchError>
  /** Runs from the moment the client has started. Must neither fail nor end. */
  readonly events: (listener: Listener) => Stream.Stream<Event>
}

/**
 * What the `events` of a Fetcher can see of the client that runs them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  /** The version of the loaded state. */
  readonly loaded: Effect.Effect<Option.Option<Version>>
  /** Whether the loaded state arrived in a `Pushed` event. */
  readonly isPushed: Effect.Effect<boolean>
  /** Whether the source has confirmed the loaded state and nothing has failed since. */
  readonly isReady: Effect.Effect<boolean>
  /** Fetches like a `Check` event, and returns the outcome: true if a document was loaded. */
  readonly refresh: Effect.Effect<boolean, RefreshError>
}

export {
  /**
   * The tag of the Fetcher that a client uses.
   *
   * @since 0.1.0
   * @category tags
   */
  Fetcher,
  /**
   * The schedule for retrying failed requests. The default retries up to three times, with jittered delays that grow
   * exponentially from one second to at most 30 seconds.
   *
   * Only errors with `retryable: true` are retried: failed connections, timeouts, truncated bodies, and the statuses
   * 408, 429, 500, 502, 503 and 504. A `Retry-After` header from the server sets the minimum for the next delay, capped
   * at five minutes. When the policy gives up, the next poll tries again.
   *
   * `status` changes only once a fetch has ended with all its retries. With a policy that never gives up, an outage
   * would never become visible there.
   *
   * The policy is read when a Fetcher is built. Provide it to the Fetcher's layer or to the client's layer.
   *
   * @example
   * ```ts
   * import * as Layer from "effect/Layer"
   * import * as Schedule from "effect/Schedule"
   * import * as Fetcher from "flipt-client-effect/Fetcher"
   * import * as FliptClient from "flipt-client-effect/FliptClient"
   *
   * const client = FliptClient.layer({ url: "http://localhost:8080" }).pipe(
   *   Layer.provide(Layer.succeed(Fetcher.RetryPolicy, Schedule.recurs(1)))
   * )
   * ```
   *
   * @since 0.1.0
   * @category references
   */
  RetryPolicy
}

/**
 * Options for fetching from a Flipt server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Target {
  /**
   * The base URL of the server, including a path prefix if a proxy adds one. Sending a credential over plain http to
   * another machine logs one warning. Default: `"http://localhost:8080"`.
   */
  readonly url?: string | undefined
  /**
   * The reference (branch, tag or commit) to read. Flipt v1 honours it; v2 ignores it. With a reference, each poll
   * downloads the whole document, because v1 has no ETag for it. Default: not sent.
   */
  readonly reference?: string | undefined
  /** Additional headers for every request. Redacted values never appear in logs or errors. Default: none. */
  readonly headers?: { readonly [name: string]: string | Redacted.Redacted } | undefined
  /** The maximum size of a document in bytes, uncompressed. Default: 256 MiB. */
  readonly maxBodySize?: number | undefined
  /**
   * How long to wait for the response headers, and then for each next chunk of the body. The whole body may take ten
   * times as long. A plain number is in milliseconds; `Infinity` disables the timeout. Default: 30 seconds.
   */
  readonly requestTimeout?: Duration.DurationInput | undefined
  /**
   * How often to poll, and so the longest time that a client can be behind a healthy server. Streaming clients poll as
   * well, also while a stream is down. Each interval varies randomly by up to 10 % either way, and the first poll comes after a
   * random part of the interval. A plain number is in milliseconds; `Infinity` disables polling. Default: 120 seconds.
   */
  readonly updateInterval?: Duration.DurationInput | undefined
  /**
   * How often to fetch the whole state without the condition `If-None-Match`. Some servers answer "not modified" although
   * the state has changed: Flipt v2.0 to v2.10 and v1 before 1.59.2 do so for a namespace that is spread over several
   * files. The next poll after this interval is unconditional. The first fetch always is. A state whose content is the
   * loaded one is not loaded again. A plain number is in milliseconds; `Infinity` disables these fetches. Default: one
   * hour, or 30 times `updateInterval` if that is longer.
   */
  readonly fullFetchInterval?: Duration.DurationInput | undefined
}

/**
 * Polls a Flipt server, v1 or v2.
 *
 * Provide the HttpClient of `Tls.layerHttpClient`, which leaves timeouts and redirects to the Fetcher. Any other
 * HttpClient works too, but its own timeouts and redirects then apply.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPolling = (options?: Options): Layer.Layer<Fetcher, ValidationError, HttpClient.HttpClient | Auth> =>
  Layer.effect(
    Fetcher,
    Effect.flatMap(RetryPolicy, (policy) => polling.make(options, policy))
  )

/**
 * Opens a stream to a Flipt v2 server, which pushes changes within milliseconds.
 *
 * The Fetcher also sends a request before it opens a stream, and one every `updateInterval` whether or not a stream is
 * open. Streams have no heartbeat, so only these requests detect that a stream is dead or has missed a change. If
 * `updateInterval` is `Infinity`, a dead stream goes unnoticed until the operating system closes the connection.
 *
 * If documents arrive faster than the client can load them, it loads the newest and skips the others.
 *
 * When a stream ends, the Fetcher opens another one, indefinitely. It waits for a random part of a delay that doubles
 * from one second to 30 seconds. After a stream that lasted at least one minute, the delay is a tenth of its lifetime
 * instead, up to 30 seconds, and the doubling starts over. This spreads out the clients of a server that restarts.
 *
 * If the server does not support streams (Flipt v1), the Fetcher logs one warning, polls like {@link layerPolling}, and
 * tries to open a stream again after about an hour.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Auth from "flipt-client-effect/Auth"
 * import * as Engine from "flipt-client-effect/Engine"
 * import * as Fetcher from "flipt-client-effect/Fetcher"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as Tls from "flipt-client-effect/Tls"
 *
 * const fetcher = Fetcher.layerStreaming({ url: "http://localhost:8080", namespace: "shop" }).pipe(
 *   Layer.provide([Tls.layerHttpClient, Auth.layerNone]),
 *   Layer.provide(Tls.layerSystem)
 * )
 *
 * const client = FliptClient.layerWithoutDependencies().pipe(Layer.provide([fetcher, Engine.layer]))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStreaming = (
  options?: Options
): Layer.Layer<Fetcher, ValidationError, HttpClient.HttpClient | Auth> =>
  Layer.effect(
    Fetcher,
    Effect.flatMap(RetryPolicy, (policy) => streaming.make(options, policy))
  )

/**
 * Reads a snapshot document from a file, and reads it again whenever the file changes or is replaced. Replace the file
 * by renaming a complete one into place, so that a partial write is never read.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (path: string, options?: Target): Layer.Layer<Fetcher, ValidationError> =>
  Layer.effect(Fetcher, file.make(path, options))

/**
 * Serves one document that never changes, by default an empty one. Intended for tests, for example together with
 * `Engine.layerMock`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStatic = (document?: Uint8Array | string, options?: Target): Layer.Layer<Fetcher, ValidationError> =>
  Layer.effect(Fetcher, source.makeStatic(document, options))

/**
 * Gets documents from an effect that runs at every poll. The client waits for it indefinitely, so give it a timeout.
 *
 * A failure of the effect becomes a retryable `FetchError` of reason `Source`; a `FetchError` is passed on unchanged. If
 * the effect returns a document without a version, a hash of its bytes decides whether it has changed. `updateInterval`
 * works as in {@link Options}.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Fetcher from "flipt-client-effect/Fetcher"
 *
 * declare const readFromBucket: Effect.Effect<string, Error>
 *
 * const fetcher = Fetcher.layerEffect({
 *   namespace: "shop",
 *   fetch: () => readFromBucket,
 *   updateInterval: "1 minute"
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEffect = <E, R>(
  options: Target & {
    readonly fetch: (loaded: Option.Option<Version>) => Effect.Effect<Update | Uint8Array | string, E, R>
    readonly updateInterval?: Duration.DurationInput | undefined
  }
): Layer.Layer<Fetcher, ValidationError, R> =>
  Layer.effect(
    Fetcher,
    Effect.flatMap(RetryPolicy, (policy) => effect.makeEffect(options, policy))
  )
