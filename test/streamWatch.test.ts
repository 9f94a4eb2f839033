/**
 * How a client monitors its stream, and when it counts as connected.
 */
import * as Net from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { listen } from "./support/Listener.js"
import { captured } from "./support/logs.js"
import { awaitOn, awaitStatus, grace, isOn, makeClient, no, scripted, yes } from "./support/streaming.js"
import { awaitSleepOf, awhile, until, wakeUps } from "./support/wait.js"

describe("a silent stream", () => {
  it.scoped("stays open while requests find nothing new, which confirm the state", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const client = yield* makeClient({ url: server.url })
      const stream = yield* server.awaitStreamRequests(1)
      stream.write("\n")
      yield* awaitStatus(client, (status) => status.connected)
      yield* awaitSleepOf(84_000)
      let confirmed = 0
      for (let requests = 1; requests < 5; requests++) {
        expect(server.snapshots).toHaveLength(requests)
        // an interval plus a tenth
        yield* TestClock.adjust(132_000)
        yield* server.awaitSnapshotRequests(requests + 1)
        yield* awaitStatus(client, (status) => (status.confirmedAt?.epochMillis ?? 0) > confirmed)
        confirmed = (yield* client.status).confirmedAt?.epochMillis ?? 0
        // the next sleep has started
        yield* awhile
      }
      expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: true })
      expect(server.streams).toHaveLength(1)
      expect(stream.isOpen()).toBe(true)
    })
  )

  it.scoped("that has missed a change is detected within an interval, and reopened", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* scripted
        const client = yield* makeClient({ url: server.url, updateInterval: "1 minute" })
        const stream = yield* server.awaitStreamRequests(1)
        yield* server.setDocument(no)
        yield* awaitSleepOf(42_000)
        yield* TestClock.adjust(41_999)
        yield* awhile
        expect(yield* isOn(client)).toBe(true)
        yield* TestClock.adjust(1)
        yield* awaitOn(client, false)
        // the stream may still push it
        yield* grace
        yield* until(() => !stream.isOpen())
        yield* awaitSleepOf(700)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
        yield* TestClock.adjust(700)
        const { request } = yield* server.awaitStreamRequests(2)
        expect(request.target).toContain(`?digest=${FliptServer.digestOf(no)}`)
        expect(lines.filter((line) => line.level === "WARN")).toEqual([])
      })
    )
  )

  for (const [what, answered] of [
    ["the application has fetched the missed change itself", true],
    ["the stream pushes the change a moment later", false]
  ] as const) {
    it.scoped(`is ${answered ? "replaced even if" : "kept if"} ${what}`, () =>
      Effect.gen(function* () {
        const server = yield* scripted
        const client = yield* makeClient({ url: server.url, updateInterval: "1 minute" })
        const stream = yield* server.awaitStreamRequests(1)
        yield* server.setDocument(no)
        if (answered) {
          expect(yield* client.refresh).toBe(true)
        }
        yield* awaitSleepOf(42_000)
        yield* TestClock.adjust(42_000)
        yield* awaitOn(client, false)
        yield* awaitSleepOf(1000)
        if (answered) {
          yield* TestClock.adjust(1000)
          yield* until(() => !stream.isOpen())
        } else {
          const { confirmedAt } = yield* client.status
          yield* TestClock.adjust(500)
          stream.push(no)
          yield* awaitStatus(client, (it) => String(it.confirmedAt) !== String(confirmedAt))
          yield* TestClock.adjust(500)
          yield* awhile
          expect(stream.isOpen()).toBe(true)
        }
      })
    )
  }

  it.scoped("stays open if requests return the same state in full", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const client = yield* makeClient({ url: server.url, updateInterval: "1 minute" })
      const stream = yield* server.awaitStreamRequests(1)
      const again = Buffer.from(JSON.stringify(yes))
      yield* server.failSnapshots(Fault.garbage(again, { etag: FliptServer.digestOf(yes) }))
      const { confirmedAt } = yield* client.status
      yield* awaitSleepOf(42_000)
      yield* TestClock.adjust(42_000)
      yield* server.awaitSnapshotRequests(2)
      yield* awaitStatus(client, (it) => String(it.confirmedAt) !== String(confirmedAt))
      yield* awhile
      yield* TestClock.adjust("2 seconds")
      yield* awhile
      expect(stream.isOpen()).toBe(true)
    })
  )

  it.scoped("whose connection is dead is detected by the next change", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: yes } })
      const swallowed: Array<Net.Socket> = []
      let swallows = false
      const relay = Net.createServer((near) => {
        const far = Net.connect(server.port, "127.0.0.1")
        let streams = false
        const isSwallowed = () => swallows && streams
        near.on("data", (data) => {
          streams ||= data.includes("/stream")
          if (!isSwallowed()) far.write(data)
        })
        far.on("data", (data) => {
          if (isSwallowed()) swallowed.push(near)
          else near.write(data)
        })
        for (const [one, other] of [
          [near, far],
          [far, near]
        ] as const) {
          one.on("error", () => {})
          one.on("close", () => other.destroy())
        }
      })
      const url = `http://127.0.0.1:${yield* listen(relay)}`
      const client = yield* makeClient({ url, updateInterval: "1 minute" })
      yield* server.awaitRequests(2)
      yield* server.setDocument(no)
      yield* awaitOn(client, false)
      swallows = true
      yield* server.setDocument(yes)
      yield* until(() => swallowed.length > 0)
      expect(yield* isOn(client)).toBe(false)
      swallows = false
      yield* awaitSleepOf(42_000)
      yield* TestClock.adjust(42_000)
      yield* awaitOn(client, true)
      yield* grace
      yield* awaitSleepOf(700)
      yield* TestClock.adjust(700)
      const requests = yield* server.awaitRequests(5)
      expect(requests.map((request) => request.path.endsWith("/stream"))).toEqual([false, true, false, false, true])
      yield* server.setDocument(no)
      yield* awaitOn(client, false)
    })
  )

  it.scoped("is not checked if the interval is infinite, and no timeout ends it", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const client = yield* makeClient({
        url: server.url,
        updateInterval: Number.POSITIVE_INFINITY,
        requestTimeout: "10 seconds"
      })
      const stream = yield* server.awaitStreamRequests(1)
      for (const document of [no, yes]) {
        yield* TestClock.adjust("3650 days")
        yield* awhile
        expect(yield* server.order).toEqual(["snapshot", "stream"])
        expect(stream.isOpen()).toBe(true)
        expect(yield* wakeUps).toEqual([])
        yield* server.setDocument(document)
        stream.push(document)
        yield* awaitOn(client, document === yes)
      }
    })
  )

  it.scoped(
    "of a deleted namespace is detected by the next request, and reopened once the namespace exists again",
    () =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: yes } })
        const client = yield* makeClient({ url: server.url })
        yield* server.awaitRequests(2)
        yield* server.removeNamespace()
        yield* awaitSleepOf(84_000)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
        yield* TestClock.adjust(84_000)
        // a tenth of the stream's lifetime
        yield* awaitSleepOf(5880)
        expect(yield* client.status).toMatchObject({
          _tag: "Stale",
          mode: "streaming",
          connected: false,
          error: { reason: "NotFound", status: 404 }
        })
        yield* TestClock.adjust(5880)
        yield* awaitSleepOf(1400)
        yield* server.setDocument(no)
        yield* TestClock.adjust(1400)
        yield* awaitOn(client, false)
        yield* server.awaitStreamRequests(2)
        yield* server.setDocument(yes)
        yield* awaitOn(client, true)
        yield* awaitStatus(client, (status) => status._tag === "Ready" && status.connected)
      })
  )
})

