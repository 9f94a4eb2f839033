/**
 * Records evaluations: as an event of OpenTelemetry's semantic conventions, and in a counter.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Tracer from "effect/Tracer"
import type * as Fetcher from "../../Fetcher.js"
import type { EvaluateError } from "../../FliptError.js"
import type { BooleanResult, EvaluationRequest, Reason, VariantResult } from "../../Model.js"
import type { Settings } from "../../Telemetry.js"
import { servicesOf, spanOf } from "../util/fiber.js"
import { globalValue } from "../util/globalValue.js"
import { Hasher } from "../util/hash64.js"
import { type Counter, increment } from "../util/metrics.js"
import type { DeferredLogs } from "./deferredLogs.js"
import type { Metrics } from "./metrics.js"
import type { Outcome, RecordOutcome } from "./outcome.js"

/**
 * Names and values follow the conventions for feature flags in events, which are a release candidate:
 * https://opentelemetry.io/docs/specs/semconv/feature-flags/feature-flags-events/
 */
const EVENT = "feature_flag.evaluation"
const PROVIDER = "Flipt"

/** OpenTelemetry's default limit. Effect's spans have no limit. */
const MAX_EVENTS_PER_SPAN = 128

const MAX_RESULT_SERIES = 1_000
const MAX_ERROR_SERIES = 100

/** Failed evaluations truncate the flag key, since keys can come from outside. */
const MAX_KEY_LENGTH = 256

type Attributes = Readonly<Record<string, string | boolean>>

/** Evaluation counters, up to a maximum number of series. */
const makeSeries = (metrics: Metrics, maxSeries: number) => {
  type Counters = Map<string, Counter>
  const byFlag = new Map<string, Counters>()
  const others: Counters = new Map()
  let count = 0

  const getCounter = (counters: Counters, flag: string, result: string, reason: string) => {
    // reasons contain no spaces
    const name = `${reason} ${result}`
    let counter = counters.get(name)
    if (counter === undefined) {
      counter = metrics.counter("evaluations", "Evaluations of flags, by result", { flag, result, reason })
      counters.set(name, counter)
    }
    return counter
  }

  /** Above the maximum, counts under the flag `other` with `otherResult`. */
  return (flag: string, result: string, reason: string, otherResult: string): Counter => {
    let ofFlag = byFlag.get(flag)
    if (ofFlag?.has(`${reason} ${result}`) !== true) {
      if (count >= maxSeries) {
        return getCounter(others, "other", otherResult, reason)
      }
      count++
    }
    if (ofFlag === undefined) {
      ofFlag = new Map()
      byFlag.set(flag, ofFlag)
    }
    return getCounter(ofFlag, flag, result, reason)
  }
}

type Series = ReturnType<typeof makeSeries>

const noSeries = { results: undefined, errors: undefined }

/**
 * Lives as long as the process, like Effect's metric registry: a client that replaces another continues its counters and
 * shares its limit.
 */
const allSeries = globalValue(
  "flipt-client-effect/Telemetry/series",
  () => new Map<string, { readonly results: Series; readonly errors: Series }>()
)

const seriesOf = ({ environment, namespace }: Fetcher.Source, metrics: Metrics) => {
  const key = JSON.stringify([environment, namespace])
  let series = allSeries.get(key)
  if (series === undefined) {
    series = { results: makeSeries(metrics, MAX_RESULT_SERIES), errors: makeSeries(metrics, MAX_ERROR_SERIES) }
    allSeries.set(key, series)
  }
  return series
}

const reasons: Readonly<Record<Exclude<Reason, "MATCH_EVALUATION_REASON">, string>> = {
  DEFAULT_EVALUATION_REASON: "default",
  FLAG_DISABLED_EVALUATION_REASON: "disabled",
  UNKNOWN_EVALUATION_REASON: "unknown"
}

const reasonOf = (result: VariantResult | BooleanResult): string =>
  result.reason !== "MATCH_EVALUATION_REASON"
    ? reasons[result.reason]
    : // a threshold has no segments; whether a rule used distributions is not visible in the result
      result._tag === "Boolean" && result.segmentKeys.length === 0
      ? "split"
      : "targeting_match"

const evaluationErrors = {
  FlagNotFound: "flag_not_found",
  FlagType: "type_mismatch",
  NotReady: "provider_not_ready",
  Unavailable: "general",
  Closed: "general"
} as const

const errorTypeOf = (error: EvaluateError): string => {
  if (error._tag === "EvaluationError") {
    return evaluationErrors[error.reason]
  }
  const path = error.path.replace(/^requests\[\d+\]\./, "")
  return path === "entityId" ? "targeting_key_missing" : path.startsWith("context") ? "invalid_context" : "general"
}

/** Reads a text of an unchecked request: without a state, requests are not checked. A getter may throw. */
const readText = (
  request: EvaluationRequest | null | undefined,
  property: "flagKey" | "entityId"
): string | undefined => {
  try {
    const text: unknown = request?.[property]
    return typeof text === "string" ? text.toWellFormed() : undefined
  } catch {
    return undefined
  }
}

const hashOf = (text: string): string => new Hasher().text(text).hex

