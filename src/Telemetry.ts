/**
 * What a client tells OpenTelemetry, or whatever else reads Effect's spans, logs and metrics. Nothing, unless it is
 * asked to.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ValidationError } from "./FliptError.js"
import { decodeTelemetry } from "./internal/telemetry/options.js"

/**
 * What is told, and how much of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Where the event `feature_flag.evaluation` goes that each evaluation makes, named as OpenTelemetry's semantic
   * conventions have it.
   *
   * - `"span"` (default): on the span that the evaluation runs in, if there is one of this process and it is sampled.
   *   Of one span the first 128 are kept, which is OpenTelemetry's own limit: a loop in one span would fill the memory.
   * - `"log"`: a log line of level Info, with the attributes for annotations. Costs many times the evaluation. Effect
   *   puts log lines on the current span, too, and has no limit there.
   * - `"none"`.
   *
   * Its attributes:
   *
   * - `feature_flag.key`;
   * - `feature_flag.result.variant`, the key of the variant, where there is one; of boolean flags
   *   `feature_flag.result.value`. Attachments are never told;
   * - `feature_flag.result.reason`: `targeting_match` by a rule or a segment, `split` by a percentage of a boolean
   *   flag, `default`, `disabled`, `unknown` (no rule matches, and there is no default variant), `error`. A variant flag
   *   does not tell whether a distribution chose, so that is `targeting_match` too;
   * - `error.type`, of an evaluation that failed: `flag_not_found`, `type_mismatch`, `provider_not_ready`,
   *   `targeting_key_missing`, `invalid_context`, and `general` for all else, such as an outage under the strategy
   *   `fail`. What the error says is left out, since it may name what is in a context;
   * - `feature_flag.provider.name`: `Flipt`;
   * - `feature_flag.set.id`: environment and namespace, as `default/shop`;
   * - `feature_flag.version`: the document's digest, which Flipt v2 sends;
   * - `feature_flag.context.id`: by `entityId` alone.
   */
  readonly events?: "span" | "log" | "none" | undefined
  /**
   * Metrics in Effect's registry, each with the tags `environment` and `namespace`. Default: true.
   *
   * - `flipt_client_evaluations`, counter: evaluations by `flag`, `result` (the key of the variant or `none`, `true` or
   *   `false`, or the `error.type`) and `reason`, as in the event. Of an environment and namespace there are at most
   *   1,000 series of results and 100 of errors, since keys can come from outside; beyond that the `flag` is `other`.
   * - `flipt_client_state_age_seconds`, gauge: seconds since the source last confirmed the state, an answer of "not
   *   modified" included. Told every five seconds, from the first confirmation on; of several clients of one namespace
   *   by the last that tells. 0 when the client has closed.
   * - `flipt_client_fetches`, counter: fetches by `outcome`: `document`, `not_modified`, or the reason of the
   *   `FetchError`, such as `network` or `too_large`. One with its retries is one.
   * - `flipt_client_loads`, counter: documents and seeds that were compiled, by `outcome`: `loaded`, or the reason of
   *   the error, such as `document` or `limit`.
   * - `flipt_client_load_seconds`, histogram: how long those took that were loaded, in seconds.
   * - `flipt_client_reconnects`, counter: streams that were opened again after one was lost.
   * - `flipt_client_engine`, gauge: the number of open clients by `engine`: `native` or `portable`.
   */
  readonly metrics?: boolean | undefined
  /**
   * What the event says of the entity's id, in `feature_flag.context.id`.
   *
   * - `"omit"` (default): nothing.
   * - `"hash"`: a hash of 64 bits, in hexadecimal: tells entities apart. It needs nothing of a platform, and it keeps no
   *   secret: who can guess an id can find it.
   * - `"include"`: the id.
   */
  readonly entityId?: "omit" | "hash" | "include" | undefined
}

/**
 * The options, all of them decided.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly events: "span" | "log" | "none"
  readonly metrics: boolean
  readonly entityId: "omit" | "hash" | "include"
}

/**
 * What a client tells: by default nothing, which costs nothing. Read once, when the client is built.
 *
 * @since 0.1.0
 * @category references
 */
export class Telemetry extends Context.Reference<Telemetry>()("flipt-client-effect/Telemetry", {
  defaultValue: (): Settings => ({ events: "none", metrics: false, entityId: "omit" })
}) {}

/**
 * Turns telemetry on: span events and metrics, or what the options say. Provide it to the client's layer; where spans
 * and metrics go is what `@effect/opentelemetry` is told.
 *
 * An entity's context is never told, and no credential. An evaluation in a `Snapshot`, `watchVariant` or `watchBoolean`
 * makes no event and is not counted.
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
