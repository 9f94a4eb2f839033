/**
 * When a stream is reopened, and how the last one ends.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Supervisor from "effect/Supervisor"
import * as TestClock from "effect/TestClock"
import type * as FliptClient from "../src/FliptClient.js"
import { FetchError } from "../src/FliptError.js"
import { reconnectSchedule, repairSchedule, type StreamEnd } from "../src/internal/fetch/schedules.js"
import { makeSteps } from "../src/internal/util/schedule.js"
import { drive } from "./support/drive.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { captured } from "./support/logs.js"
import { awaitOn, awaitStatus, listenTo, makeClient, no, scripted, yes } from "./support/streaming.js"
import { awaitSleepOf, awhile, until, untilOf } from "./support/wait.js"

describe("a server that ends every stream immediately", () => {
  it.scoped("receives less and less frequent requests", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      yield* server.failStreams(Fault.status(200, { body: "" }))
      yield* makeClient({ url: server.url })
      let streams = 0
      for (const delay of [700, 1400, 2800, 5600, 11_200, 21_000, 21_000, 21_000]) {
        yield* awaitSleepOf(delay)
        yield* awhile
        expect(server.streams).toHaveLength(++streams)
        expect(server.snapshots).toHaveLength(streams)
        yield* TestClock.adjust(delay)
      }
    })
  )

  it.scoped("receives a new stream request after up to a tenth of a good stream's lifetime", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      yield* makeClient({ url: server.url, updateInterval: Number.POSITIVE_INFINITY })
      let streams = 0
      for (const [lifetime, delay] of [
        [0, 700],
        [0, 1400],
        [59_999, 2800],
        [60_000, 4200],
        [0, 1400],
        [3_600_000, 21_000]
      ] as const) {
        const stream = yield* server.awaitStreamRequests(++streams)
        yield* TestClock.adjust(lifetime)
        stream.destroy()
        yield* awaitSleepOf(delay)
        yield* TestClock.adjust(delay)
      }
    })
  )

  it.scopedLive("or restarts or is down for a while is streamed from again", () =>
    captured(() =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: yes } })
        const client = yield* makeClient({ url: server.url }, {}, 0.01)
        yield* server.awaitRequests(2)
        yield* server.restart
        yield* server.awaitRequests(4)
        yield* server.setDocument(no)
        yield* awaitOn(client, false)
        yield* server.stop
        yield* awaitStatus(client, (status) => status._tag === "Stale" && !status.connected)
        yield* server.setDocument(yes)
        yield* server.start
        yield* awaitOn(client, true)
        yield* server.awaitStreams(1)
        yield* server.setDocument(no)
        yield* awaitOn(client, false)
        yield* awaitStatus(client, (status) => status._tag === "Ready" && status.connected)
      })
    )
  )
})

describe("the delays between repairs", () => {
  it.effect("double from one second to 30, and start over after a quiet minute", () =>
    Effect.gen(function* () {
      const { next } = makeSteps(repairSchedule)
      const delays: Array<number> = []
      let now = 1_000_000
      for (const quiet of [0, 0, 0, 0, 0, 0, 59_999, 60_000, 0]) {
        now += quiet
        const delay = Option.getOrThrow(yield* next(now))
        delays.push(delay / 1000)
        now += delay
      }
      expect(delays).toEqual([1, 2, 4, 8, 16, 30, 30, 1, 2])
    })
  )
})

describe("the delays between streams", () => {
  const failed = new FetchError({ reason: "Network", retryable: true, message: "over" })
  const ended = (lifetime: Duration.DurationInput | undefined, retryAfter?: Duration.DurationInput): StreamEnd => ({
    error:
      retryAfter === undefined
        ? failed
        : new FetchError({ ...failed, message: "over", retryAfter: Duration.decode(retryAfter) }),
    lifetime: lifetime === undefined ? Option.none() : Option.some(Duration.decode(lifetime))
  })

  const delaysOf = (inputs: ReadonlyArray<StreamEnd>, random: Random.Random) =>
    Effect.map(drive(reconnectSchedule, inputs, 1_000_000), (steps) => steps.map(({ delay }) => delay)).pipe(
      Effect.withRandom(random)
    )

  const times = (count: number, each: StreamEnd) => Array.from({ length: count }, () => each)
  const longest = Random.fixed([1])

  it.effect("double from a second up to half a minute, and never end", () =>
    Effect.gen(function* () {
      for (const each of [ended(undefined), ended(0), ended("59999 millis")]) {
        expect((yield* delaysOf(times(8, each), longest)).map(Math.round)).toEqual([
          1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000
        ])
      }
      const many = yield* delaysOf(times(3000, ended(0)), longest)
      expect(many).toHaveLength(3000)
      expect(Math.max(...many)).toBeLessThanOrEqual(30_000)
      expect(yield* delaysOf(times(8, ended(0)), Random.fixed([0]))).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
    })
  )

  it.effect("start again only after a stream that lived for a minute, with a tenth of its lifetime", () =>
    Effect.gen(function* () {
      const delays = yield* delaysOf(
        [...times(3, ended(0)), ended("1 minute"), ended(undefined), ended("1 hour"), ended("59 seconds")],
        longest
      )
      expect(delays.map(Math.round)).toEqual([1000, 2000, 4000, 6000, 2000, 30_000, 2000])
    })
  )

  it.effect("are at least Retry-After", () =>
    Effect.gen(function* () {
      const inputs = [ended(0, "5 minutes"), ended(0, "1 second"), ended(undefined, "3 seconds"), ended(0)]
      expect((yield* delaysOf(inputs, longest)).map(Math.round)).toEqual([300_000, 2000, 4000, 8000])
      expect(yield* delaysOf(inputs, Random.fixed([0]))).toEqual([300_000, 1000, 3000, 0])
    })
  )

  it.effect("of many clients are spread evenly from zero to the maximum", () =>
    Effect.gen(function* () {
      const tenths = [1, 4, 30].map(() => Array.from({ length: 10 }, () => 0))
      for (let client = 0; client < 500; client++) {
        const delays = yield* delaysOf(times(6, ended(0)), Random.make(`client ${client}`))
        for (const [nth, [step, most]] of (
          [
            [0, 1000],
            [2, 4000],
            [5, 30_000]
          ] as const
        ).entries()) {
          const delay = delays[step]!
          expect(delay).toBeGreaterThanOrEqual(0)
          expect(delay).toBeLessThanOrEqual(most)
          tenths[nth]![Math.min(9, Math.floor((delay / most) * 10))]!++
        }
      }
      for (const count of tenths.flat()) {
        expect(count).toBeGreaterThan(25)
        expect(count).toBeLessThan(80)
      }
    })
  )
})

describe("the end of the scope leaves nothing behind", () => {
  /** Runs a client until it has reached the situation, closes it, and checks what is left. */
  const closing = (
    what: string,
    begin: (server: FliptServer.Server, client: FliptClient.Service) => Effect.Effect<unknown, unknown>,
    stream?: Fault.Fault
  ) =>
    it.scoped(what, () =>
      Effect.gen(function* () {
        const server = yield* scripted
        yield* server.failStreams(stream)
        const supervisor = yield* Supervisor.track
        const scope = yield* Scope.make()
        const client = yield* makeClient({ url: server.url }).pipe(Scope.extend(scope), Effect.supervised(supervisor))
        yield* begin(server, client)
        expect((yield* supervisor.value).length).toBeGreaterThan(0)
        yield* Scope.close(scope, Exit.void)
        yield* until(() => server.streams.every((stream) => !stream.isOpen()))
        yield* untilOf(supervisor.value, (fibers) => fibers.length === 0)
        const before = (yield* server.order).length
        yield* TestClock.adjust("1 day")
        yield* awhile
        expect(yield* server.order).toHaveLength(before)
        expect(yield* client.status).toMatchObject({ error: { reason: "Closed" } })
      })
    )

  closing("of a stream whose response has not started", (server) => server.awaitStreamRequests(1))

  closing("of a stream that is being read", (server, client) =>
    Effect.gen(function* () {
      const stream = yield* server.awaitStreamRequests(1)
      stream.push(no)
      stream.write(FliptServer.frame(yes).subarray(0, 30))
      yield* awaitOn(client, false)
    })
  )

  closing("of a stream that waits to be reopened", (server) =>
    Effect.gen(function* () {
      const stream = yield* server.awaitStreamRequests(1)
      stream.destroy()
      yield* awaitSleepOf(700)
    })
  )

  closing("of a stream with a request in flight before it", (server) =>
    Effect.gen(function* () {
      const stream = yield* server.awaitStreamRequests(1)
      yield* server.failSnapshots(Fault.hangBeforeHeaders)
      stream.destroy()
      yield* awaitSleepOf(700)
      yield* TestClock.adjust(700)
      yield* server.awaitSnapshotRequests(2)
    })
  )

  closing("of a stream with a request in flight during it", (server) =>
    Effect.gen(function* () {
      yield* server.awaitStreamRequests(1)
      yield* server.failSnapshots(Fault.hangBeforeHeaders)
      yield* awaitSleepOf(84_000)
      yield* TestClock.adjust(84_000)
      yield* server.awaitSnapshotRequests(2)
    })
  )

  closing(
    "of a server that is polled instead",
    (_, client) => awaitStatus(client, (status) => status.mode === "polling"),
    Fault.status(404)
  )

  it.scopedLive("of connections", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: yes } })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* makeClient({ url: server.url })
          yield* server.awaitRequests(2)
          yield* server.setDocument(no)
          yield* awaitOn(client, false)
          expect(yield* server.connections).toBeGreaterThan(0)
        })
      )
      yield* server.awaitConnections(0)
    })
  )

  it.scoped("of a connection that is not open yet", () =>
    Effect.gen(function* () {
      const counts = { asked: 0, interrupted: 0 }
      const http = Layer.sync(HttpClient.HttpClient, () =>
        HttpClient.make(() =>
          Effect.sync(() => counts.asked++).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => counts.interrupted++))
          )
        )
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const events = yield* listenTo({}, { http })
          yield* until(() => counts.asked === 1)
          yield* awhile
          expect(events).toEqual([])
        })
      )
      expect(counts).toEqual({ asked: 1, interrupted: 1 })
    })
  )
})
