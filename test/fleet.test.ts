/**
 * Validates the simulation behind `npm run bench:fleet`: a hundred real clients make the same requests at the same
 * instants.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { type Model, simulate } from "../bench/simulation.js"
import * as Auth from "../src/Auth.js"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { FetchError } from "../src/FliptError.js"
import * as schedules from "../src/internal/fetch/schedules.js"
import { noResponse } from "../src/internal/net/httpClient.js"
import { drive } from "./support/drive.js"
import * as FleetClock from "./support/fleetClock.js"

const CLIENTS = 100
/** The tests take seconds, or many more on a busy machine. */
const TIMEOUT = 300_000

interface Request {
  readonly at: number
  readonly client: number
  readonly kind: "snapshot" | "stream"
  readonly ok: boolean
}

type Course = Pick<Model, "interval" | "mode" | "until"> & {
  readonly outage: { readonly from: number; readonly to: number }
}

const randomOf = (client: number): Random.Random => Random.make(`client ${client}`)

const etag = '"1"'

/** A server without sockets, for one client. */
const serverFor = (client: number, { outage }: Course, requests: Array<Request>, cut: Deferred.Deferred<void>) =>
  HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const at = yield* Clock.currentTimeMillis
      const kind = url.pathname.endsWith("/stream") ? "stream" : "snapshot"
      const ok = at < outage.from || at >= outage.to
      requests.push({ at, client, kind, ok })
      const refused = Effect.fail(noResponse(request, new Error("refused")))
      if (!ok) {
        return yield* refused
      }
      if (kind === "stream") {
        // Like Flipt, it sends the status line together with the first frame.
        return yield* at < outage.from ? Effect.zipRight(Deferred.await(cut), refused) : Effect.never
      }
      const response =
        request.headers["if-none-match"] === etag
          ? new Response(null, { status: 304, headers: { etag } })
          : new Response('{"namespace":{"key":"default"},"flags":[]}', { headers: { etag } })
      return HttpClientResponse.fromWeb(request, response)
    })
  )

/** The requests of real clients. */
const run = (course: Course) => {
  const { clock, runUntil } = FleetClock.make()
  return Effect.gen(function* () {
    const requests: Array<Request> = []
    const cut = yield* Deferred.make<void>()
    for (let client = 0; client < CLIENTS; client++) {
      const layer = course.mode === "polling" ? Fetcher.layerPolling : Fetcher.layerStreaming
      const fetcher = layer({ updateInterval: course.interval, requestTimeout: Number.POSITIVE_INFINITY }).pipe(
        Layer.provide([Layer.succeed(HttpClient.HttpClient, serverFor(client, course, requests, cut)), Auth.layerNone])
      )
      yield* Layer.build(
        FliptClient.layerWithoutDependencies({ errorStrategy: "fallback" }).pipe(
          Layer.provide([fetcher, Engine.layerMock({})])
        )
      ).pipe(Effect.withRandom(randomOf(client)))
    }
    yield* Effect.sleep(course.outage.from).pipe(Effect.zipRight(Deferred.succeed(cut, undefined)), Effect.forkScoped)
    yield* runUntil(course.until)
    return requests
  }).pipe(Effect.scoped, Effect.withClock(clock), Effect.provide(Logger.remove(Logger.defaultLogger)))
}

/** The requests of simulated clients. */
const predict = ({ interval, mode, outage, until }: Course) =>
  Effect.gen(function* () {
    const requests: Array<Request> = []
    yield* simulate({
      schedules,
      clients: CLIENTS,
      interval,
      mode,
      outages: [outage],
      cutWithin: 0,
      random: randomOf,
      until,
      onRequest: (at, client, kind, ok) => requests.push({ at, client, kind, ok })
    })
    return requests
  })

/** Each client's requests as text, with milliseconds. */
const told = (requests: ReadonlyArray<Request>) =>
  Array.from({ length: CLIENTS }, (_, client) =>
    requests
      .filter((request) => request.client === client)
      .map(({ at, kind, ok }) => `${kind} at ${Math.round(at)}: ${ok ? "answered" : "refused"}`)
  )

const firstAnswers = (requests: ReadonlyArray<Request>, after: number) =>
  Array.from({ length: CLIENTS }, (_, client) =>
    requests.find(
      (request) => request.client === client && request.kind === "snapshot" && request.ok && request.at >= after
    )
  )
    .flatMap((request) => (request === undefined ? [] : [request.at - after]))
    .sort((a, b) => a - b)

