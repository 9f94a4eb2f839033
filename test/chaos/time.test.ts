/**
 * Slow requests, rate limits, long outages and unreliable clocks, as seen by an application with a complete client.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { expect } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type * as FliptClient from "../../src/FliptClient.js"
import { retryPolicy } from "../../src/internal/fetch/schedules.js"
import { booleanFlag, makeDocument } from "../support/documents.js"
import * as Fault from "../support/Fault.js"
import * as HandClock from "../support/HandClock.js"
import { awaitSleep, awaitSleepOf, awhile, until, wakeUps } from "../support/wait.js"
import {
  closed,
  failed,
  makeClient,
  makeClientOver,
  once,
  outage,
  ready,
  type Setting,
  scenario,
  seen,
  serve,
  stale,
  timedScenario,
  told,
  v1,
  v2
} from "./support.js"

/** The TestClock controls only the delays between requests, so the requests themselves have no timeout. */
const untimed = { requestTimeout: Number.POSITIVE_INFINITY }

/** Ends the shortest sleep, and returns how long it would have been. */
const wakeFirst = Effect.flatMap(awaitSleep, ({ millis, wake }) => Effect.as(wake, millis))

interface Pushback {
  /** The header, which may depend on the time of the attempt. */
  readonly value: string | ((now: number) => string)
  /** The ranges of the delays before the first, second and third retry. */
  readonly delays: ReadonlyArray<readonly [least: number, most: number]>
}

/** A busy server answers first one request and later all requests with a 429 and this header. */
const pushedBack = (setting: Setting, logs: Parameters<typeof told>[0], { delays, value }: Pushback) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(Date.UTC(2026, 2, 1, 12, 0, 0))
    const from = logs.length
    const fault = Effect.map(Clock.currentTimeMillis, (now) =>
      Fault.status(429, { headers: { "Retry-After": typeof value === "string" ? value : value(now) } })
    )
    const server = yield* serve()
    const scope = yield* Scope.make()
    const client = yield* Scope.extend(makeClient(setting, { url: server.url, ...untimed }, retryPolicy), scope)
    // ends the timeout of the start
    yield* TestClock.adjust("10 seconds")
    const inRange = (millis: number, [least, most]: readonly [number, number]) => {
      expect(millis).toBeGreaterThanOrEqual(least)
      expect(millis).toBeLessThanOrEqual(most)
    }

    // A 429 that is followed by a good answer is not an outage.
    yield* server.fail(yield* fault)
    const fetching = yield* Effect.fork(client.refresh)
    inRange((yield* awaitSleep).millis, delays[0]!)
    expect(yield* seen(client)).toEqual(ready(true, "v1"))
    expect(yield* server.requests).toHaveLength(2)
    yield* wakeFirst
    expect(yield* Fiber.join(fetching)).toBe(false)
    expect(yield* server.requests).toHaveLength(3)
    expect(told(logs.slice(from))).toEqual([])

    // It is one after the last retry.
    for (let attempt = 1; attempt <= 2; attempt++) {
      yield* server.failAlways(yield* fault)
      const failing = yield* Effect.fork(Effect.flip(client.refresh))
      for (const range of delays) {
        inRange(yield* wakeFirst, range)
      }
      expect(yield* Fiber.join(failing)).toMatchObject({ reason: "Status", status: 429, retryable: true })
      expect(yield* seen(client)).toEqual(stale(setting, "Status"))
      expect(yield* server.requests).toHaveLength(3 + 4 * attempt)
      expect(told(logs.slice(from))).toEqual(["WARN"])
    }
    expect(yield* wakeUps).toEqual([])

    yield* server.failAlways(undefined)
    yield* server.setDocument(v2, { etag: "v2" })
    expect(yield* client.refresh).toBe(true)
    expect(yield* seen(client)).toEqual(ready(false, "v2"))
    expect(told(logs.slice(from))).toEqual(["WARN", "INFO"])
    yield* closed(server, scope)
  })

/** The delays of the default policy, without Retry-After. */
const usual = [
  [800, 1200],
  [1600, 2400],
  [3200, 4800]
] as const

const always = (millis: number) => [0, 1, 2].map(() => [millis, millis] as const)

timedScenario("429 with Retry-After in seconds", (setting, logs) =>
  pushedBack(setting, logs, { value: "20", delays: always(20_000) })
)

timedScenario("429 with Retry-After as a date", (setting, logs) =>
  pushedBack(setting, logs, {
    value: (now) => new Date(now + 60_000).toUTCString(),
    // without milliseconds; at the second answer, that instant has passed
    delays: [[59_000, 60_000], usual[1], usual[2]]
  })
)

