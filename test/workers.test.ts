/**
 * Worker threads that end during their start. A separate process runs them, because an abort would end the tests.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "./support/child.js"
import { native, reason } from "./support/engines.js"

/** How many worker threads end during their start. */
const workerCount = 50

it.live(
  "a process survives worker threads that end while they build an engine, which is portable by default",
  () =>
    Effect.gen(function* () {
      const result = yield* run("workers.mjs", [`${workerCount}`], 600_000)
      expect(result).toEqual({ ended: workerCount, inWorker: "portable", inMain: native ? "native" : "portable" })
    }),
  { timeout: 630_000 }
)

// Needs the library. The other test covers worker threads without it.
it.live.skipIf(!native)(
  `a process survives worker threads that end while they load the native engine${native ? "" : ` (skipped: ${reason})`}`,
  () =>
    Effect.gen(function* () {
      const result = yield* run("workers.mjs", ["native", `${workerCount}`], 600_000)
      expect(result).toEqual({ ended: workerCount, inWorker: "native", inMain: "native" })
    }),
  { timeout: 630_000 }
)
