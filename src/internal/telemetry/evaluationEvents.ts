/**
 * What telemetry is told of an evaluation: the event of OpenTelemetry's semantic conventions, and a counter.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { globalValue } from "effect/GlobalValue"
import type * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import type * as Fetcher from "../../Fetcher.js"
import type { EvaluateError } from "../../FliptError.js"
import type { BooleanResult, EvaluationRequest, Reason, VariantResult } from "../../Model.js"
import type { Settings } from "../../Telemetry.js"
import { Hasher } from "../util/hash64.js"
import type { Notes } from "./deferredLogs.js"
import type { Meter } from "./metrics.js"
import type { Outcome, Record as RecordOutcome } from "./outcome.js"

/**
 * Names and values are those of the conventions for feature flags in events, which are a release candidate:
 * https://opentelemetry.io/docs/specs/semconv/feature-flags/feature-flags-events/
 */
const EVENT = "feature_flag.evaluation"
const PROVIDER = "Flipt"

/** OpenTelemetry's own limit; Effect's spans have none. */
const MAX_EVENTS_A_SPAN = 128

const MAX_RESULT_SERIES = 1_000
const MAX_ERROR_SERIES = 100

/** How much is told of the key of an evaluation that failed: keys can come from outside. */
const MAX_KEY_LENGTH = 256

type Attributes = Readonly<Record<string, string | boolean>>

/** The counters of evaluations, a bounded number of them. */
const makeSeries = (meter: Meter, most: number) => {
  type Counters = Map<string, Metric.Metric.Counter<number>>
  const byFlag = new Map<string, Counters>()
  const others: Counters = new Map()
  let count = 0

  const take = (counters: Counters, flag: string, result: string, reason: string) => {
    // no reason has a blank in it
    const name = `${reason} ${result}`
    let counter = counters.get(name)
    if (counter === undefined) {
      counter = meter.counter("evaluations", "Evaluations of flags by their result", { flag, result, reason })
      counters.set(name, counter)
    }
    return counter
  }

  /** `otherResult` is told where the series would be one too many. */
  return (flag: string, result: string, reason: string, otherResult: string): Metric.Metric.Counter<number> => {
    let ofFlag = byFlag.get(flag)
    if (ofFlag?.has(`${reason} ${result}`) !== true) {
      if (count >= most) {
        return take(others, "other", otherResult, reason)
      }
      count++
    }
    if (ofFlag === undefined) {
      ofFlag = new Map()
      byFlag.set(flag, ofFlag)
    }
    return take(ofFlag, flag, result, reason)
  }
}

type Series = ReturnType<typeof makeSeries>

const noSeries = { results: undefined, errors: undefined }

/**
 * Kept as long as Effect keeps what is counted, for the life of the process: a client that takes the place of another
 * counts on, and makes no series beyond those that the other could make.
 */
const allSeries = globalValue(
  "flipt-client-effect/Telemetry/series",
  () => new Map<string, { readonly results: Series; readonly errors: Series }>()
)

const seriesOf = ({ environment, namespace }: Fetcher.Source, meter: Meter) => {
  const place = JSON.stringify([environment, namespace])
  let series = allSeries.get(place)
  if (series === undefined) {
    series = { results: makeSeries(meter, MAX_RESULT_SERIES), errors: makeSeries(meter, MAX_ERROR_SERIES) }
    allSeries.set(place, series)
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
    : // a threshold has no segments; of a rule's distributions the result does not tell
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

/** A text of a request, which nobody has checked where there is no state: it may be none, and a getter may throw. */
const textOf = (
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

/** What is told of a result, made once for each, since equal results are one object. */
interface Known {
  readonly version: string | undefined
  readonly attributes: Attributes
  readonly counter: Metric.Metric.Counter<number> | undefined
}

const noTags: ReadonlyArray<never> = []

/** None where nothing is to be told of evaluations. */
export const make = (
  { entityId, events }: Settings,
  source: Fetcher.Source,
  meter: Meter | undefined,
  notes: Notes
): RecordOutcome | undefined => {
  if (events === "none" && meter === undefined) {
    return undefined
  }
  const common = {
    "feature_flag.provider.name": PROVIDER,
    "feature_flag.set.id": `${source.environment}/${source.namespace}`
  }
  const { errors: errorSeries, results: resultSeries } = meter ? seriesOf(source, meter) : noSeries
  const known = new WeakMap<VariantResult | BooleanResult, Known>()

  const learn = (result: VariantResult | BooleanResult, version: string | undefined): Known => {
    const reason = reasonOf(result)
    const value = result._tag === "Boolean" ? String(result.enabled) : result.variantKey || "none"
    const made: Known = {
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
    known.set(result, made)
    return made
  }

  const learnError = (error: EvaluateError, version: string | undefined, request: EvaluationRequest): Known => {
    const flagKey = textOf(request, "flagKey")?.slice(0, MAX_KEY_LENGTH).toWellFormed() ?? ""
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
    const id = textOf(request, "entityId")
    return id === undefined
      ? attributes
      : { ...attributes, "feature_flag.context.id": entityId === "hash" ? hashOf(id) : id }
  }

  /** How many events a span has had. Those of one span mostly come in a row. */
  const eventsOf = new WeakMap<Tracer.Span, { count: number }>()
  const mayHaveMore = (span: Tracer.Span): boolean => {
    let had = eventsOf.get(span)
    if (had === undefined) {
      had = { count: 0 }
      eventsOf.set(span, had)
    }
    return had.count++ < MAX_EVENTS_A_SPAN
  }

  let hasThrown = false
  /** Of a tracer. */
  const threw = (error: unknown): void => {
    if (!hasThrown) {
      hasThrown = true
      notes.add(
        Effect.logWarning(
          "Flipt: a span has not taken an event; evaluations go on, and it is not told again",
          Cause.die(error)
          // Effect puts log lines on spans, which this one would not take either
        ).pipe(Effect.mapInputContext((context: Context.Context<never>) => Context.omit(Tracer.ParentSpan)(context)))
      )
    }
  }

  const know = (version: string | undefined, request: EvaluationRequest, outcome: Outcome): Known => {
    if (Either.isLeft(outcome)) {
      return learnError(outcome.left, version, request)
    }
    const told = known.get(outcome.right)
    return told !== undefined && told.version === version ? told : learn(outcome.right, version)
  }

  const count: RecordOutcome = (_, version, request, outcome) => {
    know(version, request, outcome).counter?.unsafeUpdate(1, noTags)
  }

  // a fiber's services are hardly ever others than those of the fiber before
  let services: Context.Context<DefaultServices.DefaultServices> | undefined
  let clock: Clock.Clock

  const tellSpan: RecordOutcome = (fiber, version, request, outcome) => {
    const told = know(version, request, outcome)
    told.counter?.unsafeUpdate(1, noTags)
    const span = fiber.currentSpan
    if (span === undefined || span._tag !== "Span" || !span.sampled || !mayHaveMore(span)) {
      return
    }
    if (services !== fiber.currentDefaultServices) {
      services = fiber.currentDefaultServices
      clock = Context.get(services, Clock.Clock)
    }
    try {
      span.event(EVENT, clock.unsafeCurrentTimeNanos(), withEntity(told.attributes, request))
    } catch (error) {
      threw(error)
    }
  }

  const tellLog: RecordOutcome = (_, version, request, outcome) => {
    const told = know(version, request, outcome)
    told.counter?.unsafeUpdate(1, noTags)
    notes.add(Effect.annotateLogs(Effect.logInfo(EVENT), withEntity(told.attributes, request)))
  }

  return { span: tellSpan, log: tellLog, none: count }[events]
}
