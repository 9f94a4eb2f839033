/**
 * Reports that a typed flag fell back to its default: a counter counts each fallback, and a warning is logged once per
 * state and kind of error.
 */
import type * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as FliptClient from "../../FliptClient.js"
import type { DecodeError, EvaluateError } from "../../FliptError.js"
import type { Snapshot } from "../../Snapshot.js"
import { runInCurrentFiber } from "../util/fiber.js"
import { type Counter, increment, makeCounter } from "../util/metrics.js"
import { printable } from "../util/outsideText.js"

type FlagError = EvaluateError | DecodeError

/** What a flag was evaluated with. */
type FlagSource = FliptClient.Service | Snapshot

/** Limits the kinds per state: the variant keys of a mock are unbounded. */
const MAX_LOGGED_KINDS = 256

/** The kinds of errors that have been logged for one state. */
interface LoggedOnce {
  readonly state: string | undefined
  readonly kinds: Set<string>
}

interface Fallbacks {
  /** Counts a fallback. Returns the effect that logs it, or a no-op. */
  readonly report: (source: FlagSource, error: FlagError) => Effect.Effect<void>
  /** The same outside of an effect: logs in the current fiber, if there is one. */
  readonly unsafeReport: (source: FlagSource, error: FlagError) => void
}

const counterOf = (flag: string, error: string): Counter =>
  makeCounter("flipt_client_fallbacks", "Fallbacks of typed flags to their default because of an error", {
    flag,
    error
  })

const isClient = (source: FlagSource): source is FliptClient.Service => "status" in source

/**
 * The key under which logged errors are remembered. A pinned client shares the status of its client, and lives only as
 * long as a request.
 */
const ownerOf = (source: FlagSource): object => (isClient(source) ? (source.status ?? source) : source)

/** The version that a client serves and the start of its outage. A client made by a test may have no status. */
const currentState = (
  source: FlagSource
): Effect.Effect<{ readonly state?: string | undefined; readonly since?: number }> =>
  isClient(source)
    ? Effect.map(source.status, (status) => ({
        state: status.version,
        ...("since" in status ? { since: DateTime.toEpochMillis(status.since) } : {})
      })).pipe(Effect.catchAllCause((_: Cause.Cause<never>) => Effect.succeed({})))
    : Effect.succeed({})

/** The kind of an error: one warning is logged per kind. Requests cannot create new kinds. */
const kindOf = (error: FlagError, since: number | undefined): string => {
  switch (error._tag) {
    case "DecodeError":
      return `${error.reason} ${error.variantKey}`
    case "EvaluationError":
      return `${error.reason} ${since ?? ""}`
    case "ValidationError":
      // omits the property name, which comes from the request
      return error.path.split(".", 1)[0] as string
  }
}

const alreadyLogged = Effect.void

export const make = (flagKey: string): Fallbacks => {
  const counters = new Map<string, Counter>()
  /** A Snapshot returns the same error object again, which needs no second look. */
  const loggedErrors = new WeakSet<FlagError>()
  const loggedOnce = new WeakMap<object, LoggedOnce>()

  const count = ({ reason }: FlagError): void => {
    let tagged = counters.get(reason)
    if (tagged === undefined) {
      tagged = counterOf(flagKey, reason)
      counters.set(reason, tagged)
    }
    increment(tagged)
  }

  /** Whether a kind of error occurs for the first time in a state. */
  const isFirst = (source: FlagSource, state: string | undefined, kind: string): boolean => {
    const owner = ownerOf(source)
    let known = loggedOnce.get(owner)
    if (known === undefined || known.state !== state || known.kinds.size >= MAX_LOGGED_KINDS) {
      known = { state, kinds: new Set() }
      loggedOnce.set(owner, known)
    }
    return !known.kinds.has(kind) && known.kinds.add(kind) !== undefined
  }

  const log = (source: FlagSource, error: FlagError): Effect.Effect<void> =>
    Effect.flatMap(currentState(source), ({ since, state }) => {
      loggedErrors.add(error)
      return isFirst(source, state, kindOf(error, since))
        ? Effect.logWarning(`Flipt: flag ${printable(flagKey)} falls back to its default: ${error.message}`)
        : Effect.void
    })

  const report = (source: FlagSource, error: FlagError): Effect.Effect<void> => {
    count(error)
    return loggedErrors.has(error) ? alreadyLogged : log(source, error)
  }

  return {
    report,
    unsafeReport: (source, error) => {
      const line = report(source, error)
      if (line !== alreadyLogged) {
        runInCurrentFiber(line)
      }
    }
  }
}
