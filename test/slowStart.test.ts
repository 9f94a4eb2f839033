/**
 * Log lines about a slow start.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as FliptClient from "../src/FliptClient.js"
import { onDocument } from "./support/documents.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { captured } from "./support/logs.js"
import { awaitSleepOf, awhile } from "./support/wait.js"

for (const errorStrategy of ["fail", "fallback"] as const) {
  it.scoped(`a start that waits for its server logs one line after two seconds (${errorStrategy})`, () =>
    captured((lines) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make()
        yield* server.failAlways(Fault.status(503, { headers: { "retry-after": "3600" } }))
        const starting = yield* Effect.fork(Effect.exit(FliptClient.make({ url: server.url, errorStrategy })))
        yield* server.awaitSnapshotRequests(1)
        yield* awaitSleepOf(2000)
        yield* awaitSleepOf(300_000)
        const told = () => lines.filter(({ level, message }) => level === "INFO" && message.includes("still waiting"))
        yield* TestClock.adjust(1999)
        yield* awhile
        expect(told()).toEqual([])
        yield* TestClock.adjust(1)
        yield* awhile
        expect(told()).toEqual([
          {
            level: "INFO",
            message: expect.stringContaining(
              `namespace default (environment default): still waiting for the first state from ${server.url};`
            )
          }
        ])
        yield* TestClock.adjust("4 minutes")
        yield* awhile
        expect(told()).toHaveLength(1)
        yield* Fiber.interrupt(starting)
      })
    )
  )
}

it.scoped("a start that takes less than two seconds logs nothing", () =>
  captured((lines) =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      yield* FliptClient.make({ url: server.url, updateInterval: Number.POSITIVE_INFINITY })
      yield* TestClock.adjust("1 minute")
      yield* awhile
      expect(lines.filter(({ level }) => level !== "DEBUG")).toEqual([])
    })
  )
)
