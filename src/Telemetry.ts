/**
 * Span events, logs and metrics for OpenTelemetry, or for anything else that consumes Effect's tracing, logging and
 * metrics. Off by default.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ValidationError } from "./FliptError.js"
import { decodeTelemetry } from "./internal/telemetry/options.js"
import { Telemetry } from "./internal/telemetry/tags.js"

/**
 * Selects what a client reports.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Where the event `feature_flag.evaluation` of each evaluation goes. Its names follow OpenTelemetry's semantic
   * conventions for feature flags.
   *
   * - `"span"` (default): on the current span, if that span belongs to this process and is sampled. Each span keeps the
   *   first 128 events, OpenTelemetry's own limit, so a loop inside one span cannot exhaust memory.
   * - `"log"`: a log line of level Info whose annotations are the attributes. This costs many times as much as the
   *   evaluation. Effect also adds log lines to the current span as events, without a limit.
   * - `"none"`: no event.
   *
   * Attributes:
   *
   * - `feature_flag.key`
   * - `feature_flag.result.variant`: the key of the variant, if there is one. For a boolean flag,
   *   `feature_flag.result.value` instead. Attachments are never reported.
   * - `feature_flag.result.reason`: `targeting_match` (a rule or segment matched), `split` (percentage rollout of a
   *   boolean flag), `default`, `disabled`, `unknown` (no rule matched and there is no default variant) or `error`.
   *   Distributions of variant flags are also reported as `targeting_match`, because a result does not reveal them.
   * - `error.type`, if the evaluation failed: `flag_not_found`, `type_mismatch`, `provider_not_ready`,
   *   `targeting_key_missing`, `invalid_context`, or `general` for anything else, such as an outage with the error
   *   strategy `fail`. The message is omitted because it may quote the evaluation context.
   * - `feature_flag.provider.name`: `Flipt`
   * - `feature_flag.set.id`: environment and namespace, such as `default/shop`
   * - `feature_flag.version`: the document's digest, which Flipt v2 sends
   * - `feature_flag.context.id`: only if `entityId` enables it
   */
  readonly events?: "span" | "log" | "none" | undefined
  /**
   * Whether to record metrics in Effect's registry. Each has the tags `environment` and `namespace`. Default: true.
   *
   * - `flipt_client_evaluations` (counter): evaluations by `flag`, `result` (the variant key or `none`, `true` or
   *   `false`, or the `error.type`) and `reason`, with the values of the event. For each environment and namespace there
   *   are at most 1,000 series of results and 100 series of errors; beyond that, `flag` is `other`. The limit exists
   *   because flag keys can come from outside.
   * - `flipt_client_state_age_seconds` (gauge): seconds since the source last confirmed the state, including by "not
   *   modified". Updated every five seconds after the first confirmation, and 0 once the client has closed. If several
   *   clients use the same namespace, the last update wins.
   * - `flipt_client_fetches` (counter): fetches by `outcome`: `document`, `not_modified`, or the reason of the
   *   `FetchError`, such as `network` or `too_large`. A fetch counts once, however often it is retried.
   * - `flipt_client_loads` (counter): compiled documents and seeds by `outcome`: `loaded`, or the reason of the error,
   *   such as `document` or `limit`.
   * - `flipt_client_load_seconds` (histogram): the time that successful loads took, in seconds.
   * - `flipt_client_reconnects` (counter): streams opened again after one was lost.
   * - `flipt_client_engine` (gauge): the number of open clients by the `engine` of their state: `native` or `portable`.
   */
  readonly metrics?: boolean | undefined
  /**
   * How the event reports the entity's id in `feature_flag.context.id`.
   *
   * - `"omit"` (default): not at all.
   * - `"hash"`: as a 64-bit hash in hexadecimal, to tell entities apart. It is not a secret: anyone who can guess an id
   *   can verify the guess.
   * - `"include"`: unchanged.
   */
  readonly entityId?: "omit" | "hash" | "include" | undefined
}

/**
 * {@link Options} with the defaults filled in.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly events: "span" | "log" | "none"
  readonly metrics: boolean
  readonly entityId: "omit" | "hash" | "include"
}

export {
  /**
   * The telemetry settings of a client. By default nothing is reported, and evaluations have no overhead. The settings
   * are read once, when the client is built.
   *
   * @since 0.1.0
   * @category references
   */
  Telemetry
}

/**
 * Turns on telemetry: by default span events and metrics. Provide it to the client's layer. To export the spans and
 * metrics, configure `@effect/opentelemetry`.
 *
 * Evaluation contexts and credentials are never reported. Evaluations of a `Snapshot`, `watchVariant` and `watchBoolean`
 * are not reported either. Fails with a `ValidationError` if an option is invalid.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as FliptClient from "flipt-client-effect/FliptClient"
 * import * as Telemetry from "flipt-client-effect/Telemetry"
 *
 * const client = FliptClient.layer({ namespace: "shop" }).pipe(Layer.provide(Telemetry.layer({ entityId: "hash" })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Telemetry, ValidationError> =>
  Layer.effect(
    Telemetry,
    Effect.map(decodeTelemetry(options), (settings): Settings => settings)
  )
