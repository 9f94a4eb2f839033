/**
 * Where flag state comes from, and when it is asked for. A Fetcher knows nothing of what is loaded, and nothing of
 * evaluation.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import type * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Stream from "effect/Stream"
import type * as Auth from "./Auth.js"
import type { FetchError, RefreshError, ValidationError } from "./FliptError.js"
import * as effect from "./internal/fetch/effect.js"
import * as event from "./internal/fetch/event.js"
import * as file from "./internal/fetch/file.js"
import * as polling from "./internal/fetch/polling.js"
import { retryPolicy } from "./internal/fetch/schedules.js"
import * as source from "./internal/fetch/static.js"
import * as streaming from "./internal/fetch/streaming.js"
import type { Target } from "./Model.js"

/**
 * What tells one state from the next: the server's ETag, byte for byte.
 *
 * @since 0.1.0
 * @category models
 */
export type Version = string

/**
 * The answer of a fetch: a snapshot document of Flipt in the chunks in which it came, with its version where it has
 * one; or that the version which was handed in is still the latest.
 *
 * @since 0.1.0
 * @category models
 */
export type Update = Data.TaggedEnum<{
  Document: { readonly bytes: ReadonlyArray<Uint8Array>; readonly version: Option.Option<Version> }
  NotModified: {}
}>

/**
 * What a Fetcher tells its client unasked.
 *
 * - `Check`: it is time to fetch.
 * - `Pushed`: a document came by itself.
 * - `Failed`: something failed, and it goes on.
 * - `Mode`: how the state is kept current from here on, and whether that works right now.
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
 * An answer that has a document.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Document: Data.TaggedEnum.Constructor<Update>["Document"] = event.Document

/**
 * The answer that what is loaded is still the latest.
 *
 * @since 0.1.0
 * @category constructors
 */
export const NotModified: Data.TaggedEnum.Constructor<Update>["NotModified"] = event.NotModified

/**
 * The constructors of events, with `$is` and `$match`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Event: Data.TaggedEnum.Constructor<Event> = event.Event

/**
 * What is fetched, and how: the only place that knows the namespace.
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
 * One namespace's source of documents.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly source: Source
  /** One request for the state, conditional on the version that is loaded, retried by the {@link RetryPolicy}. */
  readonly fetch: (loaded: Option.Option<Version>) => Effect.Effect<Update, FetchError>
  /** Never fails, and never ends by itself. Listened to from the time on when the client has started. */
  readonly events: (listener: Listener) => Stream.Stream<Event>
}

/**
 * The client that listens to a Fetcher, as far as its `events` need to know it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  /** The version of what is loaded. */
  readonly loaded: Effect.Effect<Option.Option<Version>>
  /** Whether what is loaded came by a `Pushed`. */
  readonly isPushed: Effect.Effect<boolean>
  /** Whether the source has confirmed what is loaded, and nothing has failed since. */
  readonly isReady: Effect.Effect<boolean>
  /** What a `Check` sets off, for a Fetcher that needs its outcome: true when a document was loaded. */
  readonly refresh: Effect.Effect<boolean, RefreshError>
}

/**
 * Where the client's documents come from.
 *
 * @since 0.1.0
 * @category tags
 */
export class Fetcher extends Context.Tag("flipt-client-effect/Fetcher")<Fetcher, Service>() {}