/** The attributes and the counter of a result. Made once per result object. */
interface ResultRecord {
  readonly version: string | undefined
  readonly attributes: Attributes
  readonly counter: Counter | undefined
}

/** Returns `undefined` if neither events nor metrics are enabled. */
export const make = (
  { entityId, events }: Settings,
  source: Fetcher.Source,
  metrics: Metrics | undefined,
  deferredLogs: DeferredLogs
): RecordOutcome | undefined => {
  if (events === "none" && metrics === undefined) {
    return undefined
  }
  const common = {
    "feature_flag.provider.name": PROVIDER,
    "feature_flag.set.id": `${source.environment}/${source.namespace}`
  }
  const { errors: errorSeries, results: resultSeries } = metrics ? seriesOf(source, metrics) : noSeries
  const resultRecords = new WeakMap<VariantResult | BooleanResult, ResultRecord>()

  const makeResultRecord = (result: VariantResult | BooleanResult, version: string | undefined): ResultRecord => {
    const reason = reasonOf(result)
    const value = result._tag === "Boolean" ? String(result.enabled) : result.variantKey || "none"
    const record: ResultRecord = {
      version,
      counter: resultSeries?.(result.flagKey, value, reason, "other"),
      attributes: Object.freeze({
        "feature_flag.key": result.flagKey,
        ...(result._tag === "Boolean"
          ? { "feature_flag.result.value": result.enabled }
          : result.variantKey !== "" && { "feature_flag.result.variant": result.variantKey }),
        "feature_flag.result.reason": reason,
        ...common,
        ...(version !== undefined && version !== "" && { "feature_flag.version": version })
      })
    }
    resultRecords.set(result, record)
    return record
  }

  const makeErrorRecord = (
    error: EvaluateError,
    version: string | undefined,
    request: EvaluationRequest
  ): ResultRecord => {
    const flagKey = readText(request, "flagKey")?.slice(0, MAX_KEY_LENGTH).toWellFormed() ?? ""
    const type = errorTypeOf(error)
    return {
      version,
      counter: errorSeries?.(flagKey, type, "error", type),
      attributes: {
        "feature_flag.key": flagKey,
        "feature_flag.result.reason": "error",
        "error.type": type,
        ...common,
        ...(version !== undefined && version !== "" && { "feature_flag.version": version })
      }
    }
  }

  const withEntity = (attributes: Attributes, request: EvaluationRequest | null | undefined): Attributes => {
    if (entityId === "omit") {
      return attributes
    }
    const id = readText(request, "entityId")
    return id === undefined
      ? attributes
      : { ...attributes, "feature_flag.context.id": entityId === "hash" ? hashOf(id) : id }
  }

  /** The number of events per span. */
  const eventsOf = new WeakMap<Tracer.Span, { count: number }>()
  const canAddEvent = (span: Tracer.Span): boolean => {
    let eventCount = eventsOf.get(span)
    if (eventCount === undefined) {
      eventCount = { count: 0 }
      eventsOf.set(span, eventCount)
    }
    return eventCount.count++ < MAX_EVENTS_PER_SPAN
  }

  let hasThrown = false
  /** Logs the first exception of a tracer. */
  const reportThrow = (error: unknown): void => {
    if (!hasThrown) {
      hasThrown = true
      deferredLogs.add(
        Effect.logWarning(
          "Flipt: the tracer threw when adding an event to a span; evaluations continue, and further errors are not logged",
          Cause.die(error)
          // Effect also adds logs to the span, which would throw again
        ).pipe(Effect.mapInputContext((context: Context.Context<never>) => Context.omit(Tracer.ParentSpan)(context)))
      )
    }
  }

  const recordFor = (version: string | undefined, request: EvaluationRequest, outcome: Outcome): ResultRecord => {
    if (Either.isLeft(outcome)) {
      return makeErrorRecord(outcome.left, version, request)
    }
    const record = resultRecords.get(outcome.right)
    return record !== undefined && record.version === version ? record : makeResultRecord(outcome.right, version)
  }

  const count: RecordOutcome = (_, version, request, outcome) => {
    increment(recordFor(version, request, outcome).counter)
  }

  // caches the clock: consecutive fibers nearly always share their services
  let services: ReturnType<typeof servicesOf> | undefined
  let clock: Clock.Clock

  const recordOnSpan: RecordOutcome = (fiber, version, request, outcome) => {
    const record = recordFor(version, request, outcome)
    increment(record.counter)
    const span = spanOf(fiber)
    if (span === undefined || span._tag !== "Span" || !span.sampled || !canAddEvent(span)) {
      return
    }
    const current = servicesOf(fiber)
    if (services !== current) {
      services = current
      clock = Context.get(current, Clock.Clock)
    }
    try {
      span.event(EVENT, clock.unsafeCurrentTimeNanos(), withEntity(record.attributes, request))
    } catch (error) {
      reportThrow(error)
    }
  }

  const recordInLog: RecordOutcome = (_, version, request, outcome) => {
    const record = recordFor(version, request, outcome)
    increment(record.counter)
    deferredLogs.add(Effect.annotateLogs(Effect.logInfo(EVENT), withEntity(record.attributes, request)))
  }

  return { span: recordOnSpan, log: recordInLog, none: count }[events]
}
