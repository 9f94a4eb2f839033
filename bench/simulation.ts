/**
 * Simulates a fleet of clients without fibers or waiting: it steps through the library's own Schedules, and a queue of
 * events replaces the clock. What a client does between two steps of a Schedule is reimplemented here in short;
 * test/fleet.test.ts compares it with real clients.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Random from "effect/Random"
import type { FetchError } from "../src/FliptError.js"
import type * as Schedules from "../src/internal/fetch/schedules.js"
import { delegate, makeDriver, type Steps } from "../test/support/steps.js"

/** An event of a binary heap, which returns the earliest event first. Events at the same instant keep their order. */
interface Event<A> {
  readonly at: number
  readonly order: number
  readonly run: A
}

const makeQueue = <A>() => {
  const events: Array<Event<A>> = []
  let added = 0
  const before = (a: Event<A>, b: Event<A>) => a.at < b.at || (a.at === b.at && a.order < b.order)
  return {
    add: (at: number, run: A): void => {
      const event = { at, order: added++, run }
      let index = events.length
      while (index > 0) {
        const parent = (index - 1) >> 1
        if (!before(event, events[parent]!)) break
        events[index] = events[parent]!
        index = parent
      }
      events[index] = event
    },
    take: (): Event<A> | undefined => {
      const first = events[0]
      const last = events.pop()
      if (last !== undefined && events.length > 0) {
        let index = 0
        for (;;) {
          let child = 2 * index + 1
          if (child >= events.length) break
          if (child + 1 < events.length && before(events[child + 1]!, events[child]!)) child++
          if (!before(events[child]!, last)) break
          events[index] = events[child]!
          index = child
        }
        events[index] = last
      }
      return first
    }
  }
}

export interface Outage {
  readonly from: number
  readonly to: number
  /** The `Retry-After` of a refusal at an instant, in milliseconds. */
  readonly retryAfter?: (now: number) => number | undefined
}

export interface Model {
  readonly clients: number
  readonly cuts?: ReadonlyArray<number>
  readonly cutWithin?: number
  readonly interval: number
  readonly latency?: number
  readonly mode: "polling" | "streaming"
  readonly onRequest: (at: number, client: number, kind: "snapshot" | "stream", ok: boolean) => void
  readonly outages?: ReadonlyArray<Outage>
  readonly random: (client: number) => Random.Random
  readonly schedules: Pick<typeof Schedules, "pollSchedule" | "reconnectSchedule" | "retryPolicy" | "withRetryAfter">
  readonly streamLife?: number
  readonly until: number
}

/** A step of a client at an instant. */
type Step = (now: number) => Steps
/** What follows a fetch, which failed if there is an error. */
type Landing = (now: number, error: FetchError | undefined) => Steps

/**
 * Runs the fleet until the instant `until`. Times are in milliseconds; all clients start at 0.
 *
 * - `outages`: when the server refuses requests, which also cuts the streams.
 * - `cuts`: instants at which the server starts to cut streams, one after the other within `cutWithin`.
 * - `streamLife`: how long a proxy keeps a stream open.
 * - `latency`: the latency of an answer; a refusal takes no time.
 * - `onRequest(at, client, kind, ok)`: called for every request, in chronological order.
 */
