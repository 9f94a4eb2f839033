/**
 * The metrics of a client and the measurement of its components.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Engine from "../../Engine.js"
import type * as Fetcher from "../../Fetcher.js"
import type { Snapshot } from "../../Snapshot.js"
import type * as Status from "../../Status.js"
import {
  type Bounds,
  type Counter,
  change,
  type Gauge,
  type Histogram,
  increment,
  makeCounter,
  makeGauge,
  makeHistogram,
  observe,
  set,
  type Tags
} from "../util/metrics.js"
import { monotonicMillis } from "../util/monotonic.js"

const PREFIX = "flipt_client_"

/** How often the age of the state is reported. */
const AGE_INTERVAL = Duration.seconds(5)

/** Makes metrics that are tagged with a source. */
export interface Metrics {
  readonly counter: (name: string, description: string, tags?: Tags) => Counter
  readonly gauge: (name: string, description: string, tags?: Tags) => Gauge
  readonly histogram: (name: string, description: string, bounds: Bounds) => Histogram
}

export const make = ({ environment, namespace }: Fetcher.Source): Metrics => ({
  counter: (name, description, tags) =>
    makeCounter(`${PREFIX}${name}`, description, { environment, namespace, ...tags }),
  gauge: (name, description, tags) => makeGauge(`${PREFIX}${name}`, description, { environment, namespace, ...tags }),
  histogram: (name, description, bounds) =>
    makeHistogram(`${PREFIX}${name}`, description, bounds, { environment, namespace })
})

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
  const counters = new Map<string, Counter>()
  return (outcome) => {
    if (outcome !== undefined) {
      const counter = counters.get(outcome) ?? metrics.counter(name, description, { outcome })
      counters.set(outcome, counter)
      increment(counter)
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
  const bounds = { start: 0.001, factor: 4, count: 10 }
  const seconds = metrics.histogram("load_seconds", "Duration of loading a state, in seconds", bounds)
  const count = countBy(metrics, "loads", "Loads of a state, by outcome")
  let current: { readonly engine: string; readonly clients: Gauge } | undefined

  const countClient = (engine: string | undefined): void => {
    if (engine !== current?.engine) {
      if (current !== undefined) {
        change(current.clients, -1)
      }
      current =
        engine === undefined
          ? undefined
          : { engine, clients: metrics.gauge("engine", "Open clients, by engine", { engine }) }
      if (current !== undefined) {
        change(current.clients, 1)
      }
    }
  }

  const measured = <E extends { readonly reason: string }, R>(load: Effect.Effect<Snapshot, E, R>) =>
    Effect.flatMap(monotonicMillis, (start) =>
      Effect.onExit(load, (exit) =>
        Effect.map(monotonicMillis, (end) => {
          count(outcomeLabel(exit, () => "loaded", "panic"))
          if (Exit.isSuccess(exit)) {
            countClient(exit.value.engine)
            observe(seconds, (end - start) / 1000)
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
        increment(reconnects)
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
  let age: Gauge | undefined
  const report = Effect.zipWith(status, Clock.currentTimeMillis, ({ confirmedAt }, now) => {
    if (confirmedAt !== undefined) {
      age ??= metrics.gauge("state_age_seconds", "Seconds since the source last confirmed the state")
      set(age, Math.max(0, now - confirmedAt.epochMillis) / 1000)
    }
  })
  const reset = Effect.sync(() => {
    if (age !== undefined) {
      set(age, 0)
    }
  })
  return Effect.addFinalizer(() => reset).pipe(
    Effect.zipRight(Effect.forkScoped(Effect.repeat(report, Schedule.spaced(AGE_INTERVAL)))),
    Effect.asVoid
  )
}