describe("the status of a request during a stream", () => {
  for (const status of [401, 404, 405, 501]) {
    it.scoped(`does not count as a refusal of the stream: ${status}`, () =>
      captured((lines) =>
        Effect.gen(function* () {
          const server = yield* FliptServer.make({ documents: { default: yes } })
          const client = yield* makeClient({ url: server.url })
          yield* server.awaitStreamRequests(1)
          yield* server.restart
          yield* awaitSleepOf(700)
          yield* TestClock.adjust(700)
          yield* server.awaitStreamRequests(2)
          yield* server.failSnapshots(Fault.status(status))
          yield* TestClock.adjust(84_000)
          yield* awaitStatus(client, (it) => it._tag === "Stale" && !it.connected)
          yield* server.failSnapshots(undefined)
          yield* server.setDocument(no)
          yield* TestClock.adjust(30_000)
          yield* server.awaitStreamRequests(3)
          yield* awaitOn(client, false)
          expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming" })
          const warnings = lines.filter((line) => line.level === "WARN").map((line) => line.message)
          expect(warnings).toEqual([expect.stringContaining("not up to date")])
        })
      )
    )
  }
})

describe("a client is connected", () => {
  it.scoped("from the response's headers until the stream ends", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      const client = yield* makeClient({ url: server.url })
      const first = yield* server.awaitStreamRequests(1)
      yield* TestClock.adjust("1 minute")
      yield* awhile
      expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming", connected: false })
      first.write("\n")
      yield* awaitStatus(client, (status) => status.connected)

      first.destroy()
      yield* awaitStatus(client, (status) => !status.connected)
      yield* awaitSleepOf(4200)
      yield* server.failSnapshots(Fault.status(503))
      yield* TestClock.adjust(4200)
      yield* awaitSleepOf(1400)
      expect(yield* client.status).toMatchObject({ _tag: "Stale", connected: false })
      yield* server.failSnapshots(undefined)
      yield* TestClock.adjust(1400)
      const second = yield* server.awaitStreamRequests(2)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", connected: false })
      second.write("\n")
      yield* awaitStatus(client, (status) => status.connected)
    })
  )

  it.scoped("never if the stream of a branch stays silent, but polls keep it up to date", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ branches: ["feature"] })
      yield* server.setDocument(yes, { environment: "feature" })
      const client = yield* makeClient({ url: server.url, environment: "feature", updateInterval: "1 minute" })
      yield* server.awaitStreamRequests(1)
      yield* server.setDocument(no, { environment: "feature" })
      yield* awaitSleepOf(42_000)
      yield* TestClock.adjust(42_000)
      yield* awaitOn(client, false)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "streaming", connected: false })
    })
  )
})

describe("a client whose streams all fail", () => {
  it.scoped("is never behind for longer than updateInterval", () =>
    Effect.gen(function* () {
      const server = yield* scripted
      yield* server.failStreams(Fault.status(503))
      const client = yield* makeClient({ url: server.url, updateInterval: "2 seconds" })
      yield* server.awaitStreamRequests(1)
      let enabled = true
      for (let seconds = 0; seconds < 120; seconds += 2.2) {
        enabled = !enabled
        yield* server.setDocument(enabled ? yes : no)
        const { length } = server.snapshots
        // an interval plus a tenth
        yield* TestClock.adjust(2200)
        yield* server.awaitSnapshotRequests(length + 1)
        yield* awaitOn(client, enabled)
        yield* awhile
      }
      expect((yield* client.status)._tag).toBe("Ready")
      // the polls do not speed up the attempts to open a stream
      expect(server.streams.length).toBeLessThan(12)
    })
  )
})