export const simulate = ({
  clients,
  cuts = [],
  cutWithin = 1000,
  interval,
  latency = 0,
  mode,
  onRequest,
  outages = [],
  random,
  schedules,
  streamLife = Number.POSITIVE_INFINITY,
  until
}: Model): Effect.Effect<void> => {
  const { pollSchedule, reconnectSchedule, retryPolicy, withRetryAfter } = schedules
  const queue = makeQueue<{ readonly client: number; readonly run: Step }>()
  const randoms = Array.from({ length: clients }, (_, client) => random(client))
  let current = randoms[0]!
  const policy = withRetryAfter(retryPolicy)
  const waits = pollSchedule(Duration.millis(interval))
  const outageAt = (at: number) => outages.find(({ from, to }) => at >= from && at < to)

  const makeClient = (client: number): void => {
    const schedule = (at: number, run: Step): void => {
      if (at <= until) queue.add(at, { client, run })
    }
    /** Sends a request. Returns the error, if any. */
    const ask = (now: number, kind: "snapshot" | "stream"): FetchError | undefined => {
      const outage = outageAt(now)
      onRequest(now, client, kind, outage === undefined)
      if (outage === undefined) return undefined
      const asked = outage.retryAfter?.(now)
      return {
        _tag: "FetchError",
        ...(asked === undefined ? {} : { retryAfter: Duration.millis(asked) })
      } as FetchError
    }

    /** Callers that wait for the current fetch; `undefined` if there is none. */
    let waiting: Array<Landing> | undefined
    /** One fetch with its retries, shared by all callers that arrive meanwhile. */
    const fetch = function* (now: number, done: Landing): Steps {
      if (waiting !== undefined) {
        waiting.push(done)
        return
      }
      waiting = [done]
      const retries = makeDriver(policy)
      const land = function* (at: number, error: FetchError | undefined): Steps {
        const all = waiting ?? []
        waiting = undefined
        for (const one of all) yield* one(at, error)
      }
      const attempt = function* (at: number): Steps {
        const error = ask(at, "snapshot")
        if (error === undefined) {
          if (latency === 0) yield* land(at, undefined)
          else schedule(at + latency, (then) => land(then, undefined))
          return
        }
        const next = yield* retries(at, error)
        if (next === undefined) yield* land(at, error)
        else schedule(next.at, attempt)
      }
      yield* attempt(now)
    }

    const poll = function* (now: number): Steps {
      const driver = makeDriver(waits)
      const wait = function* (at: number): Steps {
        const next = yield* driver(at, undefined)
        if (next === undefined) return
        schedule(next.at, function* (then) {
          // a client steps its Schedule before it sends the request
          yield* wait(then)
          if (next.out) yield* fetch(then, function* () {})
        })
      }
      yield* wait(now)
    }

    const reconnect = makeDriver(reconnectSchedule)
    /** The number of the current stream, and when it was opened. */
    let connection = 0
    let opened: number | undefined
    const over = function* (now: number, error: FetchError, lifetime: Option.Option<Duration.Duration>): Steps {
      connection++
      opened = undefined
      const next = yield* reconnect(now, { error, lifetime })
      if (next === undefined) return
      schedule(next.at, (at) =>
        fetch(at, function* (then, refused) {
          if (refused === undefined) yield* open(then)
          else yield* over(then, refused, Option.none())
        })
      )
    }
    const cut = function* (now: number, which: number): Steps {
      if (opened !== undefined && which === connection) {
        yield* over(now, { _tag: "FetchError" } as FetchError, Option.some(Duration.millis(now - opened)))
      }
    }
    const open = function* (now: number): Steps {
      opened = now
      const own = connection
      const refused = ask(now, "stream")
      if (refused !== undefined) {
        yield* over(now, refused, Option.some(Duration.zero))
        return
      }
      if (Number.isFinite(streamLife)) schedule(now + streamLife, (at) => cut(at, own))
    }

    /** Polls at a steady interval while streaming. A poll that fails ends the open stream. */
    const pollBeside = function* (now: number): Steps {
      const driver = makeDriver(waits)
      const wait = function* (at: number): Steps {
        const next = yield* driver(at, undefined)
        if (next === undefined) return
        schedule(next.at, function* (then) {
          if (!next.out) {
            yield* wait(then)
            return
          }
          yield* fetch(then, function* (later, error) {
            if (error !== undefined && opened !== undefined) {
              yield* over(later, error, Option.some(Duration.millis(later - opened)))
            }
            yield* wait(later)
          })
        })
      }
      yield* wait(now)
    }

    schedule(0, (now) =>
      fetch(now, function* (at) {
        if (mode === "polling") {
          yield* poll(at)
        } else {
          yield* pollBeside(at)
          yield* open(at)
        }
      })
    )
    if (mode === "streaming") {
      for (const at of [...cuts, ...outages.map(({ from }) => from)]) {
        schedule(at + (cutWithin * client) / clients, (now) => cut(now, connection))
      }
    }
  }
  for (let client = 0; client < clients; client++) makeClient(client)

  return Effect.gen(function* () {
    for (let event = queue.take(); event !== undefined; event = queue.take()) {
      current = randoms[event.run.client]!
      yield* event.run.run(event.at)
    }
  }).pipe(Effect.withRandom(delegate(() => current)))
}