timedScenario("429 with an absurdly large Retry-After", (setting, logs) =>
  Effect.gen(function* () {
    yield* pushedBack(setting, logs, { value: "31536000", delays: always(300_000) })

    // Building a client takes until its first attempt has ended, but with `fallback` at most ten seconds.
    const busy = yield* serve()
    yield* busy.failAlways(Fault.status(429, { headers: { "Retry-After": "31536000" } }))
    const building = yield* Effect.fork(Effect.either(makeClient(setting, { url: busy.url, ...untimed }, retryPolicy)))
    yield* awaitSleepOf(300_000)
    if (setting.errorStrategy === "fail") {
      // after two seconds, the client logs what the start is waiting for
      for (const millis of [2000, 298_000, 300_000, 300_000]) {
        expect(building.unsafePoll()).toBeNull()
        expect(yield* wakeFirst).toBe(millis)
      }
      expect(yield* Fiber.join(building)).toMatchObject({ _tag: "Left", left: { reason: "Status", status: 429 } })
    } else {
      expect(yield* wakeFirst).toBe(2000)
      expect(yield* wakeFirst).toBe(8000)
      const built = Either.getOrThrow(yield* Fiber.join(building))
      expect(yield* seen(built)).toEqual(failed("Timeout"))
      for (const millis of [290_000, 300_000, 300_000]) {
        expect(yield* wakeFirst).toBe(millis)
      }
      yield* until(Effect.map(seen(built), ({ error }) => error === "Status"))
      expect(yield* seen(built)).toEqual(failed("Status"))
      expect(yield* busy.requests).toHaveLength(4)
    }

    // Polls do not shorten the wait.
    const server = yield* serve()
    const options = { url: server.url, ...untimed, updateInterval: "20 seconds" } as const
    const client = yield* makeClient(setting, options, retryPolicy)
    yield* server.fail(Fault.status(429, { headers: { "Retry-After": "9".repeat(400) } }))
    const fetching = yield* Effect.fork(client.refresh)
    yield* awaitSleepOf(300_000)
    yield* TestClock.adjust("299 seconds")
    expect(yield* server.requests).toHaveLength(2)
    yield* TestClock.adjust("1 second")
    expect(yield* Fiber.join(fetching)).toBe(false)
    expect(yield* server.requests).toHaveLength(3)
  })
)

timedScenario("429 with a garbage Retry-After", (setting, logs) =>
  Effect.forEach(["soon", "try again in 2099"], (value) => pushedBack(setting, logs, { value, delays: usual }))
)

/** A simulated server, which answers without a socket. */
const makeHandServer = () => {
  const state = { requests: 0, status: 200, document: v1 as object, etag: "v1" }
  const http = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) =>
      Effect.sync(() => {
        state.requests++
        const unchanged = state.status === 200 && request.headers["if-none-match"] === state.etag
        const status = unchanged ? 304 : state.status
        return HttpClientResponse.fromWeb(
          request,
          new Response(status === 200 ? JSON.stringify(state.document) : null, {
            status,
            headers: { etag: state.etag }
          })
        )
      })
    )
  )
  return { state, http }
}

/** A client with default options except the interval, whose clock and server the test controls. */
const byHand = (
  setting: Setting,
  updateInterval: Duration.DurationInput,
  use: (parts: {
    readonly clock: HandClock.HandClock
    readonly client: FliptClient.Service
    readonly server: ReturnType<typeof makeHandServer>["state"]
    readonly close: Effect.Effect<void>
  }) => Effect.Effect<unknown, unknown>
) =>
  Effect.gen(function* () {
    const clock = yield* HandClock.make
    const { http, state } = makeHandServer()
    const scope = yield* Scope.make()
    return yield* Effect.gen(function* () {
      const client = yield* Scope.extend(makeClientOver(setting, http, { updateInterval }, retryPolicy), scope)
      yield* use({ clock, client, server: state, close: Scope.close(scope, Exit.void) })
      yield* Scope.close(scope, Exit.void)
      // no fiber sleeps any more
      expect(yield* clock.sleepers).toBe(0)
    }).pipe(Effect.withClock(clock.clock))
  })