/**
 * When a failed request is made again: by default up to three times, after delays that grow exponentially from one
 * second, jittered, none longer than 30 seconds.
 *
 * A fetch with its retries is one attempt, and `status` tells of an attempt when it has ended: a policy without an end
 * would leave a client whose server is away as it was, for ever.
 *
 * Only errors that are `retryable` come here: no connection, a timeout, a body cut short, and the statuses 408, 429,
 * 500, 502, 503 and 504. What the server asks for by `Retry-After` is a floor under each delay, up to five minutes.
 * When the policy gives up, the next poll asks again.
 *
 * Read when a Fetcher is built: provide it to the Fetcher's layer, or to the client's.
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
export class RetryPolicy extends Context.Reference<RetryPolicy>()("flipt-client-effect/Fetcher/RetryPolicy", {
  defaultValue: (): Schedule.Schedule<unknown, FetchError> => retryPolicy
}) {}

/**
 * How flag state is fetched from a Flipt server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Target {
  /**
   * The server, with a path in front of Flipt's own where a proxy puts one. A credential that goes
   * over plain http to another host than this one logs a warning, once. Default: `"http://localhost:8080"`.
   */
  readonly url?: string | undefined
  /** A reference (branch, tag or commit) to read the state at. Flipt v1 honours it, v2 does not. Default: not sent. */
  readonly reference?: string | undefined
  /** Further headers of each request. Redacted ones are never shown. */
  readonly headers?: { readonly [name: string]: string | Redacted.Redacted } | undefined
  /** The most bytes that a document may have, uncompressed. Default: 256 MiB. */
  readonly maxBodySize?: number | undefined
  /**
   * How long to wait for the head of an answer, and then for each next piece of its body; the whole body may take ten
   * times as long. `Infinity` waits for ever. Default: 30 seconds.
   */
  readonly requestTimeout?: Duration.DurationInput | undefined
  /**
   * How often the state is asked for, beside a stream too. Each interval varies by up to a tenth either way, and the
   * first is a random part of one. `Infinity` never asks by itself. Default: 120 seconds.
   */
  readonly updateInterval?: Duration.DurationInput | undefined
}

/**
 * Polls a Flipt server, v1 or v2. Give it the HttpClient of `Tls.layerHttpClient`, which leaves timeouts and redirects
 * to the Fetcher; any other works, with the timeouts and redirects that it has.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPolling = (
  options?: Options
): Layer.Layer<Fetcher, ValidationError, HttpClient.HttpClient | Auth.Auth> =>
  Layer.effect(
    Fetcher,
    Effect.flatMap(RetryPolicy, (policy) => polling.make(options, policy))
  )

/**
 * Lets a Flipt v2 server push its changes, which arrive within milliseconds. A request goes before each stream, and one
 * every `updateInterval` beside it: a stream has no heartbeat, and only a request finds out that it is dead, or that it
 * has lost a change. An infinite `updateInterval` does without, and with it nothing finds a dead stream but the
 * system's own keep-alive. A stream that ends is opened again, for ever: after a random part of a delay that doubles from one
 * second to 30 seconds. After one that lived for a minute or longer the doubling begins anew, and the delay is a tenth
 * of its life, up to 30 seconds: the clients of a server that restarts come back one after the other.
 *
 * A server that has no streams, such as Flipt v1, is polled as by {@link layerPolling}, with one warning, and asked for
 * a stream again after about an hour.
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
): Layer.Layer<Fetcher, ValidationError, HttpClient.HttpClient | Auth.Auth> =>
  Layer.effect(
    Fetcher,
    Effect.flatMap(RetryPolicy, (policy) => streaming.make(options, policy))
  )

/**
 * Reads a snapshot document from a file, and again when the file changes or is replaced. Write it by renaming a
 * finished file into its place, so that no half of it is ever read.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (path: string, options?: Target): Layer.Layer<Fetcher, ValidationError> =>
  Layer.effect(Fetcher, file.make(path, options))

/**
 * One document that never changes; without it, an empty one. For tests, and beside a mock engine.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStatic = (document?: Uint8Array | string, options?: Target): Layer.Layer<Fetcher, ValidationError> =>
  Layer.effect(Fetcher, source.makeStatic(document, options))

/**
 * Documents from one effect, run at every poll. Give it a timeout: the client waits for it as long as it takes. What it fails with becomes a `FetchError` of reason `Source`, which is
 * retried; a `FetchError` stays what it is. A document without a version is compared with the one before by its bytes.
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
