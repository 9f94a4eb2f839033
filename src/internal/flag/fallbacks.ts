/**
 * How it is told that a typed flag gives its default because something is wrong: a counter each time, and the log once
 * for each state.
 */
import type * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as FiberRefs from "effect/FiberRefs"
import * as Metric from "effect/Metric"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type * as FliptClient from "../../FliptClient.js"
import type { DecodeError, EvaluateError } from "../../FliptError.js"
import type { Snapshot } from "../../Snapshot.js"

export type FlagError = EvaluateError | DecodeError

/** Where a flag was evaluated. */
export type Place = FliptClient.Service | Snapshot

/** Of one state, each a line in the log: variant keys of a mock can be many. */
const MAX_TOLD = 256

/** What has been logged of one state. */
interface Told {
  readonly state: string | undefined
  readonly kinds: Set<string>
}

export interface Fallbacks {
  /** To be called with every fallback. Gives the line that is to be logged, or nothing to do. */
  readonly tell: (place: Place, error: FlagError) => Effect.Effect<void>
  /** The same without an effect: logs in the fiber that runs now, if there is one. */
  readonly unsafeTell: (place: Place, error: FlagError) => void
}

const counterKey = MetricKey.counter("flipt_client_fallbacks", {
  description: "How often a typed flag gave its default because something was wrong",
  incremental: true
})

/** From a key with its tags: a counter that is tagged afterwards is looked up by them at every update. */
const counterOf = (flag: string, error: string): Metric.Metric.Counter<number> =>
  Metric.fromMetricKey(
    MetricKey.taggedWithLabels(counterKey, [MetricLabel.make("flag", flag), MetricLabel.make("error", error)])
  )

const isClient = (place: Place): place is FliptClient.Service => "status" in place

/**
 * What stands for a place in what is remembered. A pinned client has the status of the client that it is of, and stands
 * for as little as a request.
 */
const ownerOf = (place: Place): object => (isClient(place) ? (place.status ?? place) : place)

/** Which state a client serves, and since when it is not up to date. A client of a test may have no status. */
const standing = (place: Place): Effect.Effect<{ readonly state?: string | undefined; readonly since?: number }> =>
  isClient(place)
    ? Effect.map(place.status, (status) => ({
        state: status.version,
        ...("since" in status ? { since: DateTime.toEpochMillis(status.since) } : {})
      })).pipe(Effect.catchAllCause((_: Cause.Cause<never>) => Effect.succeed({})))
    : Effect.succeed({})

/** What is logged once: few, whatever the requests are. */
const kindOf = (error: FlagError, since: number | undefined): string => {
  switch (error._tag) {
    case "DecodeError":
      return `${error.reason} ${error.variantKey}`
    case "EvaluationError":
      return `${error.reason} ${since ?? ""}`
    case "ValidationError":
      // without the property's name, which comes from outside
      return error.path.split(".", 1)[0] as string
  }
}

const alreadyLogged = Effect.void

/** Runs what does not wait in the fiber that runs now. False where there is none. */
const runInCurrentFiber = (effect: Effect.Effect<void>): boolean =>
  Option.match(Fiber.getCurrentFiber(), {
    onNone: () => false,
    onSome: (fiber) => {
      // the interface has this only as an effect, which would wait for the fiber
      const refs = (fiber as unknown as { readonly getFiberRefs: () => FiberRefs.FiberRefs }).getFiberRefs()
      Runtime.runSyncExit(
        Runtime.make({ context: fiber.currentContext, fiberRefs: refs, runtimeFlags: RuntimeFlags.none })
      )(effect)
      return true
    }
  })

export const make = (flagKey: string): Fallbacks => {
  const counters = new Map<string, Metric.Metric.Counter<number>>()
  /** Errors that a Snapshot gives again and again need not be looked into. */
  const logged = new WeakSet<FlagError>()
  const told = new WeakMap<object, Told>()

  const count = ({ reason }: FlagError): void => {
    let tagged = counters.get(reason)
    if (tagged === undefined) {
      tagged = counterOf(flagKey, reason)
      counters.set(reason, tagged)
    }
    tagged.unsafeUpdate(1, [])
  }

  /** Whether this is the first of its kind in a state. */
  const isNews = (place: Place, state: string | undefined, kind: string): boolean => {
    const owner = ownerOf(place)
    let known = told.get(owner)
    if (known === undefined || known.state !== state || known.kinds.size >= MAX_TOLD) {
      known = { state, kinds: new Set() }
      told.set(owner, known)
    }
    return !known.kinds.has(kind) && known.kinds.add(kind) !== undefined
  }

  const log = (place: Place, error: FlagError): Effect.Effect<void> =>
    Effect.flatMap(standing(place), ({ since, state }) => {
      logged.add(error)
      return isNews(place, state, kindOf(error, since))
        ? Effect.logWarning(`Flipt: flag ${flagKey} gives its default: ${error.message}`)
        : Effect.void
    })

  const tell = (place: Place, error: FlagError): Effect.Effect<void> => {
    count(error)
    return logged.has(error) ? alreadyLogged : log(place, error)
  }

  return {
    tell,
    unsafeTell: (place, error) => {
      const line = tell(place, error)
      if (line !== alreadyLogged) {
        runInCurrentFiber(line)
      }
    }
  }
}
