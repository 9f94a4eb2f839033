/**
 * The metrics of a client and the measurement of its components.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Engine from "../../Engine.js"
import type * as Fetcher from "../../Fetcher.js"
import type { Snapshot } from "../../Snapshot.js"
import type * as Status from "../../Status.js"

const PREFIX = "flipt_client_"

/** How often the age of the state is reported. */
const AGE_INTERVAL = Duration.seconds(5)

type Tags = Readonly<Record<string, string>>

/** Makes metrics with their tags built in: adding tags to each update would cost many times the update. */
export interface Metrics {
  readonly counter: (name: string, description: string, tags?: Tags) => Metric.Metric.Counter<number>
  readonly gauge: (name: string, description: string, tags?: Tags) => Metric.Metric.Gauge<number>
  readonly histogram: (
    name: string,
    description: string,
    boundaries: MetricBoundaries.MetricBoundaries
  ) => ReturnType<typeof Metric.histogram>
}

const noTags: ReadonlyArray<MetricLabel.MetricLabel> = []

export const make = ({ environment, namespace }: Fetcher.Source): Metrics => {
  const labels = (tags: Tags | undefined) =>
    Object.entries({ environment, namespace, ...tags }).map(([key, value]) => MetricLabel.make(key, value))
  return {
    counter: (name, description, tags) =>
      Metric.fromMetricKey(
        MetricKey.taggedWithLabels(
          MetricKey.counter(`${PREFIX}${name}`, { description, incremental: true }),
          labels(tags)
        )
      ),
    gauge: (name, description, tags) =>
      Metric.fromMetricKey(
        MetricKey.taggedWithLabels(MetricKey.gauge(`${PREFIX}${name}`, { description }), labels(tags))
      ),
    histogram: (name, description, boundaries) =>
      Metric.fromMetricKey(
        MetricKey.taggedWithLabels(MetricKey.histogram(`${PREFIX}${name}`, boundaries, description), labels(undefined))
      )
  }
}

/** Converts an error's reason for a tag: `TooLarge` becomes `too_large`. */
const toSnakeCase = (reason: string): string => reason.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase()

/** The outcome of an exit; `undefined` for an interruption, which is not counted. */
const outcomeLabel = <A, E extends { readonly reason: string }>(
  exit: Exit.Exit<A, E>,
  ofSuccess: (value: A) => string,
  ofDefect: string
): string | undefined =>
  Exit.match(exit, {
    onSuccess: ofSuccess,
    onFailure: (cause) =>
      Option.match(Cause.failureOption(cause), {
        onNone: () => (Cause.isInterruptedOnly(cause) ? undefined : ofDefect),
        onSome: ({ reason }) => toSnakeCase(reason)
      })
  })

const countBy = (metrics: Metrics, name: string, description: string): ((outcome: string | undefined) => void) => {
  const counters = new Map<string, Metric.Metric.Counter<number>>()
  return (outcome) => {
    if (outcome !== undefined) {
      const counter = counters.get(outcome) ?? metrics.counter(name, description, { outcome })
      counters.set(outcome, counter)
      counter.unsafeUpdate(1, noTags)
    }
  }
}

/**
 * Counts and times the loads of an engine. Until the Scope ends, counts the client for the engine of its last state, which
 * can change with each load.
 */
export const measureEngine = (
  metrics: Metrics,
  engine: Engine.Service
): Effect.Effect<Engine.Service, never, Scope.Scope> => {
  // from one millisecond to about a minute; each bucket is four times the previous one, the last is infinity
  const boundaries = MetricBoundaries.exponential({ start: 0.001, factor: 4, count: 10 })
  const seconds = metrics.histogram("load_seconds", "Duration of loading a state, in seconds", boundaries)
  const count = countBy(metrics, "loads", "Loads of a state, by outcome")
  let current: { readonly engine: string; readonly clients: Metric.Metric.Gauge<number> } | undefined

  const countClient = (engine: string | undefined): void => {
    if (engine !== current?.engine) {
      current?.clients.unsafeModify(-1, noTags)
      current =
        engine === undefined
          ? undefined
          : { engine, clients: metrics.gauge("engine", "Open clients, by engine", { engine }) }
      current?.clients.unsafeModify(1, noTags)
    }
  }

  const measured = <E extends { readonly reason: string }, R>(load: Effect.Effect<Snapshot, E, R>) =>
    Effect.flatMap(Clock.currentTimeNanos, (start) =>
      Effect.onExit(load, (exit) =>
        Effect.map(Clock.currentTimeNanos, (end) => {
          count(outcomeLabel(exit, () => "loaded", "panic"))
          if (Exit.isSuccess(exit)) {
            countClient(exit.value.engine)
            seconds.unsafeUpdate(Number(end - start) / 1e9, noTags)
          }
        })
      )
    )

  return Effect.acquireRelease(
    Effect.succeed<Engine.Service>({
      name: engine.name,
      compile: (namespace, document) => measured(engine.compile(namespace, document)),
      restore: (namespace, seed) => measured(engine.restore(namespace, seed))
    }),
    () => Effect.sync(() => countClient(undefined))
  )
}

/** Counts the fetches and reconnects of a Fetcher. */
export const measureFetcher = (metrics: Metrics, fetcher: Fetcher.Service): Fetcher.Service => {
  const count = countBy(metrics, "fetches", "Fetches of the state, each including its retries, by outcome")
  const reconnects = metrics.counter("reconnects", "Streams that were reopened after a connection loss")
  let wasUp = false
  let isUp = false

  const countReconnect = (event: Fetcher.Event): void => {
    if (event._tag === "Mode") {
      const before = isUp
      // polling as a fallback for a stream is not a connection
      isUp = event.connected && event.mode === fetcher.source.kind
      if (isUp && !before && wasUp) {
        reconnects.unsafeUpdate(1, noTags)
      }
      wasUp ||= isUp
    }
  }

  return {
    source: fetcher.source,
    fetch: (loaded) =>
      Effect.onExit(fetcher.fetch(loaded), (exit) =>
        Effect.sync(() =>
          count(outcomeLabel(exit, ({ _tag }) => (_tag === "Document" ? "document" : "not_modified"), "source"))
        )
      ),
    events: (listener) => Stream.tap(fetcher.events(listener), (event) => Effect.sync(() => countReconnect(event)))
  }
}

/** Reports the age of the state until the Scope ends, then resets it to 0. */
export const reportAge = (
  metrics: Metrics,
  status: Effect.Effect<Status.Status>
): Effect.Effect<void, never, Scope.Scope> => {
  let age: Metric.Metric.Gauge<number> | undefined
  const report = Effect.zipWith(status, Clock.currentTimeMillis, ({ confirmedAt }, now) => {
    if (confirmedAt !== undefined) {
      age ??= metrics.gauge("state_age_seconds", "Seconds since the source last confirmed the state")
      age.unsafeUpdate(Math.max(0, now - confirmedAt.epochMillis) / 1000, noTags)
    }
  })
  return Effect.addFinalizer(() => Effect.sync(() => age?.unsafeUpdate(0, noTags))).pipe(
    Effect.zipRight(Effect.forkScoped(Effect.repeat(report, Schedule.spaced(AGE_INTERVAL)))),
    Effect.asVoid
  )
}
