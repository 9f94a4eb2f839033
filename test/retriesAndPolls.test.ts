/**
 * When a fetch is retried, and when the next poll comes.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Auth from "../src/Auth.js"
import * as Fetcher from "../src/Fetcher.js"
import { FetchError } from "../src/FliptError.js"
import { pollSchedule, retryPolicy, withRetryAfter } from "../src/internal/fetch/schedules.js"
import * as Tls from "../src/Tls.js"
import * as Drive from "./support/drive.js"
import * as Fault from "./support/Fault.js"
import { defaultPolicy, failureOf, fetchOf, makeFetcher, never, type Policy, serve, small } from "./support/fetching.js"
import { idle } from "./support/listeners.js"
import { contentOf, errorOf } from "./support/updates.js"
import { awaitSleep, awhile, wakeUps } from "./support/wait.js"

const drive = <Out, In>(
  schedule: Schedule.Schedule<Out, In>,
  inputs: Iterable<In>,
  random: Random.Random = Random.make("a fixed seed")
): Effect.Effect<ReadonlyArray<Drive.Step<Out>>> => Effect.withRandom(Drive.drive(schedule, inputs), random)

const errors = (count: number, retryAfter?: Duration.DurationInput): ReadonlyArray<FetchError> =>
  Array.from(
    { length: count },
    () =>
      new FetchError({
        reason: "Status",
        status: 503,
        retryable: true,
        message: "busy",
        ...(retryAfter === undefined ? {} : { retryAfter: Duration.decode(retryAfter) })
      })
  )

const delaysOf = (schedule: Policy, inputs: ReadonlyArray<FetchError>, random?: Random.Random) =>
  Effect.map(drive(schedule, inputs, random), (steps) => steps.map((step) => step.delay))

describe("the default retry policy", () => {
  it.effect("waits 1, 2 and 4 seconds, each varied by up to a fifth, and then gives up", () =>
    Effect.gen(function* () {
      const seen = [[], [], []] as ReadonlyArray<Array<number>>
      for (let seed = 0; seed < 300; seed++) {
        const delays = yield* delaysOf(retryPolicy, errors(10), Random.make(seed))
        expect(delays).toHaveLength(3)
        delays.forEach((delay, nth) => {
          const usual = 1000 * 2 ** nth
          expect(delay).toBeGreaterThanOrEqual(usual * 0.8)
          expect(delay).toBeLessThanOrEqual(usual * 1.2)
          expect(delay).toBeLessThanOrEqual(30_000)
          seen[nth]?.push(delay / usual)
        })
      }
      for (const factors of seen) {
        expect(Math.min(...factors)).toBeLessThan(0.85)
        expect(Math.max(...factors)).toBeGreaterThan(1.15)
      }
    })
  )

  it.effect("can reach both ends of these ranges", () =>
    Effect.gen(function* () {
      const rounded = (delays: ReadonlyArray<number>) => delays.map(Math.round)
      expect(rounded(yield* delaysOf(retryPolicy, errors(9), Random.fixed([0])))).toEqual([800, 1600, 3200])
      expect(rounded(yield* delaysOf(retryPolicy, errors(9), Random.fixed([1])))).toEqual([1200, 2400, 4800])
    })
  )

  it.scoped("makes four requests in total", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.status(503))
      const failing = yield* Effect.fork(
        failureOf({ url: server.url, requestTimeout: Number.POSITIVE_INFINITY }, defaultPolicy)
      )
      for (const [nth, usual] of [1000, 2000, 4000].entries()) {
        const { millis, wake } = yield* awaitSleep
        expect(millis).toBeGreaterThanOrEqual(usual * 0.8)
        expect(millis).toBeLessThanOrEqual(usual * 1.2)
        expect(yield* server.requests).toHaveLength(nth + 1)
        yield* wake
        yield* server.awaitRequests(nth + 2)
      }
      expect(yield* Fiber.join(failing)).toMatchObject({ reason: "Status", status: 503 })
      expect(yield* wakeUps).toEqual([])
      expect(yield* server.requests).toHaveLength(4)
    })
  )

  it.scoped("starts again with each fetch", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const options = { url: server.url, requestTimeout: Number.POSITIVE_INFINITY }
      const fetcher = yield* makeFetcher(options, defaultPolicy)
      for (let n = 0; n < 2; n++) {
        yield* server.fail(Fault.status(503), Fault.status(503))
        const fetching = yield* Effect.fork(fetcher.fetch(Option.none()))
        for (const longest of [1200, 2400]) {
          const { millis, wake } = yield* awaitSleep
          expect(millis).toBeLessThanOrEqual(longest)
          yield* wake
        }
        expect(contentOf(yield* Fiber.join(fetching))).toMatchObject(small)
      }
    })
  )
})

describe("Retry-After", () => {
  /** The delay of the first retry after an answer with this header. */
  const waitAfter = (value: string | undefined, policy: Policy = retryPolicy) =>
    Effect.gen(function* () {
      const server = yield* serve()
      const options = { url: server.url, requestTimeout: Number.POSITIVE_INFINITY }
      const headers = value === undefined ? {} : { "Retry-After": value }
      yield* server.fail(Fault.status(503, { headers }))
      const fetching = yield* Effect.fork(fetchOf(options, { policy }))
      const { millis, wake } = yield* awaitSleep
      yield* wake
      yield* Fiber.join(fetching)
      expect(yield* server.requests).toHaveLength(2)
      return millis
    }).pipe(Effect.scoped)

  it.effect("in seconds is the minimum delay", () =>
    Effect.gen(function* () {
      expect(yield* waitAfter("20")).toBe(20_000)
      expect(yield* waitAfter(" 7 ")).toBe(7000)
      expect(yield* waitAfter("0")).toBeGreaterThanOrEqual(800)
      expect(yield* waitAfter("0")).toBeLessThanOrEqual(1200)
      expect(yield* waitAfter("3", Schedule.spaced("10 seconds"))).toBe(10_000)
      expect(yield* waitAfter("3", Schedule.recurs(1))).toBe(3000)
    })
  )

  it.effect("may be a date", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 2, 1, 12, 0, 0))
      expect(yield* waitAfter("Sun, 01 Mar 2026 12:00:40 GMT")).toBe(40_000)
      expect(yield* waitAfter("Sun, 01 Mar 2026 11:00:00 GMT")).toBeLessThanOrEqual(1200)
    })
  )

  it.effect("is limited to five minutes", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 2, 1, 12, 0, 0))
      for (const value of ["300", "301", "86400", "9".repeat(400), "Sun, 01 Mar 2037 12:00:00 GMT"]) {
        expect(yield* waitAfter(value)).toBe(300_000)
      }
    })
  )

  it.effect("that is neither is ignored", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 2, 1, 12, 0, 0))
      for (const value of ["soon", "-5", "1.5", "1e9", "0x1000", "10 minutes", "NaN", "Infinity", ""]) {
        expect(yield* waitAfter(value)).toBeLessThanOrEqual(1200)
      }
    })
  )

  it.effect("is ignored if only a lenient parser accepts it as a date", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 2, 1, 12, 0, 0))
      for (const value of ["try again 2099", "2099 maybe", "release 12/31/2099"]) {
        expect(yield* waitAfter(value)).toBeLessThanOrEqual(1200)
      }
    })
  )

  it.scopedLive("is in the error, whether retried or not", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      for (const status of [403, 429]) {
        yield* server.fail(Fault.status(status, { headers: { "Retry-After": "7" } }))
        const error = yield* failureOf({ url: server.url }, never)
        expect(error.retryAfter && Duration.toMillis(error.retryAfter)).toBe(7000)
      }
      yield* server.fail(Fault.status(429))
      expect(yield* failureOf({ url: server.url }, never)).not.toHaveProperty("retryAfter")
    })
  )

  it.effect("is the minimum delay with any policy, and does not add to it", () =>
    Effect.gen(function* () {
      const spaced = withRetryAfter(Schedule.intersect(Schedule.spaced("5 seconds"), Schedule.recurs(3)))
      expect(yield* delaysOf(spaced, errors(9))).toEqual([5000, 5000, 5000])
      expect(yield* delaysOf(spaced, errors(9, "4 seconds"))).toEqual([5000, 5000, 5000])
      expect(yield* delaysOf(spaced, errors(9, "6 seconds"))).toEqual([6000, 6000, 6000])
      const growing = withRetryAfter(Schedule.exponential("1 second").pipe(Schedule.upTo("1 hour")))
      expect(yield* delaysOf(growing, errors(4, "3 seconds"))).toEqual([3000, 3000, 4000, 8000])
      expect(yield* delaysOf(withRetryAfter(Schedule.stop), errors(4, "3 seconds"))).toEqual([])
      const random = () => Random.make("the same")
      expect(yield* delaysOf(withRetryAfter(retryPolicy), errors(9), random())).toEqual(
        yield* delaysOf(retryPolicy, errors(9), random())
      )
    })
  )
})

