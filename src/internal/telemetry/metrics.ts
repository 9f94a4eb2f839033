/**
 * The metrics of a client, all with the same tags, and what is measured around its parts.
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
import type * as Status from "../../Status.js"

const PREFIX = "flipt_client_"

/** How often the age of the state is told. */
const AGE_INTERVAL = Duration.seconds(5)

type Tags = Readonly<Record<string, string>>

/** Makes metrics that have their tags from the start: to add tags to an update costs many times the update. */
export interface Meter {
  readonly counter: (name: string, description: string, tags?: Tags) => Metric.Metric.Counter<number>
  readonly gauge: (name: string, description: string, tags?: Tags) => Metric.Metric.Gauge<number>
  readonly histogram: (
    name: string,
    description: string,
    boundaries: MetricBoundaries.MetricBoundaries
  ) => ReturnType<typeof Metric.histogram>
}

const none: ReadonlyArray<MetricLabel.MetricLabel> = []

export const make = ({ environment, namespace }: Fetcher.Source): Meter => {
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

/** The reason of an error, as metrics spell it: `TooLarge` is `too_large`. */
const spelled = (reason: string): string => reason.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase()

/** The outcome of an exit; none of an interruption, which says nothing of what was interrupted. */
const outcomeOf = <A, E extends { readonly reason: string }>(
  exit: Exit.Exit<A, E>,
  ofSuccess: (value: A) => string,
  ofDefect: string
): string | undefined =>
  Exit.match(exit, {
    onSuccess: ofSuccess,
    onFailure: (cause) =>
      Option.match(Cause.failureOption(cause), {
        onNone: () => (Cause.isInterruptedOnly(cause) ? undefined : ofDefect),
        onSome: ({ reason }) => spelled(reason)
      })
  })

const countBy = (meter: Meter, name: string, description: string): ((outcome: string | undefined) => void) => {
  const counters = new Map<string, Metric.Metric.Counter<number>>()
  return (outcome) => {
    if (outcome !== undefined) {
      const counter = counters.get(outcome) ?? meter.counter(name, description, { outcome })
      counters.set(outcome, counter)
      counter.unsafeUpdate(1, none)
    }
  }
}

/** The engine, with what it loads counted and timed; in the Scope it counts as one that runs. */
export const measureEngine = (
  meter: Meter,
  engine: Engine.Service
): Effect.Effect<Engine.Service, never, Scope.Scope> => {
  // from a millisecond to a minute, four times as long each; the last one is infinity
  const boundaries = MetricBoundaries.exponential({ start: 0.001, factor: 4, count: 10 })
  const seconds = meter.histogram("load_seconds", "How long loading a state took, in seconds", boundaries)
  const count = countBy(meter, "loads", "States that were loaded, by their outcome")
  const running = meter.gauge("engine", "Open clients by the engine that runs in them", { engine: engine.name })

  const measured = <A, E extends { readonly reason: string }, R>(load: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Clock.currentTimeNanos, (start) =>
      Effect.onExit(load, (exit) =>
        Effect.map(Clock.currentTimeNanos, (end) => {
          count(outcomeOf(exit, () => "loaded", "panic"))
          if (Exit.isSuccess(exit)) {
            seconds.unsafeUpdate(Number(end - start) / 1e9, none)
          }
        })
      )
    )

  return Effect.acquireRelease(
    Effect.sync((): Engine.Service => {
      running.unsafeModify(1, none)
      return {
        name: engine.name,
        compile: (namespace, document) => measured(engine.compile(namespace, document)),
        restore: (namespace, seed) => measured(engine.restore(namespace, seed))
      }
    }),
    () => Effect.sync(() => running.unsafeModify(-1, none))
  )
}

/** The Fetcher, with its fetches and reconnects counted. */
export const measureFetcher = (meter: Meter, fetcher: Fetcher.Service): Fetcher.Service => {
  const count = countBy(meter, "fetches", "Fetches of the state, each with its retries, by their outcome")
  const reconnects = meter.counter("reconnects", "Streams that were opened again after one was lost")
  let wasUp = false
  let isUp = false

  const note = (event: Fetcher.Event): void => {
    if (event._tag === "Mode") {
      const before = isUp
      // polling in the place of a stream is none
      isUp = event.connected && event.mode === fetcher.source.kind
      if (isUp && !before && wasUp) {
        reconnects.unsafeUpdate(1, none)
      }
      wasUp ||= isUp
    }
  }

  return {
    source: fetcher.source,
    fetch: (loaded) =>
      Effect.onExit(fetcher.fetch(loaded), (exit) =>
        Effect.sync(() =>
          count(outcomeOf(exit, ({ _tag }) => (_tag === "Document" ? "document" : "not_modified"), "source"))
        )
      ),
    events: (listener) => Stream.tap(fetcher.events(listener), (event) => Effect.sync(() => note(event)))
  }
}

/** Tells the age of the state for as long as the Scope is open; a client that has closed has none that grows old. */
export const tellAge = (
  meter: Meter,
  status: Effect.Effect<Status.Status>
): Effect.Effect<void, never, Scope.Scope> => {
  let age: Metric.Metric.Gauge<number> | undefined
  const tell = Effect.zipWith(status, Clock.currentTimeMillis, ({ confirmedAt }, now) => {
    if (confirmedAt !== undefined) {
      age ??= meter.gauge("state_age_seconds", "Seconds since the source last confirmed the state")
      age.unsafeUpdate(Math.max(0, now - confirmedAt.epochMillis) / 1000, none)
    }
  })
  return Effect.addFinalizer(() => Effect.sync(() => age?.unsafeUpdate(0, none))).pipe(
    Effect.zipRight(Effect.forkScoped(Effect.repeat(tell, Schedule.spaced(AGE_INTERVAL)))),
    Effect.asVoid
  )
}
