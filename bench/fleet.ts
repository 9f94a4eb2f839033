/**
 * Simulates the requests that 10,000 clients send to a server: in steady state, after an outage, after a restart, and
 * behind a proxy that cuts streams. Steps through the library's own Schedules (simulation.ts), with fixed seeds. Exits
 * with code 1 if a promise is broken. `npm run bench:fleet`.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as schedules from "../src/internal/fetch/schedules.js"
import { type Model, simulate } from "./simulation.js"

const CLIENTS = 10_000
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** The maximum ratio of the busiest second to the mean, in steady state. */
const MAX_RATIO = 1.5
/** The minimum time from the 5th to the 95th percentile of the clients' first answers after an outage. */
const MIN_SPAN_SECONDS = 20
/** The maximum share of clients that get their first answer within the same second. */
const MAX_SHARE = 0.2

const percentile = (sorted: Float64Array, part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
const round = (number: number): string => number.toFixed(1)

type Fleet = Pick<Model, "mode" | "interval" | "cuts" | "outages" | "streamLife"> & { readonly clients?: number }

/** Runs a fleet. Returns the number of requests per second, and when each client got its first answer after `back`. */
const observe = async ({
  back = Number.POSITIVE_INFINITY,
  clients = CLIENTS,
  ...model
}: Fleet & Pick<Model, "until"> & { readonly back?: number }) => {
  const perSecond = new Uint32Array(Math.ceil(model.until / SECOND) + 1)
  const first = new Float64Array(CLIENTS).fill(Number.NaN)
  await Effect.runPromise(
    simulate({
      schedules,
      clients,
      latency: 20,
      random: (client) => Random.make(`client ${client}`),
      ...model,
      onRequest: (at, client, kind, ok) => {
        perSecond[Math.floor(at / SECOND)]! += 1
        if (ok && kind === "snapshot" && at >= back && Number.isNaN(first[client]!)) first[client] = at - back
      }
    })
  )
  return { perSecond, first: first.filter((at) => !Number.isNaN(at)).sort() }
}

const load = (perSecond: Uint32Array, from: number, to: number) => {
  const window = perSecond.subarray(Math.floor(from / SECOND), Math.floor(to / SECOND))
  const mean = window.reduce((sum, count) => sum + count, 0) / window.length
  const peak = window.reduce((most, count) => Math.max(most, count), 0)
  return { mean, peak, ratio: peak / mean }
}

/** Prints the mean requests per second, one line per `stretch` seconds. */
const histogram = (perSecond: Uint32Array, from: number, to: number, stretch: number): void => {
  const rows: Array<readonly [at: number, mean: number]> = []
  for (let at = from / SECOND; at < to / SECOND; at += stretch) {
    rows.push([at, load(perSecond, at * SECOND, (at + stretch) * SECOND).mean])
  }
  const most = Math.max(...rows.map(([, mean]) => mean))
  for (const [at, mean] of rows) {
    console.log(
      `    ${`${at - from / SECOND} s`.padStart(6)} ${mean.toFixed(0).padStart(6)}/s ${"#".repeat(Math.round((mean / most) * 50))}`
    )
  }
}

let broken = 0
const promise = (what: string, kept: boolean): void => {
  if (!kept) broken++
  console.log(`  ${kept ? "kept  " : "BROKEN"} ${what}`)
}

const steady = async (
  title: string,
  options: Fleet & { readonly from: number; readonly span?: number; readonly isPromised?: boolean }
): Promise<void> => {
  const { from, isPromised = true, span = HOUR, ...model } = options
  const { perSecond } = await observe({ ...model, until: from + span })
  const { mean, peak, ratio } = load(perSecond, from, from + span)
  console.log(
    `${title}\n  minutes ${from / MINUTE} to ${(from + span) / MINUTE}: mean ${round(mean)}/s, peak second ${peak}, ratio ${ratio.toFixed(2)}`
  )
  if (isPromised) promise(`the peak second has at most ${MAX_RATIO} times the mean`, ratio <= MAX_RATIO)
  histogram(perSecond, from, from + span, span / SECOND / 6)
}

const comeback = async (
  title: string,
  options: Fleet & { readonly back: number; readonly isPromised?: boolean }
): Promise<void> => {
  const { back, isPromised = true, ...model } = options
  const { first, perSecond } = await observe({ ...model, back, until: back + 130 * SECOND })
  const at = (part: number) => percentile(first, part) / SECOND
  const [p5, p50, p95] = [at(0.05), at(0.5), at(0.95)]
  const counts = new Map<number, number>()
  for (const at of first) counts.set(Math.floor(at / SECOND), (counts.get(Math.floor(at / SECOND)) ?? 0) + 1)
  const most = Math.max(...counts.values())
  const { mean, peak, ratio } = load(perSecond, back, back + MINUTE)
  console.log(
    `${title}\n  first answers: p5 ${round(p5)} s, p50 ${round(p50)} s, p95 ${round(p95)} s, span ${round(p95 - p5)} s; ` +
      `at most ${most} in one second; ${first.length} of ${CLIENTS} clients back\n` +
      `  requests in the minute after: mean ${round(mean)}/s, peak second ${peak}, ratio ${ratio.toFixed(2)}`
  )
  if (isPromised) {
    promise(`the first answers span at least ${MIN_SPAN_SECONDS} s from p5 to p95`, p95 - p5 >= MIN_SPAN_SECONDS)
    promise(`no second has more than ${MAX_SHARE * 100} % of the fleet`, most <= CLIENTS * MAX_SHARE)
  }
  histogram(perSecond, back, back + MINUTE, 5)
}

console.log(`${CLIENTS} clients, all started in the same second\n`)
for (const mode of ["polling", "streaming"] as const) {
  for (const interval of [120 * SECOND, 10 * SECOND]) {
    await steady(`${mode}, every ${interval / SECOND} s, steady state`, {
      mode,
      interval,
      from: Math.ceil((2 * interval) / MINUTE) * MINUTE,
      span: interval > MINUTE ? HOUR : 5 * MINUTE
    })
  }
}
// after ten minutes, clients no longer count their streams as short-lived
const down = 10 * MINUTE
const back = down + 5 * MINUTE
for (const mode of ["polling", "streaming"] as const) {
  await comeback(`${mode}, every 120 s, after 5 minutes in which requests are refused`, {
    mode,
    interval: 120 * SECOND,
    back,
    outages: [{ from: down, to: back }]
  })
}
for (const seconds of [0, 3]) {
  await comeback(
    `streaming, every 120 s, the server restarted: back ${seconds === 0 ? "at once" : `after ${seconds} s`}`,
    {
      mode: "streaming",
      interval: 120 * SECOND,
      back: down + seconds * SECOND,
      ...(seconds === 0 ? { cuts: [down] } : { outages: [{ from: down, to: down + seconds * SECOND }] })
    }
  )
}
console.log("\nWithout promises:\n")
await comeback("polling, every 10 s, after 1 minute in which requests are refused", {
  mode: "polling",
  interval: 10 * SECOND,
  back: 2 * MINUTE,
  outages: [{ from: MINUTE, to: 2 * MINUTE }],
  isPromised: false
})
await comeback("polling, every 120 s, after 5 minutes of status 503 whose Retry-After is the end of the outage", {
  mode: "polling",
  interval: 120 * SECOND,
  back,
  outages: [{ from: down, to: back, retryAfter: (now) => back - now }],
  isPromised: false
})
for (const hour of [0, 2]) {
  await steady(`streaming, every 120 s, a proxy cuts every stream after 60 s, from hour ${hour} on`, {
    mode: "streaming",
    interval: 120 * SECOND,
    streamLife: MINUTE,
    from: hour * HOUR + MINUTE,
    span: 10 * MINUTE,
    isPromised: false
  })
}
console.log("\nWith a relay over Redis:\n")
await steady("requests to Flipt: only the leader, streaming, every 120 s", {
  clients: 1,
  mode: "streaming",
  interval: 120 * SECOND,
  from: 4 * MINUTE,
  isPromised: false
})
// a relay's readers have the same phase and jitter as polls
await steady(`reads from Redis: ${CLIENTS} processes, every 10 s`, {
  mode: "polling",
  interval: 10 * SECOND,
  from: MINUTE,
  span: 5 * MINUTE
})
console.log(broken === 0 ? "\nall promises kept" : `\n${broken} promises broken`)
process.exitCode = broken === 0 ? 0 : 1