describe("a custom RetryPolicy", () => {
  it.scoped("is used if it is provided to the layer", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* server.failAlways(Fault.status(500))
      const policy = Schedule.intersect(Schedule.spaced("7 minutes"), Schedule.recurs(2))
      const layer = Fetcher.layerPolling({ url: server.url, requestTimeout: Number.POSITIVE_INFINITY }).pipe(
        Layer.provide([Layer.provide(Tls.layerHttpClient, Tls.layerSystem), Auth.layerNone]),
        Layer.provide(Layer.succeed(Fetcher.RetryPolicy, policy))
      )
      const { fetch } = Context.get(yield* Layer.build(layer), Fetcher.Fetcher)
      const failing = yield* Effect.fork(errorOf(fetch(Option.none())))
      for (const count of [1, 2]) {
        const { millis, wake } = yield* awaitSleep
        expect(millis).toBe(420_000)
        expect(yield* server.requests).toHaveLength(count)
        yield* wake
      }
      expect((yield* Fiber.join(failing)).status).toBe(500)
      expect(yield* server.requests).toHaveLength(3)
    })
  )

  it.scopedLive("sees only retryable errors", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const seen: Array<number | undefined> = []
      const policy: Policy = Schedule.recurs(5).pipe(
        Schedule.tapInput((error: FetchError) => Effect.sync(() => void seen.push(error.status)))
      )
      yield* server.fail(Fault.status(503), Fault.status(429), Fault.reset, Fault.status(404))
      expect(yield* failureOf({ url: server.url }, { policy })).toMatchObject({ status: 404 })
      expect(seen).toEqual([503, 429, undefined])
    })
  )
})