const span = (sorted: ReadonlyArray<number>): number =>
  sorted[Math.floor(sorted.length * 0.95)]! - sorted[Math.floor(sorted.length * 0.05)]!

describe("a hundred clients that start together", () => {
  it.live(
    "each poll once per interval and return one after the other from an outage, as simulated",
    ({ expect }) =>
      Effect.gen(function* () {
        const course: Course = {
          mode: "polling",
          interval: 120_000,
          outage: { from: 120_000, to: 140_000 },
          until: 270_000
        }
        const requests = yield* run(course)
        expect(told(requests)).toEqual(told(yield* predict(course)))
        const first = requests.filter(({ at }) => at > 0 && at < course.interval)
        expect(first.length).toBeGreaterThan(95)
        expect(first.length).toBeLessThan(105)
        const back = firstAnswers(requests, course.outage.to)
        expect(back).toHaveLength(CLIENTS)
        expect(span(back)).toBeGreaterThan(20_000)
      }),
    TIMEOUT
  )

  it.live(
    "poll during their streams and reopen them one after the other, as simulated",
    () =>
      Effect.gen(function* () {
        const course: Course = {
          mode: "streaming",
          interval: 300_000,
          outage: { from: 302_000, to: 305_000 },
          until: 345_000
        }
        const requests = yield* run(course)
        expect(told(requests)).toEqual(told(yield* predict(course)))
        const beside = requests.filter(({ at }) => at > 0 && at < course.outage.from)
        expect(beside.length).toBeGreaterThan(95)
        expect(beside.length).toBeLessThan(105)
        expect(beside.every(({ kind }) => kind === "snapshot")).toBe(true)
        const back = firstAnswers(requests, course.outage.to)
        expect(back).toHaveLength(CLIENTS)
        expect(span(back)).toBeGreaterThan(20_000)
        expect(requests.filter(({ kind, ok }) => kind === "stream" && ok)).toHaveLength(2 * CLIENTS)
      }),
    TIMEOUT
  )
})

/** The longest of many random waits for the next stream, in seconds, after streams with these lifetimes. */
const longestWait = (...lives: ReadonlyArray<Duration.DurationInput>) =>
  Effect.gen(function* () {
    const error = new FetchError({ reason: "Network", retryable: true, message: "cut" })
    let longest = 0
    for (let seed = 0; seed < 500; seed++) {
      const random = Random.make(seed)
      const ends = lives.map((life) => ({ error, lifetime: Option.some(Duration.decode(life)) }))
      const steps = yield* Effect.withRandom(drive(schedules.reconnectSchedule, ends), random)
      const wait = steps.at(-1)?.delay ?? Number.NaN
      longest = Math.max(longest, wait)
    }
    return longest / 1000
  })

describe("the next stream", () => {
  it.effect("opens within a second, and then within twice as long each time, up to half a minute", () =>
    Effect.gen(function* () {
      const brief = Array.from({ length: 8 }, () => "59 seconds" as const)
      for (const [index, most] of [1, 2, 4, 8, 16, 30, 30, 30].entries()) {
        const longest = yield* longestWait(...brief.slice(0, index + 1))
        expect(longest).toBeLessThanOrEqual(most)
        expect(longest).toBeGreaterThan(0.9 * most)
      }
    })
  )

  it.effect(
    "opens within a tenth of the lifetime of a healthy one, up to half a minute, regardless of earlier ones",
    () =>
      Effect.gen(function* () {
        for (const [life, most] of [
          ["1 minute", 6],
          ["100 seconds", 10],
          ["5 minutes", 30],
          ["9 days", 30]
        ] as const) {
          for (const before of [[], ["1 second", "1 second", "1 second", "1 second", "1 second"]] as const) {
            const longest = yield* longestWait(...before, life)
            expect(longest).toBeLessThanOrEqual(most)
            expect(longest).toBeGreaterThan(0.9 * most)
          }
        }
      })
  )

  it.effect("opens within two seconds if the stream after a healthy one ends immediately", () =>
    Effect.gen(function* () {
      expect(yield* longestWait("1 hour", 0)).toBeLessThanOrEqual(2)
    })
  )
})