scenario("500 for a day", (setting, logs) =>
  byHand(setting, "30 minutes", ({ client, clock, server }) =>
    Effect.gen(function* () {
      const confirmedAt = (yield* client.status).confirmedAt
      const begun = yield* DateTime.now
      expect(server.requests).toBe(1)
      Object.assign(server, { status: 500, document: v2, etag: "v2" })
      yield* clock.advance("1 hour")
      const status = yield* client.status
      expect(yield* seen(client)).toEqual(stale(setting, "Status"))
      const since = "since" in status ? status.since : begun
      expect(since.epochMillis - begun.epochMillis).toBeLessThanOrEqual(31 * 60_000)

      yield* clock.advance("23 hours")
      expect(yield* client.status).toMatchObject({ since, confirmedAt })
      expect(yield* seen(client)).toEqual(stale(setting, "Status"))
      // four requests for each of about 48 polls, which are jittered
      expect(server.requests).toBeGreaterThan(4 * 44)
      expect(server.requests).toBeLessThan(4 * 52)
      expect(told(logs)).toEqual(["WARN"])
      // the next poll, and no timers left over from failed polls
      expect(yield* clock.sleepers).toBeLessThanOrEqual(2)

      server.status = 200
      yield* clock.advance("34 minutes")
      yield* until(Effect.map(seen(client), ({ on }) => on === false))
      expect(yield* seen(client)).toEqual(ready(false, "v2"))
      expect(told(logs)).toEqual(["WARN", "INFO"])
      expect(logs.at(-1)?.message).toContain(DateTime.formatIso(since))
    })
  )
)

timedScenario("hang before headers", (setting, logs) =>
  outage(setting, logs, {
    begin: (server) => server.failAlways(Fault.hangBeforeHeaders),
    end: (server) => server.failAlways(undefined),
    error: { _tag: "FetchError", reason: "Timeout", retryable: true },
    says: "no response within 30s",
    requests: 4,
    drive: (attempt) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(attempt)
        for (let request = 1; request <= 4; request++) {
          yield* awaitSleepOf(30_000)
          yield* TestClock.adjust("30 seconds")
        }
        return yield* Fiber.join(fiber)
      })
  })
)

/** The responses that a server has started and the test continues. */
const makeDripping = () => {
  const answers: Array<Fault.Exchange> = []
  const fault = Fault.own((exchange) => {
    exchange.response.writeHead(200, { ...exchange.answer.headers, etag: "v2" }).flushHeaders()
    answers.push(exchange)
  })
  return { answers, fault }
}

const tiny = JSON.stringify({ ...makeDocument([{ ...booleanFlag("on", false), description: "" }]), digest: "v2" })

timedScenario("one byte a second", (setting, logs) =>
  Effect.gen(function* () {
    const { answers, fault } = makeDripping()
    const second = TestClock.adjust("1 second")

    // The client abandons a body that has not ended after ten times requestTimeout.
    yield* outage(setting, logs, {
      begin: (server) => server.failAlways(fault),
      end: (server) => server.failAlways(undefined),
      error: { _tag: "FetchError", reason: "Timeout", retryable: true },
      says: "the body did not end within 20s",
      requests: 1,
      options: { requestTimeout: "2 seconds" },
      policy: once,
      drive: (attempt) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.fork(attempt)
          const before = answers.length
          yield* until(Effect.sync(() => answers.length > before))
          yield* awaitSleepOf(20_000)
          for (let byte = 0; byte < 19; byte++) {
            yield* second
            answers.at(-1)?.response.write(tiny.slice(byte, byte + 1))
            // waits until the client has received it
            yield* awaitSleepOf(2000)
          }
          yield* second
          return yield* Fiber.join(fiber)
        })
    })

    // A body that ends before that is loaded.
    const from = logs.length
    const server = yield* serve()
    const client = yield* makeClient(setting, { url: server.url, requestTimeout: "2 seconds" }, once)
    yield* server.fail(fault)
    const before = answers.length
    const fetching = yield* Effect.fork(client.refresh)
    yield* until(Effect.sync(() => answers.length > before))
    answers.at(-1)?.response.write(tiny.slice(0, -15))
    yield* awaitSleepOf(20_000)
    for (const byte of tiny.slice(-15)) {
      yield* second
      answers.at(-1)?.response.write(byte)
      yield* awaitSleepOf(2000)
    }
    answers.at(-1)?.response.end()
    expect(yield* Fiber.join(fetching)).toBe(true)
    expect(yield* seen(client)).toEqual(ready(false, "v2"))
    expect(told(logs.slice(from))).toEqual([])
  })
)