describe("polls", () => {
  const asked = (count: number): ReadonlyArray<unknown> => Array.from({ length: count }, () => undefined)

  it.effect("start within one interval and then come once per interval, up to a tenth earlier or later", () =>
    Effect.gen(function* () {
      const later: Array<number> = []
      for (let seed = 0; seed < 50; seed++) {
        const [first, ...others] = yield* drive(pollSchedule(Duration.seconds(100)), asked(20), Random.make(seed))
        expect(first?.delay).toBeGreaterThanOrEqual(0)
        expect(first?.delay).toBeLessThanOrEqual(100_000)
        expect(others.every((step) => step.out)).toBe(true)
        later.push(...others.map((step) => step.delay))
      }
      expect(later).toHaveLength(950)
      expect(Math.min(...later)).toBeGreaterThanOrEqual(90_000 - 1)
      expect(Math.max(...later)).toBeLessThanOrEqual(110_000 + 1)
      expect(Math.min(...later)).toBeLessThan(91_000)
      expect(Math.max(...later)).toBeGreaterThan(109_000)
    })
  )

  it.effect("of a thousand clients that start together are spread over the interval, and stay spread", () =>
    Effect.gen(function* () {
      const tenths = Array.from({ length: 10 }, () => 0)
      const laterTenths = Array.from({ length: 10 }, () => 0)
      for (let client = 0; client < 1000; client++) {
        const steps = yield* drive(pollSchedule(Duration.minutes(2)), asked(10), Random.make(`client ${client}`))
        const at = (count: number) => steps.slice(0, count).reduce((sum, step) => sum + step.delay, 0)
        const tenth = (millis: number) => Math.floor(((millis % 120_000) / 120_000) * 10)
        tenths[tenth(at(1))]!++
        laterTenths[tenth(at(10))]!++
      }
      for (const count of [...tenths, ...laterTenths]) {
        expect(count).toBeGreaterThan(60)
        expect(count).toBeLessThan(150)
      }
    })
  )

  it.effect("are split into several sleeps if the interval is longer than a timer can hold", () =>
    Effect.gen(function* () {
      const millis = 100 * 24 * 60 * 60 * 1000
      const steps = yield* drive(pollSchedule(Duration.days(100)), asked(200))
      expect(steps.every((step) => step.delay < 2 ** 31)).toBe(true)
      let waited = 0
      const waits: Array<number> = []
      for (const step of steps) {
        waited += step.delay
        if (step.out) {
          waits.push(waited)
          waited = 0
        }
      }
      expect(waits[0]).toBeLessThanOrEqual(millis)
      expect(waits.length).toBeGreaterThan(15)
      for (const wait of waits.slice(1)) {
        expect(wait).toBeGreaterThanOrEqual(millis * 0.9 - 1)
        expect(wait).toBeLessThanOrEqual(millis * 1.1 + 1)
      }
    })
  )

  /** Counts the polls of a Fetcher for a listener that has loaded nothing. */
  const countChecks = (updateInterval: Duration.DurationInput, random = Random.fixed([0.5])) =>
    Effect.gen(function* () {
      const counts = { checks: 0, others: 0 }
      const fetcher = yield* makeFetcher({ url: "http://127.0.0.1:1", updateInterval })
      yield* fetcher.events(idle).pipe(
        Stream.runForEach((event) => Effect.sync(() => counts[event._tag === "Check" ? "checks" : "others"]++)),
        Effect.withRandom(random),
        Effect.forkScoped
      )
      return counts
    })

  it.scoped("are events of the Fetcher", () =>
    Effect.gen(function* () {
      const counts = yield* countChecks("2 minutes")
      yield* TestClock.adjust(59_999)
      expect(counts.checks).toBe(0)
      yield* TestClock.adjust(2)
      expect(counts.checks).toBe(1)
      yield* TestClock.adjust(119_990)
      expect(counts.checks).toBe(1)
      yield* TestClock.adjust(20)
      expect(counts).toEqual({ checks: 2, others: 0 })
    })
  )

  it.scoped("come every two minutes by default", () =>
    Effect.gen(function* () {
      const fetcher = yield* makeFetcher({})
      const checks = yield* fetcher.events(idle).pipe(Stream.take(10), Stream.runCollect, Effect.fork)
      yield* TestClock.adjust("24 minutes")
      expect(Chunk.size(yield* Fiber.join(checks))).toBe(10)
    })
  )

  it.scoped("with an interval of more than 2^31 milliseconds come when due, and not before", () =>
    Effect.gen(function* () {
      const counts = yield* countChecks("100 days")
      yield* TestClock.adjust(Duration.subtract(Duration.days(50), Duration.seconds(1)))
      expect(counts.checks).toBe(0)
      yield* TestClock.adjust("2 seconds")
      expect(counts.checks).toBe(1)
      yield* TestClock.adjust(Duration.subtract(Duration.days(100), Duration.seconds(2)))
      expect(counts.checks).toBe(1)
      yield* TestClock.adjust("4 seconds")
      expect(counts).toEqual({ checks: 2, others: 0 })
    })
  )

  it.scopedLive("with such an interval do not happen immediately on the real clock", () =>
    Effect.gen(function* () {
      const counts = yield* countChecks("100 days", Random.fixed([1]))
      yield* awhile
      expect(counts).toEqual({ checks: 0, others: 0 })
    })
  )

  it.scoped("never come if the interval is infinite", () =>
    Effect.gen(function* () {
      const counts = yield* countChecks(Number.POSITIVE_INFINITY)
      yield* TestClock.adjust("36500 days")
      expect(counts).toEqual({ checks: 0, others: 0 })
      expect(yield* wakeUps).toEqual([])
    })
  )
})