timedScenario("one byte a second on the stream", (setting, logs) =>
  Effect.gen(function* () {
    const streams: Array<Fault.Exchange["response"]> = []
    const server = yield* serve()
    const scope = yield* Scope.make()
    yield* server.fail(
      Fault.pass,
      Fault.own(({ response }) => void streams.push(response))
    )
    // shorter than the time between two bytes and before the first one
    const options = {
      url: server.url,
      fetchMode: "streaming",
      requestTimeout: "500 millis"
    } as const
    const client = yield* Scope.extend(makeClient(setting, options), scope)
    yield* server.awaitRequests(2)
    const [stream] = streams
    const frame = `{"result":${tiny}}\n`
    yield* TestClock.adjust("10 seconds")
    stream?.writeHead(200, { "content-type": "application/json" })
    for (const byte of frame.slice(0, -1)) {
      stream?.write(byte)
      yield* TestClock.adjust("1 second")
    }
    expect(yield* seen(client)).toEqual(ready(true, "v1"))
    stream?.write("\n")
    yield* until(Effect.map(seen(client), ({ version }) => version === "v2"))
    expect(yield* seen(client)).toEqual(ready(false, "v2"))
    expect(yield* server.requests).toHaveLength(2)
    expect(told(logs)).toEqual([])
    yield* closed(server, scope)
  })
)

scenario("interval longer than 2^31 ms", (setting, logs) =>
  Effect.gen(function* () {
    yield* byHand(setting, "100 days", ({ client, clock, server }) =>
      Effect.gen(function* () {
        // the first poll is due after a random part of the interval, and the next one after at least 90 days
        yield* clock.advance("100 days")
        expect(server.requests).toBeGreaterThanOrEqual(1 + 1)
        expect(server.requests).toBeLessThanOrEqual(1 + 2)
        Object.assign(server, { document: v2, etag: "v2" })
        yield* clock.advance("500 days")
        yield* until(Effect.map(seen(client), ({ on }) => on === false))
        expect(server.requests).toBeGreaterThanOrEqual(1 + 5)
        expect(server.requests).toBeLessThanOrEqual(1 + 7)
        expect(yield* seen(client)).toEqual(ready(false, "v2"))
      })
    )
    const server = yield* serve()
    const scope = yield* Scope.make()
    yield* Scope.extend(makeClient(setting, { url: server.url, updateInterval: "100 days" }), scope)
    yield* awhile
    expect(yield* server.requests).toHaveLength(1)
    yield* closed(server, scope)
    expect(told(logs)).toEqual([])
  })
)

const hour = 3_600_000

scenario("clock jumps back and ahead", (setting, logs) =>
  byHand(setting, "1 minute", ({ client, clock, server }) =>
    Effect.gen(function* () {
      /** The number of requests within the next ten minutes. */
      const tenMinutes = Effect.gen(function* () {
        const before = server.requests
        yield* clock.advance("10 minutes")
        return server.requests - before
      })
      const polled = (requests: number) => {
        expect(requests).toBeGreaterThanOrEqual(8)
        expect(requests).toBeLessThanOrEqual(12)
      }
      yield* clock.advance("1 minute")
      for (const by of [5 * hour, -8 * hour, 24 * 365 * hour, -2 * 24 * 365 * hour]) {
        yield* clock.jump(by)
        polled(yield* tenMinutes)
        expect(yield* seen(client)).toEqual(ready(true, "v1"))
      }
      expect(told(logs)).toEqual([])

      // also in an outage, both between the requests of an attempt and between attempts
      server.status = 500
      yield* clock.advance("62 seconds")
      for (const by of [5 * hour, -8 * hour, 5 * hour]) {
        yield* clock.jump(by)
        const requests = yield* tenMinutes
        expect(requests).toBeGreaterThanOrEqual(4 * 8)
        expect(requests).toBeLessThanOrEqual(4 * 12)
        expect(yield* seen(client)).toEqual(stale(setting, "Status"))
      }
      expect(told(logs)).toEqual(["WARN"])
      Object.assign(server, { status: 200, document: v2, etag: "v2" })
      yield* clock.jump(-100 * 24 * hour)
      yield* clock.advance("2 minutes")
      yield* until(Effect.map(seen(client), ({ on }) => on === false))
      expect(yield* seen(client)).toEqual(ready(false, "v2"))
      expect((yield* client.status).confirmedAt?.epochMillis).toBeLessThanOrEqual(
        yield* Effect.clockWith((it) => it.currentTimeMillis)
      )
      expect(told(logs)).toEqual(["WARN", "INFO"])
    })
  )
)
